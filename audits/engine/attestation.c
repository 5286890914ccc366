/* Attestations signed and checked with OpenSSL's Ed25519. */

#include "attestation.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "moment.h"
#include "scope.h"

enum { TEXT_LARGEST = 16 * 1024, KEY_SIZE = 32, SIGNATURE_SIZE = 64, DER_PREFIX = 12 };

const char *
signature_name(enum signature_state state)
{
        static const char *const names[] = {"valid", "wrong", "untrusted", "missing"};

        return names[state];
}

static void
key_free(EVP_PKEY **key)
{
        EVP_PKEY_free(*key);
}

static void
context_free(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

/* The text that is signed; -1 when a field would be more than its line. */
static int
attestation_text(const struct attestation *attestation, struct buffer *text)
{
        char at[MOMENT_TEXT];
        size_t i;
        json_t *item;
        const char *const lines[] = {attestation->who, attestation->what, attestation->outcome};

        for (i = 0; i < sizeof lines / sizeof *lines; i++) {
                if (lines[i] == NULL || strpbrk(lines[i], "\r\n") != NULL)
                        return -1;
        }
        moment_format(attestation->at_ms, at);
        buffer_format(text, "rounds attestation 1\nwho: %s\nat: %s\ncovers: ", attestation->who, at);
        json_array_foreach((json_t *)attestation->covers, i, item)
        {
                const char *word = json_string_value(item);
                if (word == NULL || strpbrk(word, "\r\n,") != NULL)
                        return -1;
                buffer_format(text, "%s%s", i > 0 ? ", " : "", word);
        }
        return buffer_format(text, "\noutcome: %s\nwhat: %s\n", attestation->outcome, attestation->what);
}

/* Base64 of at most `largest` bytes; -1 when it is none. */
static int
decode(const char *base64, unsigned char *bytes, size_t largest)
{
        size_t length = strlen(base64);
        unsigned char room[256];

        if (length == 0 || length % 4 != 0 || length / 4 * 3 > sizeof room)
                return -1;
        int got = EVP_DecodeBlock(room, (const unsigned char *)base64, (int)length);
        for (size_t i = length; got > 0 && i > length - 2 && base64[i - 1] == '='; i--)
                got--;
        if (got < 0 || (size_t)got > largest)
                return -1;
        memcpy(bytes, room, (size_t)got);
        return got;
}

static int
key_read(const char *path, EVP_PKEY **key, struct error *err)
{
        scoped(scope_fclose) FILE *file = fopen(path, "re");

        if (file == NULL)
                return error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
        *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        ERR_clear_error();
        if (*key != NULL && EVP_PKEY_get_id(*key) == EVP_PKEY_ED25519)
                return 0;
        error_set(err, REASON_CONFIGURATION, "%s holds no Ed25519 private key", path);
        return error_remedy(err, "make one: openssl genpkey -algorithm ed25519 -out %s", path);
}

int
attestation_sign(const struct attestation *attestation, const char *key_file, char signature[ATTESTATION_SIGNATURE],
                 char public_key[ATTESTATION_KEY], struct error *err)
{
        scoped(key_free) EVP_PKEY *key = NULL;
        scoped(context_free) EVP_MD_CTX *context = EVP_MD_CTX_new();
        scoped_buffer text = BUFFER_INIT(TEXT_LARGEST);
        unsigned char bytes[SIGNATURE_SIZE], raw[KEY_SIZE];
        size_t size = sizeof bytes, raw_size = sizeof raw;

        if (attestation_text(attestation, &text) != 0)
                return error_set(err, REASON_CONFIGURATION, "who, what, outcome and each control are one line each");
        if (key_read(key_file, &key, err) != 0)
                return -1;
        if (context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
            EVP_DigestSign(context, bytes, &size, (const unsigned char *)text.data, text.length) != 1 ||
            EVP_PKEY_get_raw_public_key(key, raw, &raw_size) != 1) {
                ERR_clear_error();
                return error_set(err, REASON_INTERNAL, "%s: cannot sign", key_file);
        }
        EVP_EncodeBlock((unsigned char *)signature, bytes, (int)size);
        EVP_EncodeBlock((unsigned char *)public_key, raw, (int)raw_size);
        return 0;
}

enum signature_state
attestation_verify(const struct attestation *attestation, const char *public_key, const char *signature)
{
        scoped(key_free) EVP_PKEY *key = NULL;
        scoped(context_free) EVP_MD_CTX *context = EVP_MD_CTX_new();
        scoped_buffer text = BUFFER_INIT(TEXT_LARGEST);
        unsigned char bytes[SIGNATURE_SIZE], raw[DER_PREFIX + KEY_SIZE];

        if (signature == NULL || *signature == '\0')
                return SIGNATURE_MISSING;
        int size = public_key != NULL ? decode(public_key, raw, sizeof raw) : -1;
        if (size == KEY_SIZE || size == DER_PREFIX + KEY_SIZE)
                key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw + size - KEY_SIZE, KEY_SIZE);
        if (key == NULL)
                return SIGNATURE_UNTRUSTED;
        bool valid = context != NULL && attestation_text(attestation, &text) == 0 &&
                     decode(signature, bytes, sizeof bytes) == SIGNATURE_SIZE &&
                     EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                     EVP_DigestVerify(context, bytes, sizeof bytes, (const unsigned char *)text.data, text.length) == 1;
        ERR_clear_error();
        return valid ? SIGNATURE_VALID : SIGNATURE_WRONG;
}
