/* Secrets reduced to certificates: nothing else of them is decoded, nothing else is kept. */

#include "cluster_tls.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tls_seen.h"
#include "x509_read.h"

enum {
        SECRETS_MOST = 20000,    /* rows */
        CERTIFICATES_MOST = 500, /* of one value */
        VALUE_LARGEST = 2 << 20, /* bytes of base64: a Secret is at most 1 MiB */
        KEYS_MOST = 50,
};

/* --- one value ---------------------------------------------------------------------------------------------------- */

struct value {
        json_t *certificates, *ids;
        STACK_OF(X509) * chain; /* NULL: not wanted */
};

static void
value_visit(void *context, X509 *certificate)
{
        struct value *value = context;
        char id[X509_SHA256_TEXT];

        if (json_array_size(value->ids) >= CERTIFICATES_MOST)
                return;
        x509_sha256(certificate, id);
        if (json_object_get(value->certificates, id) == NULL)
                json_put(value->certificates, id, x509_facts(certificate));
        json_push(value->ids, json_string(id));
        if (value->chain != NULL && X509_up_ref(certificate) == 1 && sk_X509_push(value->chain, certificate) == 0)
                X509_free(certificate);
}

static const char *
value_read(const char *base64, struct value *value)
{
        size_t length = strlen(base64);
        unsigned char *bytes = length <= VALUE_LARGEST ? malloc(length / 4 * 3 + 4) : NULL;

        if (bytes == NULL)
                return "it is too large";
        int got = EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)length);
        struct x509_pem pem = {.visit = value_visit, .context = value};
        if (got > 0)
                x509_read_pem((const char *)bytes, (size_t)got, &pem);
        OPENSSL_cleanse(bytes, length / 4 * 3 + 4); /* it may hold a key */
        free(bytes);
        return got < 0                            ? "it is not base64"
               : pem.broken > 0                   ? "a certificate in it cannot be read"
               : json_array_size(value->ids) == 0 ? "it holds no certificate"
                                                  : "";
}

const char *
cluster_base64_certificates(const char *base64, json_t *certificates, json_t *ids)
{
        struct value value = {.certificates = certificates, .ids = ids};

        return value_read(base64, &value);
}

/* --- one Secret --------------------------------------------------------------------------------------------------- */

static bool
ends_with(const char *text, const char *end)
{
        size_t length = strlen(text), tail = strlen(end);

        return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Entries that hold certificates by their name; a .pem may hold a key beside them. */
static bool
named_like_certificates(const char *key)
{
        return ends_with(key, ".crt") || ends_with(key, ".cer") || ends_with(key, ".pem") || ends_with(key, ".cert");
}

static void
put_annotations(json_t *row, const json_t *secret)
{
        static const struct {
                const char *annotation, *key;
        } rows[] = {{"cert-manager.io/certificate-name", "certificate"},
                    {"cert-manager.io/issuer-name", "issuer"},
                    {"cert-manager.io/issuer-kind", "issuer_kind"},
                    {"cert-manager.io/issuer-group", "issuer_group"}};
        const json_t *annotations = json_at(secret, "metadata", "annotations", NULL);

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const char *text = json_text(annotations, rows[i].annotation, NULL);
                if (text != NULL)
                        json_put_text(row, rows[i].key, text);
        }
}

static void
put_keys(json_t *row, const json_t *data)
{
        json_t *keys = json_array(), *unused;
        const char *key;

        json_object_foreach((json_t *)data, key, unused)
        {
                size_t at = 0;
                while (at < json_array_size(keys) && strcmp(json_string_value(json_array_get(keys, at)), key) < 0)
                        at++;
                if (json_array_size(keys) < KEYS_MOST)
                        json_array_insert_new(keys, at, json_string(key));
        }
        json_put(row, "keys", keys);
}

static void
put_chain(struct cluster_secrets *secrets, json_t *row, const char *key, const char *base64)
{
        json_t *chain = json_array();
        struct value value = {.certificates = secrets->certificates, .ids = chain, .chain = sk_X509_new_null()};
        const char *problem = value_read(base64, &value);
        char text[200];

        if (*problem != '\0') {
                snprintf(text, sizeof text, "%.80s: %s", key, problem);
                json_put_text(row, "problem", text);
        }
        if (sk_X509_num(value.chain) > 0)
                tls_trust_verify(secrets->trust, sk_X509_value(value.chain, 0), value.chain, row);
        sk_X509_pop_free(value.chain, X509_free);
        json_put(row, "chain", chain);
}

/* "tls.crt", else the first entry named like a certificate that is no authority's. */
static const char *
leaf_key(const json_t *data)
{
        const char *key, *first = NULL;
        json_t *unused;

        if (json_text(data, "tls.crt", NULL) != NULL)
                return "tls.crt";
        json_object_foreach((json_t *)data, key, unused)
        {
                if (named_like_certificates(key) && strcmp(key, "ca.crt") != 0 && json_text(data, key, NULL) != NULL &&
                    (first == NULL || strcmp(key, first) < 0))
                        first = key;
        }
        return first;
}

int
cluster_secret_visit(void *context, const json_t *secret)
{
        struct cluster_secrets *secrets = context;
        const json_t *data = json_map(secret, "data");
        const char *type = json_text(secret, "type", ""), *authority = json_text(data, "ca.crt", NULL);
        const char *leaf = leaf_key(data);
        bool tls = strcmp(type, "kubernetes.io/tls") == 0;

        if (strcmp(type, secrets->type) != 0 || json_text(json_map(secret, "metadata"), "deletionTimestamp", NULL) ||
            (!tls && leaf == NULL && authority == NULL))
                return 0;
        if (json_array_size(secrets->rows) >= SECRETS_MOST) {
                secrets->capped = true;
                return 0;
        }
        json_t *row = json_object(), *authorities = json_array();
        json_put_text(row, "namespace", kubernetes_namespace(secret));
        json_put_text(row, "name", kubernetes_name(secret));
        json_put_text(row, "type", type);
        json_put_text(row, "owner", cluster_owner(secret, secrets->owner_labels));
        put_keys(row, data);
        put_annotations(row, secret);
        if (leaf != NULL)
                put_chain(secrets, row, leaf, json_text(data, leaf, ""));
        else if (tls)
                json_put_text(row, "problem", "tls.crt: it is missing");
        const char *problem = authority != NULL && *authority != '\0'
                                      ? cluster_base64_certificates(authority, secrets->certificates, authorities)
                                      : "";
        if (*problem != '\0' && !json_has(row, "problem")) {
                char text[200];
                snprintf(text, sizeof text, "ca.crt: %s", problem);
                json_put_text(row, "problem", text);
        }
        json_put(row, "authorities", authorities);
        /* An Opaque entry that only sounds like a certificate is none of ours. */
        if (!tls && json_array_size(authorities) == 0 && json_array_size(json_list(row, "chain")) == 0 &&
            strcmp(leaf != NULL ? leaf : "", "tls.crt") != 0)
                json_decref(row);
        else if (json_push(secrets->rows, row) == NULL)
                return -1;
        return 0;
}

const char *
cluster_owner(const json_t *object, const json_t *names)
{
        const json_t *metadata = json_map(object, "metadata");
        size_t i;
        json_t *name;

        json_array_foreach((json_t *)names, i, name)
        {
                const char *key = json_is_string(name) ? json_string_value(name) : "";
                const char *text = json_text(json_map(metadata, "labels"), key, NULL);
                text = text != NULL ? text : json_text(json_map(metadata, "annotations"), key, "");
                if (*text != '\0')
                        return text;
        }
        return "";
}
