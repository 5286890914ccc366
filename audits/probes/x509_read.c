/* X.509 to facts, on OpenSSL. */

#include "x509_read.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "json.h"

enum { NAMES_MOST = 200 };

void
x509_sha256(const X509 *certificate, char text[X509_SHA256_TEXT])
{
        unsigned char digest[32] = {0};

        X509_digest(certificate, EVP_sha256(), digest, NULL);
        for (size_t i = 0; i < sizeof digest; i++)
                snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* RFC 2253 order reversed (most specific last, as people read it), UTF-8, nothing escaped but what ends a part. */
static void
put_name(json_t *out, const char *key, const X509_NAME *name)
{
        BIO *memory = BIO_new(BIO_s_mem());
        char *bytes;

        if (memory != NULL &&
            X509_NAME_print_ex(memory, name, 0, XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN | ASN1_STRFLGS_UTF8_CONVERT) >=
                    0) {
                long length = BIO_get_mem_data(memory, &bytes);
                json_put_bytes(out, key, bytes, length > 1000 ? 1000 : (size_t)length);
        } else {
                json_put_text(out, key, "");
        }
        BIO_free(memory);
}

static void
put_common_name(json_t *out, const X509_NAME *name)
{
        int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
        unsigned char *text = NULL;
        int length = at < 0 ? -1 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));

        json_put_bytes(out, "common_name", length > 0 ? (char *)text : "",
                       length > 0 ? (size_t)(length > 300 ? 300 : length) : 0);
        OPENSSL_free(text);
}

static void
put_alternatives(json_t *out, X509 *certificate)
{
        GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
        json_t *names = json_array();

        for (int i = 0; i < sk_GENERAL_NAME_num(all) && i < NAMES_MOST; i++) {
                const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
                char address[INET6_ADDRSTRLEN];
                if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
                        int length = ASN1_STRING_length(name->d.ia5);
                        json_push(names, json_bytes((const char *)ASN1_STRING_get0_data(name->d.ia5),
                                                    length > 300 ? 300 : (size_t)length));
                } else if (name->type == GEN_IPADD) {
                        int size = ASN1_STRING_length(name->d.iPAddress);
                        if ((size == 4 || size == 16) &&
                            inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), address,
                                      sizeof address))
                                json_push(names, json_string(address));
                }
        }
        GENERAL_NAMES_free(all);
        json_put(out, "names", names);
}

static int64_t
moment_of(const ASN1_TIME *time)
{
        struct tm broken;

        return ASN1_TIME_to_tm(time, &broken) == 1 ? (int64_t)timegm(&broken) * 1000 : 0;
}

static void
put_key(json_t *out, X509 *certificate)
{
        EVP_PKEY *key = X509_get0_pubkey(certificate);
        const char *type = key != NULL ? EVP_PKEY_get0_type_name(key) : NULL;

        json_put_text(out, "key", type != NULL ? type : "unknown");
        json_put_whole(out, "key_bits", key != NULL ? EVP_PKEY_get_bits(key) : 0);
}

static void
put_signature(json_t *out, X509 *certificate)
{
        int digest = NID_undef;
        const char *name = OBJ_nid2ln(X509_get_signature_nid(certificate));

        X509_get_signature_info(certificate, &digest, NULL, NULL, NULL);
        json_put_text(out, "signature", name != NULL ? name : "unknown");
        json_put_flag(out, "weak_signature",
                      digest == NID_md5 || digest == NID_sha1 || digest == NID_md4 || digest == NID_md2);
}

static void
put_serial(json_t *out, X509 *certificate)
{
        BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
        char *text = number != NULL ? BN_bn2hex(number) : NULL;

        json_put_text(out, "serial", text != NULL && strlen(text) < 200 ? text : "");
        OPENSSL_free(text);
        BN_free(number);
}

json_t *
x509_facts(X509 *certificate)
{
        json_t *out = json_object();
        char id[X509_SHA256_TEXT];

        if (out == NULL)
                return NULL;
        x509_sha256(certificate, id);
        json_put_text(out, "id", id);
        put_name(out, "subject", X509_get_subject_name(certificate));
        put_name(out, "issuer", X509_get_issuer_name(certificate));
        put_common_name(out, X509_get_subject_name(certificate));
        put_alternatives(out, certificate);
        put_serial(out, certificate);
        json_put_whole(out, "not_before_ms", moment_of(X509_get0_notBefore(certificate)));
        json_put_whole(out, "not_after_ms", moment_of(X509_get0_notAfter(certificate)));
        put_key(out, certificate);
        put_signature(out, certificate);
        json_put_flag(out, "self_signed", X509_self_signed(certificate, 0) == 1);
        json_put_flag(out, "authority", X509_check_ca(certificate) >= 1);
        json_put_flag(out, "must_staple", X509_get_ext_by_NID(certificate, NID_tlsfeature, -1) >= 0);
        ERR_clear_error();
        return out;
}

void
x509_read_pem(const char *bytes, size_t length, struct x509_pem *pem)
{
        BIO *memory = BIO_new_mem_buf(bytes, (int)length);
        char *name, *header;
        unsigned char *data;
        long size;

        while (memory != NULL && PEM_read_bio(memory, &name, &header, &data, &size) == 1) {
                const unsigned char *at = data;
                if (strstr(name, "PRIVATE KEY") != NULL) {
                        pem->keys++;
                        OPENSSL_cleanse(data, (size_t)size);
                } else if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0 ||
                           strcmp(name, PEM_STRING_X509_TRUSTED) == 0) {
                        X509 *certificate = strcmp(name, PEM_STRING_X509_TRUSTED) == 0 ? d2i_X509_AUX(NULL, &at, size)
                                                                                       : d2i_X509(NULL, &at, size);
                        if (certificate != NULL)
                                pem->visit(pem->context, certificate);
                        else
                                pem->broken++;
                        X509_free(certificate);
                }
                OPENSSL_free(name);
                OPENSSL_free(header);
                OPENSSL_free(data);
        }
        if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                pem->broken++; /* a block without its end, or one that is no base64 */
        ERR_clear_error();
        BIO_free(memory);
}
