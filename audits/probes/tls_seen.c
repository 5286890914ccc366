/* A finished (or half finished) handshake, as facts. */

#include "tls_seen.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "json.h"
#include "x509_read.h"

/* --- trust -------------------------------------------------------------------------------------------------------- */

struct tls_trust {
        X509_STORE *system, *file; /* `file` is NULL without a CA file */
        bool system_empty;
};

/* The default file and the hashed default folder.  Not X509_STORE_set_default_paths(): OpenSSL 3 would also read the
 * whole folder again for every issuer that is not there.  True when there is nothing in either. */
static bool
system_load(X509_STORE *store)
{
        const char *file = getenv(X509_get_default_cert_file_env()), *folder = getenv(X509_get_default_cert_dir_env());
        struct stat status;
        size_t entries = 0;

        file = file != NULL ? file : X509_get_default_cert_file();
        folder = folder != NULL ? folder : X509_get_default_cert_dir();
        X509_STORE_load_path(store, folder);
        if (stat(file, &status) == 0 && status.st_size > 0 && X509_STORE_load_file(store, file) == 1)
                return false;
        DIR *directory = opendir(folder);
        if (directory != NULL) {
                while (readdir(directory) != NULL)
                        entries++;
                closedir(directory);
        }
        return entries <= 2;
}

int
tls_trust_open(const char *ca_file, struct tls_trust **out, struct error *err)
{
        struct tls_trust *trust = calloc(1, sizeof *trust);

        if (trust == NULL || (trust->system = X509_STORE_new()) == NULL) {
                free(trust);
                return error_memory(err, "trusted authorities");
        }
        trust->system_empty = system_load(trust->system);
        if (ca_file != NULL) {
                trust->file = X509_STORE_new();
                if (trust->file == NULL || X509_STORE_load_file(trust->file, ca_file) != 1) {
                        error_set(err, REASON_CONFIGURATION, "ca_file %s: no certificate can be read from it", ca_file);
                        error_remedy(err, "give a readable PEM file of the authorities that sign these certificates");
                        ERR_clear_error();
                        tls_trust_close(trust);
                        return -1;
                }
        }
        ERR_clear_error();
        *out = trust;
        return 0;
}

void
tls_trust_close(struct tls_trust *trust)
{
        if (trust == NULL)
                return;
        X509_STORE_free(trust->system);
        X509_STORE_free(trust->file);
        free(trust);
}

bool
tls_trust_empty(const struct tls_trust *trust)
{
        return trust->system_empty && trust->file == NULL;
}

/* X509_V_OK or the first error.  Times are left to the judge, strength too. */
static int
verified(X509_STORE *store, X509 *leaf, STACK_OF(X509) * chain)
{
        X509_STORE_CTX *context = X509_STORE_CTX_new();
        int code = X509_V_ERR_OUT_OF_MEM;

        if (context != NULL && X509_STORE_CTX_init(context, store, leaf, chain) == 1) {
                X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
                X509_STORE_CTX_set_default(context, "ssl_server");
                X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
                X509_VERIFY_PARAM_set_auth_level(param, 0);
                X509_VERIFY_PARAM_set_depth(param, 20);
                code = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
        }
        X509_STORE_CTX_free(context);
        ERR_clear_error();
        return code;
}

static const char *
trust_words(int code, X509 *leaf, size_t sent)
{
        switch (code) {
        case X509_V_OK:
                return "";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
                return "the certificate is signed by itself";
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
                return "the chain ends in an authority that is not trusted here";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
                if (sent <= 1 && X509_get_ext_by_NID(leaf, NID_info_access, -1) >= 0)
                        return "the chain is incomplete: the server sends no intermediate certificate";
                return sent <= 1 ? "its issuer is neither sent nor trusted here"
                                 : "the chain does not reach a trusted authority";
        case X509_V_ERR_INVALID_PURPOSE:
                return "the certificate is not made for servers";
        default:
                return X509_verify_cert_error_string(code);
        }
}

void
tls_trust_verify(const struct tls_trust *trust, X509 *leaf, STACK_OF(X509) * chain, json_t *row)
{
        int system = verified(trust->system, leaf, chain);
        int code = trust->file != NULL && system != X509_V_OK ? verified(trust->file, leaf, chain) : system;

        json_put_flag(row, "public", system == X509_V_OK);
        json_put_flag(row, "trusted", code == X509_V_OK);
        json_put_text(row, "trust", trust_words(code, leaf, (size_t)sk_X509_num(chain)));
}

/* A chain is verified once however many places send it, byte for byte the same: `album` remembers. */
static int
put_trust(json_t *row, X509 *leaf, STACK_OF(X509) * chain, const struct tls_trust *trust, struct tls_album *album)
{
        char *key = json_dumps(json_object_get(row, "chain"), JSON_COMPACT);
        json_t *known = NULL;

        if (key == NULL)
                return -1;
        pthread_mutex_lock(&album->lock);
        known = json_incref(json_object_get(album->chains, key));
        pthread_mutex_unlock(&album->lock);
        if (known == NULL && (known = json_object()) != NULL) {
                tls_trust_verify(trust, leaf, chain, known);
                pthread_mutex_lock(&album->lock);
                json_object_set(album->chains, key, known);
                pthread_mutex_unlock(&album->lock);
        }
        free(key);
        int result = json_object_update(row, known);
        json_decref(known);
        return result;
}

/* --- OCSP ----------------------------------------------------------------------------------------------------------
 */

static int64_t
generalized_ms(const ASN1_GENERALIZEDTIME *moment)
{
        struct tm broken;

        return moment != NULL && ASN1_TIME_to_tm(moment, &broken) == 1 ? (int64_t)timegm(&broken) * 1000 : 0;
}

static X509 *
issuer_sent(X509 *leaf, STACK_OF(X509) * chain)
{
        for (int i = 0; i < sk_X509_num(chain); i++) {
                if (X509_check_issued(sk_X509_value(chain, i), leaf) == X509_V_OK)
                        return sk_X509_value(chain, i);
        }
        return NULL;
}

/* The issuer among trusted authorities, a new reference: a server need not send a root that signed its leaf. */
static X509 *
issuer_trusted(X509 *leaf, X509_STORE *store)
{
        X509_STORE_CTX *context = store != NULL ? X509_STORE_CTX_new() : NULL;
        X509 *issuer = NULL;

        if (context != NULL && X509_STORE_CTX_init(context, store, leaf, NULL) == 1 &&
            X509_STORE_CTX_get1_issuer(&issuer, context, leaf) != 1)
                issuer = NULL;
        X509_STORE_CTX_free(context);
        return issuer;
}

/* What was sent, and the leaf's issuer where it was not; *issuer NULL where nobody knows it.  References of its own. */
static STACK_OF(X509) *
        chain_with_issuer(X509 *leaf, STACK_OF(X509) * chain, const struct tls_trust *trust, X509 **issuer)
{
        STACK_OF(X509) *all = X509_chain_up_ref(chain);

        *issuer = issuer_sent(leaf, chain);
        if (*issuer != NULL || all == NULL)
                return all;
        *issuer = issuer_trusted(leaf, trust->file);
        if (*issuer == NULL)
                *issuer = issuer_trusted(leaf, trust->system);
        if (*issuer != NULL && sk_X509_push(all, *issuer) <= 0) {
                X509_free(*issuer);
                *issuer = NULL;
        }
        return all;
}

static void
ocsp_read(json_t *out, OCSP_BASICRESP *basic, X509 *leaf, STACK_OF(X509) * chain, const struct tls_trust *trust)
{
        X509 *issuer = NULL;
        STACK_OF(X509) *all = chain_with_issuer(leaf, chain, trust, &issuer);
        OCSP_CERTID *id = issuer != NULL ? OCSP_cert_to_id(NULL, leaf, issuer) : NULL;
        ASN1_GENERALIZEDTIME *revoked = NULL, *from = NULL, *until = NULL;
        int status = -1, why = 0;

        if (id != NULL && OCSP_resp_find_status(basic, id, &status, &why, &revoked, &from, &until) == 1) {
                json_put_text(out, "status",
                              status == V_OCSP_CERTSTATUS_GOOD      ? "good"
                              : status == V_OCSP_CERTSTATUS_REVOKED ? "revoked"
                                                                    : "unknown");
                json_put_whole(out, "this_ms", generalized_ms(from));
                json_put_whole(out, "next_ms", generalized_ms(until));
        } else {
                json_put_text(out, "status", "about another certificate");
        }
        bool sound = OCSP_basic_verify(basic, all, trust->system, 0) == 1 ||
                     (trust->file != NULL && OCSP_basic_verify(basic, all, trust->file, 0) == 1);
        json_put_flag(out, "sound", sound);
        OCSP_CERTID_free(id);
        sk_X509_pop_free(all, X509_free);
}

static void
put_ocsp(json_t *row, SSL *ssl, X509 *leaf, STACK_OF(X509) * chain, const struct tls_trust *trust)
{
        const unsigned char *bytes;
        long length = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);

        if (length <= 0 || bytes == NULL)
                return;
        json_t *out = json_object();
        OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &bytes, length);
        OCSP_BASICRESP *basic = response != NULL && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                                        ? OCSP_response_get1_basic(response)
                                        : NULL;
        if (basic != NULL)
                ocsp_read(out, basic, leaf, chain, trust);
        else
                json_put_text(out, "status", "unreadable");
        OCSP_BASICRESP_free(basic);
        OCSP_RESPONSE_free(response);
        ERR_clear_error();
        json_put(row, "ocsp", out);
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

int
tls_album_add(struct tls_album *album, X509 *certificate, char *text)
{
        int result = 0;

        x509_sha256(certificate, text);
        pthread_mutex_lock(&album->lock);
        if (json_object_get(album->certificates, text) == NULL)
                result = json_put(album->certificates, text, x509_facts(certificate));
        pthread_mutex_unlock(&album->lock);
        return result;
}

static bool
name_fits(X509 *leaf, const char *name)
{
        return X509_check_ip_asc(leaf, name, 0) == 1 ||
               X509_check_host(leaf, name, strlen(name), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

json_t *
tls_seen(SSL *ssl, const struct tls_endpoint *endpoint, const struct tls_trust *trust, struct tls_album *album)
{
        X509 *leaf = SSL_get0_peer_certificate(ssl);
        STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
        char id[X509_SHA256_TEXT];

        if (leaf == NULL)
                return NULL;
        json_t *row = json_object(), *ids = json_array();
        int failed = tls_album_add(album, leaf, id);
        json_put_text(row, "leaf", id);
        for (int i = 0; i < sk_X509_num(chain) && failed == 0; i++) {
                failed = tls_album_add(album, sk_X509_value(chain, i), id);
                json_push(ids, json_string(id));
        }
        json_put(row, "chain", ids);
        json_put_text(row, "tls", SSL_get_version(ssl));
        json_put_text(row, "cipher", SSL_get_cipher_name(ssl));
        json_put_flag(row, "name_ok",
                      name_fits(leaf, endpoint->server_name[0] != '\0' ? endpoint->server_name : endpoint->host));
        failed = failed != 0 ? failed : put_trust(row, leaf, chain, trust, album);
        put_ocsp(row, ssl, leaf, chain, trust);
        if (failed != 0) {
                json_decref(row);
                return NULL;
        }
        return row;
}
