/* Targets of kind tls: endpoints and files, swept once per session. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificate_files.h"
#include "certificate_owner.h"
#include "json.h"
#include "scope.h"
#include "secret.h"
#include "session.h"
#include "tls_places.h"
#include "tls_sweep.h"

/* --- the sweep of a target ---------------------------------------------------------------------------------------- */

struct tls_found {
        json_t *facts;
        struct error broken;
};

static void
found_close(void *object)
{
        struct tls_found *found = object;

        json_decref(found->facts);
        free(found);
}

static int
sweep_endpoints(struct session *session, struct tls_found *found, json_t *certificates, struct error *err)
{
        const struct target *target = session->target;
        const char *family = target_text(target, "addresses");
        struct tls_places places = {.names = target_value(target, "endpoints"),
                                    .family = family != NULL ? family : "all",
                                    .ca_file = target_text(target, "ca_file"),
                                    .certificate_file = target_text(target, "certificate_file"),
                                    .key_file = target_text(target, "key_file"),
                                    .timeout_ms = json_whole(target->settings, "connect_timeout", 10000),
                                    .certificates = certificates,
                                    .rows = json_array()};

        json_put(found->facts, "endpoints", places.rows);
        int result = tls_places_sweep(&places, &session->deadline, err);
        if (result == 0 && json_array_size(places.names) > 0)
                json_put_flag(found->facts, "no_trust", places.no_trust);
        return result;
}

static int
sweep_files(struct session *session, struct tls_found *found, json_t *certificates, struct error *err)
{
        scoped_secret password = NULL;
        struct certificate_files files = {
                .names = target_value(session->target, "files"), .certificates = certificates, .rows = json_array()};

        json_put(found->facts, "files", files.rows);
        if (secret_read(session->target, "password", &password, err) != 0)
                return -1;
        files.password = password;
        int result = certificate_files_read(&files, &session->deadline, err);
        json_put_whole(found->facts, "files_without", (json_int_t)files.empty);
        return result;
}

static void
put_certificates(struct tls_found *found, json_t *certificates, const struct target *target)
{
        size_t i, k;
        json_t *row, *id;

        json_array_foreach(json_object_get(found->facts, "endpoints"), i, row)
        {
                certificate_place(certificates, json_text(row, "leaf", ""), json_text(row, "place", ""));
                json_array_foreach((json_t *)json_list(row, "chain"), k, id)
                        certificate_place(certificates, json_string_value(id), json_text(row, "place", ""));
        }
        json_array_foreach(json_object_get(found->facts, "files"), i, row)
        {
                json_array_foreach((json_t *)json_list(row, "certificates"), k, id)
                        certificate_place(certificates, json_string_value(id), json_text(row, "path", ""));
        }
        json_put(found->facts, "certificates", certificates_claim(certificates, target));
}

int
tls_session(struct session *session, const json_t **out, struct error *err)
{
        static const char key;
        struct tls_found *found = session_get(session, &key);

        if (found == NULL) {
                found = calloc(1, sizeof *found);
                scoped_json certificates = json_object();
                if (found == NULL || (found->facts = json_object()) == NULL) {
                        free(found);
                        return error_memory(err, "TLS sweep");
                }
                if (sweep_endpoints(session, found, certificates, &found->broken) == 0 &&
                    sweep_files(session, found, certificates, &found->broken) == 0)
                        found->broken.reason = REASON_NONE;
                put_certificates(found, certificates, session->target);
                if (session_put(session, &key, found, found_close) != 0)
                        return error_memory(err, "TLS sweep");
        }
        *out = found->facts;
        if (found->broken.reason == REASON_NONE)
                return 0;
        *err = found->broken;
        return -1;
}

static int
tls_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const json_t *facts;
        size_t answered = 0, i;
        json_t *row;
        const json_t *first = NULL;

        if (tls_session(session, &facts, err) != 0)
                return -1;
        size_t asked = json_array_size(json_list(facts, "endpoints"));
        size_t files = json_array_size(json_list(facts, "files"));
        json_array_foreach((json_t *)json_list(facts, "endpoints"), i, row)
        {
                bool good = !json_has(row, "error");
                answered += good;
                first = first == NULL && !good ? json_map(row, "error") : first;
        }
        json_array_foreach((json_t *)json_list(facts, "files"), i, row)
        {
                first = first == NULL && json_has(row, "error") ? json_map(row, "error") : first;
        }
        if (asked + files == 0) {
                error_set(err, REASON_CONFIGURATION, "neither endpoints nor files hold anything to look at");
                return error_remedy(err, "name endpoints (\"www.example.com:443\") or files in the target's settings");
        }
        if (first != NULL) {
                error_set(err, reason_from_name(json_text(first, "reason", "")), "%s", json_text(first, "text", ""));
                error_remedy(err, "%s", json_text(first, "remedy", ""));
                return error_wrap(err, "%zu of %zu endpoints answer; the first that cannot be read", answered, asked);
        }
        snprintf(server, size, "%zu endpoints answer, %zu files hold certificates", answered, files);
        return 0;
}

static const struct setting settings[] = {
        {.name = "endpoints",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[]",
         .words = "host:port, with +protocol where TLS begins in plain (postgres, mysql, smtp, imap, pop3, ldap, ftp) "
                  "and #name to ask for another name; every address of the host is looked at"},
        {.name = "files",
         .type = SETTING_LIST,
         .item = SETTING_PATH,
         .fallback = "[]",
         .words = "files, folders and globs of PEM, DER and PKCS#12 certificates"},
        {.name = "addresses",
         .type = SETTING_CHOICE,
         .choices = "all|ipv4|ipv6",
         .fallback = "all",
         .words = "which of a name's addresses are looked at"},
        {.name = "ca_file",
         .type = SETTING_PATH,
         .words = "PEM file of authorities that are trusted besides the system's"},
        {.name = "certificate_file", .type = SETTING_PATH, .words = "client certificate (PEM) for servers that ask"},
        {.name = "key_file", .type = SETTING_PATH, .words = "its private key (PEM)"},
        {.name = "password", .type = SETTING_SECRET, .words = "of the PKCS#12 files"},
        {.name = "owners",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = certificate_owner_rule,
         .fallback = "[]",
         .words = "who renews which certificate; the first rule that matches counts, else the target's owner"},
        {.name = "managed",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[]",
         .words = "names or places of certificates that something renews by itself"},
        {.name = "connect_timeout",
         .type = SETTING_DURATION,
         .fallback = "10s",
         .min = 100,
         .max = 300000,
         .words = "longest wait for one endpoint, from its connect to its certificate"},
        {.type = SETTING_END},
};

const struct target_kind kind_tls = {
        .name = "tls",
        .words = "TLS endpoints and certificate files",
        .settings = settings,
        .connect = tls_connect,
};
