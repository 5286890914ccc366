/* A first rounds.yaml from what this machine shows. */

#include "starter.h"

#include <glob.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum { FILES_MOST = 20, CONTEXTS_MOST = 20 };

/* Text as a YAML scalar: JSON's quotes are YAML's, so that nothing in a variable becomes syntax. */
static void
put_quoted(struct buffer *out, const char *text)
{
        json_t *value = json_string(text);
        char *quoted = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

        buffer_text(out, quoted != NULL ? quoted : "\"\"");
        free(quoted);
        json_decref(value);
}

static const char *
variable(const char *name)
{
        const char *value = getenv(name);

        return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool
path_exists(const char *root, const char *path)
{
        char whole[4096];
        struct stat status;

        return (size_t)snprintf(whole, sizeof whole, "%s%s", root, path) < sizeof whole && stat(whole, &status) == 0;
}

/* --- PostgreSQL --------------------------------------------------------------------------------------------------- */

/* One keyword of a DSN, its value quoted as libpq wants it. */
static void
dsn_add(struct buffer *dsn, const char *keyword, const char *value)
{
        if (value == NULL)
                return;
        buffer_format(dsn, "%s%s='", dsn->length > 0 ? " " : "", keyword);
        for (const char *c = value; *c != '\0'; c++) {
                if (*c == '\'' || *c == '\\')
                        buffer_char(dsn, '\\');
                buffer_char(dsn, *c);
        }
        buffer_char(dsn, '\'');
}

static size_t
propose_postgres(const char *root, struct buffer *out)
{
        const char *host = variable("PGHOST"), *service = variable("PGSERVICE"), *database = variable("PGDATABASE");
        bool local = path_exists(root, "/var/run/postgresql/.s.PGSQL.5432");
        struct buffer dsn = BUFFER_INIT(8192);

        if (host == NULL && service == NULL && database == NULL && !local)
                return 0;
        buffer_text(out, host != NULL || service != NULL || database != NULL
                                 ? "  # From libpq's variables (PGHOST and friends)"
                                 : "  # From the socket in /var/run/postgresql");
        buffer_text(out, ".  Make a role for it: CREATE ROLE rounds LOGIN; GRANT pg_monitor TO rounds;\n");
        dsn_add(&dsn, "service", service);
        dsn_add(&dsn, "host", host != NULL ? host : service == NULL && local ? "/var/run/postgresql" : NULL);
        dsn_add(&dsn, "port", variable("PGPORT"));
        dsn_add(&dsn, "dbname", database != NULL ? database : service == NULL ? "postgres" : NULL);
        dsn_add(&dsn, "user", variable("PGUSER") != NULL ? variable("PGUSER") : service == NULL ? "rounds" : NULL);
        dsn_add(&dsn, "sslmode", variable("PGSSLMODE"));
        dsn_add(&dsn, "sslrootcert", variable("PGSSLROOTCERT"));
        buffer_text(out, "  - name: database\n    kind: postgres\n    dsn: ");
        put_quoted(out, dsn.data != NULL ? dsn.data : "");
        buffer_text(out, variable("PGPASSWORD") != NULL
                                 ? "\n    password_env: PGPASSWORD   # a file is better: password_file\n"
                                 : "\n    #password_file: /run/secrets/rounds/database   # or ~/.pgpass\n");
        buffer_text(out, "    # What its data lies on, for the date when it is full:\n"
                         "    #volumes: [{name: data, size: 100GB}]\n");
        buffer_free(&dsn);
        return 1;
}

/* --- Redis ---------------------------------------------------------------------------------------------------------
 */

/* The URL without what stands before its @: that may be a password. */
static void
put_redis_url(struct buffer *out, const char *url)
{
        const char *authority = strstr(url, "://");
        const char *at = authority != NULL ? strrchr(authority, '@') : NULL;
        struct buffer clean = BUFFER_INIT(4096);

        if (at != NULL) {
                buffer_add(&clean, url, (size_t)(authority + 3 - url));
                buffer_text(&clean, at + 1);
        } else {
                buffer_text(&clean, url);
        }
        put_quoted(out, clean.data != NULL ? clean.data : "");
        buffer_free(&clean);
}

static bool
is_redis_url(const char *url)
{
        return url != NULL && (strncmp(url, "redis://", 8) == 0 || strncmp(url, "rediss://", 9) == 0) &&
               strpbrk(url, "?#") == NULL;
}

static size_t
propose_redis(const char *root, struct buffer *out)
{
        const char *url = variable("REDIS_URL"), *host = variable("REDIS_HOST"), *port = variable("REDIS_PORT");
        bool local = path_exists(root, "/var/run/redis/redis-server.sock");
        char made[512];

        if (!is_redis_url(url)) {
                if (host != NULL)
                        snprintf(made, sizeof made, "redis://%.300s:%.10s", host, port != NULL ? port : "6379");
                else if (local)
                        snprintf(made, sizeof made, "unix:///var/run/redis/redis-server.sock");
                else
                        return 0;
                url = made;
        }
        buffer_text(out,
                    "  # From REDIS_URL, REDIS_HOST or the local socket.\n  - name: redis\n    kind: redis\n    url: ");
        put_redis_url(out, url);
        buffer_text(out, "\n    role: cache   # or queue, or mixed: what its eviction policy should be\n");
        if (variable("REDISCLI_AUTH") != NULL)
                buffer_text(out, "    password_env: REDISCLI_AUTH\n");
        else if (strchr(url, '@') != NULL)
                buffer_text(out, "    # REDIS_URL holds a password, which was not copied:\n"
                                 "    #password_file: /run/secrets/rounds/redis\n");
        buffer_text(out, "    # How long keys may live; the first class that matches counts.\n"
                         "    #key_classes: [{name: session, match: \"session:*\", ttl: 24h}]\n");
        return 1;
}

/* --- Kubernetes ----------------------------------------------------------------------------------------------------
 */

static yaml_node_t *
yaml_at(yaml_document_t *document, yaml_node_t *mapping, const char *key)
{
        if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
                return NULL;
        for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
             pair++) {
                yaml_node_t *name = yaml_document_get_node(document, pair->key);
                if (name != NULL && name->type == YAML_SCALAR_NODE &&
                    strcmp((const char *)name->data.scalar.value, key) == 0)
                        return yaml_document_get_node(document, pair->value);
        }
        return NULL;
}

static size_t
put_context(struct buffer *out, const char *path, const char *context, size_t index)
{
        buffer_text(out, "  # A context of ");
        for (const char *c = path; *c != '\0'; c++)
                buffer_char(out, (unsigned char)*c < ' ' || *c == 0x7F ? '?' : *c);
        buffer_format(out, ".\n  - name: cluster%s", index > 0 ? "-" : "");
        if (index > 0)
                buffer_format(out, "%zu", index + 1);
        buffer_text(out, "\n    kind: kubernetes\n    context: ");
        put_quoted(out, context);
        buffer_text(out, "\n    kubeconfig: [");
        put_quoted(out, path);
        buffer_text(out, "]\n");
        return 1;
}

static size_t
propose_contexts(const char *path, struct buffer *out, size_t already)
{
        yaml_parser_t parser;
        yaml_document_t document;
        size_t count = 0;
        FILE *file = fopen(path, "re");

        if (file == NULL)
                return 0;
        if (yaml_parser_initialize(&parser)) {
                yaml_parser_set_input_file(&parser, file);
                if (yaml_parser_load(&parser, &document)) {
                        yaml_node_t *list = yaml_at(&document, yaml_document_get_root_node(&document), "contexts");
                        for (yaml_node_item_t *item = list != NULL && list->type == YAML_SEQUENCE_NODE
                                                              ? list->data.sequence.items.start
                                                              : NULL;
                             item != NULL && item < list->data.sequence.items.top && already + count < CONTEXTS_MOST;
                             item++) {
                                yaml_node_t *name = yaml_at(&document, yaml_document_get_node(&document, *item),
                                                            "name");
                                if (name != NULL && name->type == YAML_SCALAR_NODE)
                                        count += put_context(out, path, (const char *)name->data.scalar.value,
                                                             already + count);
                        }
                        yaml_document_delete(&document);
                }
                yaml_parser_delete(&parser);
        }
        fclose(file);
        return count;
}

static size_t
propose_kubernetes(const char *root, struct buffer *out)
{
        const char *files = variable("KUBECONFIG"), *home = variable("HOME");
        char path[4096];
        size_t count = 0;

        if (variable("KUBERNETES_SERVICE_HOST") != NULL &&
            path_exists(root, "/var/run/secrets/kubernetes.io/serviceaccount/token")) {
                buffer_text(out, "  # This is a pod: its own service account.\n"
                                 "  - {name: cluster, kind: kubernetes, context: in-cluster}\n");
                return 1;
        }
        if (files == NULL && home != NULL && (size_t)snprintf(path, sizeof path, "%s/.kube/config", home) < sizeof path)
                return propose_contexts(path, out, 0);
        while (files != NULL && *files != '\0') {
                size_t length = strcspn(files, ":");
                if (length > 0 && length < sizeof path) {
                        snprintf(path, sizeof path, "%.*s", (int)length, files);
                        count += propose_contexts(path, out, count);
                }
                files += length + (files[length] == ':');
        }
        return count;
}

/* --- certificates --------------------------------------------------------------------------------------------------
 */

static size_t
propose_certificates(const char *root, struct buffer *out)
{
        static const char *const usual[] = {
                "/etc/letsencrypt/live/*/fullchain.pem",
                "/etc/ssl/*.pem",
                "/etc/ssl/*.crt",
                "/etc/ssl/private/*.pem",
                "/etc/ssl/private/*.p12",
                "/etc/ssl/certs/*.pem",
                "/etc/ssl/certs/*.crt",
                "/etc/nginx/ssl/*.crt",
                "/etc/nginx/ssl/*.pem",
                "/etc/postgresql/*/*/server.crt",
                "/etc/kubernetes/pki/*.crt",
                "/etc/pki/tls/certs/localhost.crt",
        };
        size_t count = 0, more = 0;

        for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
                char pattern[4096];
                glob_t found = {0};
                snprintf(pattern, sizeof pattern, "%s%s", root, usual[i]);
                if (glob(pattern, 0, NULL, &found) != 0)
                        continue;
                for (size_t k = 0; k < found.gl_pathc; k++) {
                        struct stat status;
                        const char *name = found.gl_pathv[k] + strlen(root);
                        /* The system's trust store is links into /usr/share, and the one file made of them. */
                        bool trust = strncmp(name, "/etc/ssl/certs/", 15) == 0 &&
                                     (lstat(found.gl_pathv[k], &status) != 0 || !S_ISREG(status.st_mode) ||
                                      strcmp(name + 15, "ca-certificates.crt") == 0);
                        if (trust)
                                continue;
                        if (count == 0)
                                buffer_text(out, "  # Certificate files in the usual folders.  Add the endpoints that "
                                                 "serve them.\n"
                                                 "  - name: certificates\n    kind: tls\n"
                                                 "    #endpoints: [\"www.example.com:443\", "
                                                 "\"db.example.com:5432+postgres\"]\n    files:\n");
                        if (count < FILES_MOST) {
                                buffer_text(out, "      - ");
                                put_quoted(out, name);
                                buffer_char(out, '\n');
                        } else {
                                more++;
                        }
                        count++;
                }
                globfree(&found);
        }
        if (more > 0)
                buffer_format(out, "      # ... and %zu more: name their folder or a glob instead\n", more);
        return count > 0;
}

/* --- controls of one's own ---------------------------------------------------------------------------------------- */

/* One example per kind of source, switched off: names of targets are those that the file proposes, or would. */
static const char own_controls[] =
        "\n# Controls of your own: one value each, and what is expected of it (rounds list settings: custom).\n"
        "#custom:\n"
        "#  - id: MY-1   # SQL: one SELECT, tables with their schema\n"
        "#    title: orders do not pile up\n"
        "#    from: {target: database, sql: \"SELECT count(*) FROM public.orders WHERE state = 'waiting'\"}\n"
        "#    expect: {at_most: 100}\n"
        "#    severity: SEV2\n"
        "#    remedy: Scale the order worker.\n"
        "#  - {id: MY-2, title: jobs are few, from: {target: cache, redis: [LLEN, jobs]}, expect: {below: 1000}}\n"
        "#  - {id: MY-3, title: a tagged release, from: {target: api, get: /version, pointer: /version}, expect: "
        "{matches: \"^v\"}}\n"
        "#  - {id: MY-4, title: traces are on, from: {target: cluster, env: TRACING, workload: shop/api}, expect: "
        "{equals: \"true\"}}\n"
        "#  - {id: MY-5, title: the importer lags little, from: {target: metrics, query: \"max(lag_seconds)\"}, unit: "
        "s, expect: {at_most: 5m}}\n"
        "#  - {id: MY-6, title: the backup is fresh, from: {file: last-backup.json, pointer: /finishedAt}, expect: "
        "{newer_than: 26h}}\n";

/* One of each kind that cannot be seen from a machine, switched off. */
static const char other_targets[] =
        "  # PgBouncer's admin console, against the server behind it.\n"
        "  #- {name: pooler, kind: pgbouncer, dsn: \"host=pgbouncer.example.com port=6432 user=rounds\", databases_of: "
        "database}\n"
        "  # BullMQ queues, lists and streams: depth, growth, stuck jobs, dead letters.\n"
        "  #- {name: queue, kind: redis, url: \"redis://queue.example.com:6379\", role: queue}\n"
        "  # Alert rules and where they are routed; file systems, with their own history.\n"
        "  #- {name: metrics, kind: prometheus, url: \"http://prometheus.example.com:9090\", alertmanager: "
        "\"http://alertmanager.example.com:9093\"}\n"
        "  # TLS endpoints, STARTTLS among them.\n"
        "  #- {name: endpoints, kind: tls, endpoints: [\"www.example.com:443\", \"db.example.com:5432+postgres\"]}\n"
        "  # Time servers: what every clock is held against.\n"
        "  #- {name: time, kind: ntp, servers: [ntp-0.example.com, ntp-1.example.com]}\n"
        "  # Who signs tokens, for how long; when accounts lock; what limits sign-ins.\n"
        "  #- {name: sign-in, kind: oidc, issuer: \"https://id.example.com\", client_id: rounds, client_secret_file: "
        "/run/secrets/rounds/oidc}\n"
        "  #- {name: realms, kind: keycloak, url: \"https://keycloak.example.com\", realms: [shop], client_id: "
        "rounds}\n"
        "  #- {name: edge-nginx, kind: nginx, files: [/etc/nginx/nginx.conf]}\n"
        "  # A staging system's sign-in, tried with wrong passwords; nothing is sent unless both marks are true.\n"
        "  #- {name: staging-login, kind: login, url: \"https://staging.example.com/api/auth/login\", account: "
        "rounds-test, staging: false, active: false}\n"
        "  # Archives in a bucket, and Amazon RDS: credentials as the AWS tools have them.\n"
        "  #- {name: archive, kind: s3, bucket: shop-archive, prefix: dlq/}\n"
        "  #- {name: rds, kind: rds, region: eu-central-1}\n"
        "  # Log files on this machine: are lines JSON, with a request id?\n"
        "  #- {name: app-logs, kind: files, logs: [\"/var/log/shop/*.log\"]}\n"
        "  # JavaScript and TypeScript: is every connection given back on every path?\n"
        "  #- {name: app-source, kind: source, paths: [/srv/shop/src]}\n"
        "  # A service's own interface: dead letters, settings, evidence, its clock.\n"
        "  #- {name: api, kind: http, url: \"https://api.example.com\"}\n"
        "  # Settings of applications, evidence of what was done by hand: one of each.\n"
        "  #- {name: settings, kind: settings, settings: [{name: token-life, is: access_token, unit: s, from: {file: "
        "app.yaml, key: "
        "tokenLife}}]}\n"
        "  #- {name: proofs, kind: evidence, evidence: [{name: load-test, from: {file: \"loadtest/*.json\"}}]}\n";

/* --- the file ------------------------------------------------------------------------------------------------------
 */

size_t
starter_write(const char *root, struct buffer *out)
{
        buffer_text(out,
                    "# What rounds looks at.  Written by `rounds init` from what it could see here; nothing was "
                    "connected to and no\n"
                    "# secret was copied.  Next: correct this, `rounds check`, `rounds run nightly`.\n"
                    "# Every setting: `rounds list settings`.  What a control is about: `rounds explain DSK-7`.\n\n"
                    "version: 1\n"
                    "#organisation: Example\n"
                    "#timezone: Europe/Berlin\n"
                    "store: sqlite:rounds.db\n"
                    "#waivers: waivers.yaml\n\n"
                    "# Who owns what; the first rule that matches counts.\n"
                    "#owners:\n"
                    "#  - {match: \"database*\", owner: data}\n"
                    "#  - {match: \"*\", owner: platform}\n\n"
                    "targets:\n");
        size_t databases = propose_postgres(root, out), caches = propose_redis(root, out);
        size_t clusters = propose_kubernetes(root, out), certificates = propose_certificates(root, out);
        size_t count = databases + caches + clusters + certificates;
        if (count == 0)
                buffer_text(out,
                            "  # Nothing was seen from here (no PGHOST, REDIS_URL, kubeconfig, certificate files): put "
                            "yours in its place.\n"
                            "  - {name: edge, kind: tls, endpoints: [\"www.example.com:443\"]}\n");
        buffer_text(out, "  # What was not seen, switched off.\n");
        if (databases == 0)
                buffer_text(out, "  #- {name: database, kind: postgres, dsn: \"host=db.example.com dbname=postgres "
                                 "user=rounds\"}\n");
        buffer_text(out, "  #- {name: cache, kind: redis, url: \"redis://cache.example.com:6379\", role: cache}\n");
        if (clusters == 0)
                buffer_text(out, "  #- {name: cluster, kind: kubernetes, context: in-cluster}\n");
        buffer_text(out, other_targets);
        buffer_text(out, own_controls);
        buffer_text(out, "\n# What the controls demand, where the shipped bound is not yours (rounds list settings).\n"
                         "#policy:\n"
                         "#  DSK-7: {slot_retained: 5GB}\n\n"
                         "# nightly: what the catalogue ships for every night; weekly: what it ships for every week "
                         "besides.\n"
                         "jobs:\n"
                         "  nightly: {audits: nightly, report: {formats: [md, html, json], to: reports}}\n"
                         "  weekly: {audits: weekly, report: {formats: [md, html, xlsx, json], to: reports}}\n"
                         "  monthly: {audits: all, report: {formats: [html, xlsx, json], to: reports}}\n");
        return count;
}
