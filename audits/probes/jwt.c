/* JSON Web Tokens on OpenSSL. */

#include "jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { TOKEN_LARGEST = 64 * 1024 };

const char *
jwt_check_name(enum jwt_check check)
{
        static const char *const names[] = {[JWT_GOOD] = "verified",           [JWT_BAD] = "signature does not verify",
                                            [JWT_NO_KEY] = "no published key", [JWT_UNSIGNED] = "unsigned",
                                            [JWT_SYMMETRIC] = "symmetric",     [JWT_UNKNOWN] = "unknown algorithm"};

        return names[check];
}

/* --- base64url -------------------------------------------------------------------------------------------------------
 */

static int
digit_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* malloc'd bytes of unpadded base64url; NULL when it is none. */
static unsigned char *
decode(const char *text, size_t length, size_t *out_length)
{
        unsigned char *out = malloc(length * 3 / 4 + 4);
        uint32_t bits = 0;
        size_t used = 0;
        int have = 0;

        while (length > 0 && text[length - 1] == '=')
                length--;
        for (size_t i = 0; out != NULL && i < length; i++) {
                int digit = digit_of(text[i]);
                if (digit < 0) {
                        free(out);
                        return NULL;
                }
                bits = bits << 6 | (uint32_t)digit;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        out[used++] = (unsigned char)(bits >> have);
                }
        }
        *out_length = used;
        return out;
}

static json_t *
part_read(const char *text, size_t length)
{
        size_t size;
        unsigned char *bytes = decode(text, length, &size);
        json_t *value = bytes != NULL ? json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL) : NULL;

        free(bytes);
        if (!json_is_object(value)) {
                json_decref(value);
                return NULL;
        }
        return value;
}

int
jwt_read(const char *token, json_t **header, json_t **claims, struct error *err)
{
        const char *first = strchr(token, '.'), *second = first != NULL ? strchr(first + 1, '.') : NULL;

        if (strlen(token) > TOKEN_LARGEST || second == NULL || strchr(second + 1, '.') != NULL)
                return error_set(err, REASON_UNSUPPORTED, "the token is opaque: no JWT");
        *header = part_read(token, (size_t)(first - token));
        *claims = part_read(first + 1, (size_t)(second - first - 1));
        if (*header != NULL && *claims != NULL)
                return 0;
        json_decref(*header);
        json_decref(*claims);
        *header = *claims = NULL;
        return error_set(err, REASON_UNSUPPORTED, "the token is opaque: no JWT");
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static BIGNUM *
number_of(const json_t *key, const char *name)
{
        const char *text = json_text(key, name, NULL);
        size_t length;
        unsigned char *bytes = text != NULL ? decode(text, strlen(text), &length) : NULL;
        BIGNUM *number = bytes != NULL && length <= 2048 ? BN_bin2bn(bytes, (int)length, NULL) : NULL;

        free(bytes);
        return number;
}

static EVP_PKEY *
key_make(const char *type, OSSL_PARAM_BLD *build)
{
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
        EVP_PKEY *key = NULL;

        if (context == NULL || parameters == NULL || EVP_PKEY_fromdata_init(context) <= 0 ||
            EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) <= 0)
                key = NULL;
        OSSL_PARAM_free(parameters);
        EVP_PKEY_CTX_free(context);
        return key;
}

static EVP_PKEY *
rsa_key(const json_t *jwk)
{
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        BIGNUM *n = number_of(jwk, "n"), *e = number_of(jwk, "e");
        EVP_PKEY *key = NULL;

        if (build != NULL && n != NULL && e != NULL && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
                key = key_make("RSA", build);
        BN_free(n);
        BN_free(e);
        OSSL_PARAM_BLD_free(build);
        return key;
}

static const struct curve {
        const char *name, *group, *algorithm;
        size_t size;
} curves[] = {
        {"P-256", "prime256v1", "ES256", 32}, {"P-384", "secp384r1", "ES384", 48}, {"P-521", "secp521r1", "ES512", 66}};

static const struct curve *
curve_of(const char *algorithm)
{
        for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
                if (strcmp(curves[i].algorithm, algorithm) == 0)
                        return &curves[i];
        }
        return NULL;
}

static EVP_PKEY *
ec_key(const json_t *jwk, const struct curve *curve)
{
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        BIGNUM *x = number_of(jwk, "x"), *y = number_of(jwk, "y");
        unsigned char point[1 + 2 * 66] = {4}; /* uncompressed */
        EVP_PKEY *key = NULL;

        if (build != NULL && x != NULL && y != NULL && strcmp(json_text(jwk, "crv", ""), curve->name) == 0 &&
            BN_bn2binpad(x, point + 1, (int)curve->size) > 0 &&
            BN_bn2binpad(y, point + 1 + curve->size, (int)curve->size) > 0 &&
            OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->size))
                key = key_make("EC", build);
        BN_free(x);
        BN_free(y);
        OSSL_PARAM_BLD_free(build);
        return key;
}

static EVP_PKEY *
ed25519_key(const json_t *jwk)
{
        const char *text = json_text(jwk, "x", "");
        size_t length = 0;
        unsigned char *bytes = decode(text, strlen(text), &length);
        EVP_PKEY *key = bytes != NULL && length == 32 && strcmp(json_text(jwk, "crv", ""), "Ed25519") == 0
                                ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, length)
                                : NULL;

        free(bytes);
        return key;
}

static EVP_PKEY *
key_of(const json_t *jwk, const char *algorithm)
{
        const char *type = json_text(jwk, "kty", "");

        if (strcmp(type, "RSA") == 0 && (strncmp(algorithm, "RS", 2) == 0 || strncmp(algorithm, "PS", 2) == 0))
                return rsa_key(jwk);
        if (strcmp(type, "EC") == 0 && curve_of(algorithm) != NULL)
                return ec_key(jwk, curve_of(algorithm));
        if (strcmp(type, "OKP") == 0 && strcmp(algorithm, "EdDSA") == 0)
                return ed25519_key(jwk);
        return NULL;
}

/* --- signatures --------------------------------------------------------------------------------------------------- */

static const EVP_MD *
digest_of(const char *algorithm)
{
        const char *bits = algorithm + 2;

        return strcmp(bits, "256") == 0   ? EVP_sha256()
               : strcmp(bits, "384") == 0 ? EVP_sha384()
               : strcmp(bits, "512") == 0 ? EVP_sha512()
                                          : NULL;
}

/* JOSE has r and s side by side, OpenSSL wants them in DER (RFC 7518, section 3.4). */
static unsigned char *
ecdsa_der(const unsigned char *signature, size_t length, size_t *der_length)
{
        ECDSA_SIG *pair = ECDSA_SIG_new();
        BIGNUM *r = BN_bin2bn(signature, (int)(length / 2), NULL),
               *s = BN_bin2bn(signature + length / 2, (int)(length / 2), NULL);
        unsigned char *der = NULL;
        int size = 0;

        if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
                size = i2d_ECDSA_SIG(pair, &der);
        } else {
                BN_free(r);
                BN_free(s);
        }
        ECDSA_SIG_free(pair);
        *der_length = size > 0 ? (size_t)size : 0;
        return der;
}

static bool
verifies(EVP_PKEY *key, const char *algorithm, const char *text, size_t length, const unsigned char *signature,
         size_t signature_length)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *parameters = NULL;
        bool edwards = strcmp(algorithm, "EdDSA") == 0, good = false;
        unsigned char *der = NULL;

        if (*algorithm == 'E' && !edwards) {
                if (signature_length == 0 || signature_length % 2 != 0 || signature_length > 132)
                        goto out;
                der = ecdsa_der(signature, signature_length, &signature_length);
                signature = der;
        }
        if (context == NULL || signature == NULL ||
            EVP_DigestVerifyInit(context, &parameters, edwards ? NULL : digest_of(algorithm), NULL, key) != 1)
                goto out;
        if (*algorithm == 'P' && (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
                                  EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) != 1))
                goto out;
        good = EVP_DigestVerify(context, signature, signature_length, (const unsigned char *)text, length) == 1;
out:
        OPENSSL_free(der);
        EVP_MD_CTX_free(context);
        return good;
}

static bool
is_known(const char *algorithm)
{
        return strcmp(algorithm, "EdDSA") == 0 || curve_of(algorithm) != NULL ||
               ((strncmp(algorithm, "RS", 2) == 0 || strncmp(algorithm, "PS", 2) == 0) && digest_of(algorithm) != NULL);
}

enum jwt_check
jwt_verify(const char *token, const json_t *keys)
{
        scoped_json header = NULL;
        scoped_json claims = NULL;
        struct error err = {0};
        enum jwt_check check = JWT_NO_KEY;
        size_t i, signature_length = 0;
        json_t *jwk;

        if (jwt_read(token, &header, &claims, &err) != 0)
                return JWT_UNKNOWN;
        const char *algorithm = json_text(header, "alg", ""), *id = json_text(header, "kid", NULL);
        if (strcmp(algorithm, "none") == 0)
                return JWT_UNSIGNED;
        if (strncmp(algorithm, "HS", 2) == 0)
                return JWT_SYMMETRIC;
        if (!is_known(algorithm))
                return JWT_UNKNOWN;
        const char *dot = strrchr(token, '.');
        unsigned char *signature = decode(dot + 1, strlen(dot + 1), &signature_length);
        json_array_foreach((json_t *)json_list(keys, "keys"), i, jwk)
        {
                const char *other = json_text(jwk, "kid", NULL);
                if (signature == NULL || (id != NULL && other != NULL && strcmp(id, other) != 0))
                        continue;
                EVP_PKEY *key = key_of(jwk, algorithm);
                if (key == NULL)
                        continue;
                check = verifies(key, algorithm, token, (size_t)(dot - token), signature, signature_length) ? JWT_GOOD
                                                                                                            : JWT_BAD;
                EVP_PKEY_free(key);
                if (check == JWT_GOOD)
                        break;
        }
        free(signature);
        return check;
}
