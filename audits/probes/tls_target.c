/* Targets of kind tls: endpoints and files, swept once per session. */

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificate_files.h"
#include "certificate_owner.h"
#include "json.h"
#include "scope.h"
#include "secret.h"
#include "session.h"
#include "tls_sweep.h"

enum { ADDRESSES_MOST = 64, RESOLVERS = 16 };

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

static int
bad_endpoint(struct error *err, const char *text, const char *why)
{
        error_set(err, REASON_CONFIGURATION, "endpoint \"%s\": %s", text, why);
        return error_remedy(err, "write host:port, host:port+protocol or host:port#server-name, for example "
                                 "\"www.example.com:443\", \"db:5432+postgres\", \"10.0.0.7:443#www.example.com\"");
}

/* The default ports of protocols that begin in plain. */
static const char *
usual_port(enum starttls_protocol protocol)
{
        static const char *const ports[] = {
                [STARTTLS_NONE] = "443", [STARTTLS_POSTGRES] = "5432", [STARTTLS_MYSQL] = "3306",
                [STARTTLS_SMTP] = "25",  [STARTTLS_IMAP] = "143",      [STARTTLS_POP3] = "110",
                [STARTTLS_LDAP] = "389", [STARTTLS_FTP] = "21",        [STARTTLS_UNKNOWN] = "443",
        };

        return ports[protocol];
}

int
tls_endpoint_parse(const char *text, struct tls_endpoint *out, struct error *err)
{
        char rest[600];

        *out = (struct tls_endpoint){.text = text, .protocol = STARTTLS_NONE};
        if (strlen(text) >= sizeof rest)
                return bad_endpoint(err, "...", "longer than a host and a port can be");
        strcpy(rest, text);
        char *name = strchr(rest, '#');
        if (name != NULL) {
                *name++ = '\0';
                if (*name == '\0' || strlen(name) >= sizeof out->server_name)
                        return bad_endpoint(err, text, "the server name after # is missing or too long");
                strcpy(out->server_name, name);
        }
        char *protocol = strchr(rest, '+');
        if (protocol != NULL) {
                *protocol++ = '\0';
                out->protocol = starttls_find(protocol);
                if (out->protocol == STARTTLS_UNKNOWN)
                        return bad_endpoint(err, text,
                                            "the protocol is none of postgres, mysql, smtp, imap, pop3, ldap, ftp, "
                                            "redis, https, tls");
        }
        char *host = rest, *port = NULL;
        if (rest[0] == '[') {
                char *end = strchr(rest, ']');
                if (end == NULL || (end[1] != '\0' && end[1] != ':'))
                        return bad_endpoint(err, text, "the bracket of an IPv6 address does not close");
                *end = '\0';
                host++;
                port = end[1] == ':' ? end + 2 : NULL;
        } else {
                port = strchr(rest, ':');
                if (port != NULL && strchr(port + 1, ':') != NULL)
                        return bad_endpoint(err, text, "an IPv6 address stands in brackets");
                if (port != NULL)
                        *port++ = '\0';
        }
        if (port == NULL)
                port = (char *)usual_port(out->protocol);
        unsigned long number = strspn(port, "0123456789") == strlen(port) ? strtoul(port, NULL, 10) : 0;
        if (number < 1 || number > 65535)
                return bad_endpoint(err, text, "the port is not between 1 and 65535");
        if (host[0] == '\0' || strlen(host) >= sizeof out->host || strpbrk(host, " /@\t\r\n") != NULL)
                return bad_endpoint(err, text, "the host is missing or not a name");
        strcpy(out->host, host);
        snprintf(out->port, sizeof out->port, "%lu", number);
        return 0;
}

/* --- names to addresses, several at a time ------------------------------------------------------------------------ */

struct naming {
        const struct tls_endpoint *endpoint;
        struct resolved addresses[ADDRESSES_MOST];
        size_t count;
        struct error error;
};

struct resolvers {
        struct naming *namings;
        size_t count;
        const struct deadline *deadline;
        int64_t timeout_ms;
        const char *family; /* "all", "ipv4", "ipv6" */
        atomic_size_t next;
};

static void
resolve_one(const struct resolvers *resolvers, struct naming *naming)
{
        unsigned char numeric[sizeof(struct in6_addr)];
        const char *host = naming->endpoint->host;
        struct deadline within = deadline_within(*resolvers->deadline, resolvers->timeout_ms);

        if (inet_pton(AF_INET, host, numeric) == 1 || inet_pton(AF_INET6, host, numeric) == 1) {
                snprintf(naming->addresses[0].address, RESOLVE_TEXT, "%.63s", host);
                naming->count = 1;
                return;
        }
        if (resolve_name(host, &within, naming->addresses, ADDRESSES_MOST, &naming->count, &naming->error) != 0) {
                naming->count = 0;
                return;
        }
        size_t kept = 0;
        for (size_t i = 0; i < naming->count; i++) {
                bool six = strchr(naming->addresses[i].address, ':') != NULL;
                if (strcmp(resolvers->family, "all") == 0 || six == (strcmp(resolvers->family, "ipv6") == 0))
                        naming->addresses[kept++] = naming->addresses[i];
        }
        naming->count = kept;
        if (kept == 0) {
                error_set(&naming->error, REASON_UNREACHABLE, "%s: the name has no %s address", host,
                          resolvers->family);
                error_remedy(&naming->error, "set the target's addresses to all");
        }
}

static void *
resolver_run(void *argument)
{
        struct resolvers *resolvers = argument;
        size_t index;

        while ((index = atomic_fetch_add(&resolvers->next, 1)) < resolvers->count)
                resolve_one(resolvers, &resolvers->namings[index]);
        return NULL;
}

static void
resolve_all(struct resolvers *resolvers)
{
        pthread_t threads[RESOLVERS];
        size_t began = 0, wanted = 0;
        unsigned char numeric[sizeof(struct in6_addr)];

        for (size_t i = 0; i < resolvers->count; i++)
                wanted += inet_pton(AF_INET, resolvers->namings[i].endpoint->host, numeric) != 1;
        while (began < RESOLVERS && began + 1 < wanted &&
               pthread_create(&threads[began], NULL, resolver_run, resolvers) == 0)
                began++;
        resolver_run(resolvers);
        for (size_t i = 0; i < began; i++)
                pthread_join(threads[i], NULL);
}

/* --- the sweep of a target ---------------------------------------------------------------------------------------- */

struct tls_found {
        json_t *facts;
        struct error broken;
        size_t answered, asked;
};

static void
found_close(void *object)
{
        struct tls_found *found = object;

        json_decref(found->facts);
        free(found);
}

static json_t *
endpoint_row(json_t *rows, const struct tls_endpoint *endpoint, const char *address, bool alone)
{
        json_t *row = json_push(rows, json_object());
        char place[800];

        snprintf(place, sizeof place, alone ? "%.600s" : "%.600s at %s", endpoint->text, address);
        json_put_text(row, "place", place);
        json_put_text(row, "endpoint", endpoint->text);
        json_put_text(row, "address", address);
        json_put_text(row, "name", endpoint->server_name[0] != '\0' ? endpoint->server_name : endpoint->host);
        return row;
}

static void
put_place(json_t *rows, struct tls_place *place, bool alone)
{
        json_t *row = endpoint_row(rows, place->endpoint, place->address.address, alone);

        if (place->row != NULL)
                json_object_update(row, place->row);
        else
                json_put(row, "error", certificate_error(&place->error));
        json_decref(place->row);
        place->row = NULL;
}

/* Sweeps `count` namings; rows go into `rows` in the order of the configuration. */
static int
sweep_namings(struct session *session, struct naming *namings, size_t count, struct tls_found *found,
              json_t *certificates, json_t *rows, struct error *err)
{
        const struct target *target = session->target;
        size_t total = 0, at = 0;
        struct tls_trust *trust = NULL;
        int result = -1;

        for (size_t i = 0; i < count; i++)
                total += namings[i].count;
        if (tls_trust_open(target_text(target, "ca_file"), &trust, err) != 0)
                return -1;
        struct tls_place *places = calloc(total + 1, sizeof *places);
        struct tls_sweep sweep = {.places = places,
                                  .count = total,
                                  .trust = trust,
                                  .certificate_file = target_text(target, "certificate_file"),
                                  .key_file = target_text(target, "key_file"),
                                  .timeout_ms = json_whole(target->settings, "connect_timeout", 10000),
                                  .certificates = certificates};
        for (size_t i = 0; places != NULL && i < count; i++) {
                for (size_t k = 0; k < namings[i].count; k++)
                        places[at++] = (struct tls_place){.endpoint = namings[i].endpoint,
                                                          .address = namings[i].addresses[k]};
        }
        if (places == NULL) {
                error_memory(err, "TLS sweep");
        } else if ((result = tls_sweep(&sweep, &session->deadline, err)) == 0) {
                json_put_flag(found->facts, "no_trust", tls_trust_empty(trust));
                at = 0;
                for (size_t i = 0; i < count; i++) {
                        if (namings[i].count == 0)
                                json_put(endpoint_row(rows, namings[i].endpoint, "", true), "error",
                                         certificate_error(&namings[i].error));
                        for (size_t k = 0; k < namings[i].count; k++) {
                                found->answered += places[at].row != NULL;
                                put_place(rows, &places[at++], namings[i].count == 1);
                        }
                }
                found->asked = at;
        }
        for (size_t i = 0; places != NULL && i < total; i++)
                json_decref(places[i].row);
        free(places);
        tls_trust_close(trust);
        return result;
}

static int
sweep_endpoints(struct session *session, struct tls_found *found, json_t *certificates, struct error *err)
{
        const json_t *names = target_value(session->target, "endpoints");
        const char *family = target_text(session->target, "addresses");
        size_t count = json_array_size(names), good = 0;
        json_t *rows = json_array();
        scoped_json known = json_object();
        struct tls_endpoint *endpoints = calloc(count + 1, sizeof *endpoints);
        struct naming *namings = calloc(count + 1, sizeof *namings);
        int result = 0;

        json_put(found->facts, "endpoints", rows);
        if (endpoints == NULL || namings == NULL)
                result = error_memory(err, "TLS endpoints");
        for (size_t i = 0; result == 0 && i < count; i++) {
                const char *text = json_string_value(json_array_get(names, i));
                struct error bad = {0};
                if (text == NULL || json_object_get(known, text) != NULL)
                        continue;
                json_put_flag(known, text, true);
                if (tls_endpoint_parse(text, &endpoints[good], &bad) == 0) {
                        namings[good].endpoint = &endpoints[good];
                        good++;
                } else {
                        json_put(endpoint_row(rows, &(struct tls_endpoint){.text = text}, "", true), "error",
                                 certificate_error(&bad));
                }
        }
        if (result == 0 && good > 0) {
                struct resolvers resolvers = {
                        .namings = namings,
                        .count = good,
                        .deadline = &session->deadline,
                        .timeout_ms = json_whole(session->target->settings, "connect_timeout", 10000),
                        .family = family != NULL ? family : "all"};
                resolve_all(&resolvers);
                result = sweep_namings(session, namings, good, found, certificates, rows, err);
        }
        free(endpoints);
        free(namings);
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
