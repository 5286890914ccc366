/* Endpoints by name: parsed, resolved side by side, swept, as rows. */

#include "tls_places.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificate_files.h"
#include "json.h"
#include "scope.h"
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

/* --- the sweep ---------------------------------------------------------------------------------------------------- */

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

/* Sweeps `count` namings; rows go into the sweep's own in the order of the names. */
static int
sweep_namings(struct tls_places *wanted, struct naming *namings, size_t count, const struct deadline *deadline,
              struct error *err)
{
        size_t total = 0, at = 0;
        struct tls_trust *trust = NULL;
        int result = -1;

        for (size_t i = 0; i < count; i++)
                total += namings[i].count;
        if (tls_trust_open(wanted->ca_file, &trust, err) != 0)
                return -1;
        struct tls_place *places = calloc(total + 1, sizeof *places);
        struct tls_sweep sweep = {.places = places,
                                  .count = total,
                                  .trust = trust,
                                  .certificate_file = wanted->certificate_file,
                                  .key_file = wanted->key_file,
                                  .timeout_ms = wanted->timeout_ms,
                                  .certificates = wanted->certificates};
        for (size_t i = 0; places != NULL && i < count; i++) {
                for (size_t k = 0; k < namings[i].count; k++)
                        places[at++] = (struct tls_place){.endpoint = namings[i].endpoint,
                                                          .address = namings[i].addresses[k]};
        }
        if (places == NULL) {
                error_memory(err, "TLS sweep");
        } else if ((result = tls_sweep(&sweep, deadline, err)) == 0) {
                wanted->no_trust = tls_trust_empty(trust);
                at = 0;
                for (size_t i = 0; i < count; i++) {
                        if (namings[i].count == 0)
                                json_put(endpoint_row(wanted->rows, namings[i].endpoint, "", true), "error",
                                         certificate_error(&namings[i].error));
                        for (size_t k = 0; k < namings[i].count; k++)
                                put_place(wanted->rows, &places[at++], namings[i].count == 1);
                }
        }
        for (size_t i = 0; places != NULL && i < total; i++)
                json_decref(places[i].row);
        free(places);
        tls_trust_close(trust);
        return result;
}

int
tls_places_sweep(struct tls_places *wanted, const struct deadline *deadline, struct error *err)
{
        size_t count = json_array_size(wanted->names), good = 0;
        scoped_json known = json_object();
        struct tls_endpoint *endpoints = calloc(count + 1, sizeof *endpoints);
        struct naming *namings = calloc(count + 1, sizeof *namings);
        int result = 0;

        if (endpoints == NULL || namings == NULL)
                result = error_memory(err, "TLS endpoints");
        for (size_t i = 0; result == 0 && i < count; i++) {
                const char *text = json_string_value(json_array_get(wanted->names, i));
                struct error bad = {0};
                if (text == NULL || json_object_get(known, text) != NULL)
                        continue;
                json_put_flag(known, text, true);
                if (tls_endpoint_parse(text, &endpoints[good], &bad) == 0) {
                        namings[good].endpoint = &endpoints[good];
                        good++;
                } else {
                        json_put(endpoint_row(wanted->rows, &(struct tls_endpoint){.text = text}, "", true), "error",
                                 certificate_error(&bad));
                }
        }
        if (result == 0 && good > 0) {
                struct resolvers resolvers = {.namings = namings,
                                              .count = good,
                                              .deadline = deadline,
                                              .timeout_ms = wanted->timeout_ms,
                                              .family = wanted->family};
                resolve_all(&resolvers);
                result = sweep_namings(wanted, namings, good, deadline, err);
        }
        free(endpoints);
        free(namings);
        return result;
}
