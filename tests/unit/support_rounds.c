/* Runs for the report tests: see support_rounds.h. */

#include "support_rounds.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"

static void
must(int result, const struct error *err)
{
        if (result == 0)
                return;
        fprintf(stderr, "support_rounds: %s\n", err->text);
        abort();
}

void
rounds_open(struct rounds *rounds)
{
        struct error err = {0};
        const char *folder = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";

        snprintf(rounds->folder, sizeof rounds->folder, "%.200s/rounds-report-XXXXXX", folder);
        if (mkdtemp(rounds->folder) == NULL)
                abort();
        snprintf(rounds->where, sizeof rounds->where, "sqlite:%s/rounds.db", rounds->folder);
        must(store_open(rounds->where, false, &rounds->store, &err), &err);
}

void
rounds_close(struct rounds *rounds)
{
        char command[300];

        store_close(rounds->store);
        snprintf(command, sizeof command, "rm -rf '%s'", rounds->folder);
        if (system(command) != 0)
                abort();
}

int64_t
rounds_begin(struct rounds *rounds, const char *job, int64_t at_ms, json_t *config)
{
        struct run run = {.job = job,
                          .started_ms = at_ms,
                          .version = "0.1.0",
                          .host = "ops-1",
                          .shard = "0/1",
                          .state = RUN_RUNNING,
                          .min_coverage = 100};
        struct error err = {0};
        int64_t id = 0;
        json_t *kept = config != NULL ? config : json_object();

        must(store_run_begin(rounds->store, &run, kept, &id, &err), &err);
        json_decref(kept);
        return id;
}

void
rounds_end(struct rounds *rounds, int64_t run, int64_t at_ms)
{
        struct error err = {0};

        must(store_run_end(rounds->store, run, RUN_FINISHED, at_ms, &err), &err);
}

/* Waives what says so in its evidence pointer ("waive:W-3"): the tests' own way to say it in one table. */
static void
waive(void *context, struct finding_row *row)
{
        const char *evidence = row->finding.evidence;

        (void)context;
        if (evidence != NULL && strncmp(evidence, "waive:", 6) == 0 && row->finding.status == STATUS_FAIL) {
                row->finding.status = STATUS_WAIVED;
                row->finding.severity = SEV_NONE;
                row->waiver = evidence + 6;
        }
        if (evidence != NULL && strncmp(evidence, "note:", 5) == 0)
                row->note = evidence + 5;
}

void
rounds_put(struct rounds *rounds, int64_t run, const char *target, const char *kind, const char *owner,
           const char *audit, int64_t at_ms, struct findings *findings)
{
        struct result result = {.target = target,
                                .kind = kind,
                                .owner = owner,
                                .audit = audit,
                                .started_ms = at_ms,
                                .took_ms = 1200,
                                .findings = findings};
        struct error err = {0};

        must(store_results_put(rounds->store, run, &result, 1, waive, NULL, &err), &err);
        findings_free(findings);
}

/* --- the sample ----------------------------------------------------------------------------------------------- */

/* One finding of the sample; `then` and `now` are its status in each run, -1 where it is not there. */
struct sample_finding {
        const char *target, *kind, *owner, *audit, *control;
        struct resource resource;
        int then, now;
        enum severity severity_then, severity_now;
        enum reason reason;
        const char *observed, *expected, *message, *remedy, *evidence;
};

enum { F = STATUS_FAIL, E = STATUS_ERROR, S = STATUS_SKIP, P = STATUS_PASS, NO = -1 };

static const struct sample_finding samples[] = {
        {"kaireon-db",
         "postgres",
         "data",
         "wal",
         "DSK-7",
         {"slot", NULL, "analytics"},
         P,
         F,
         SEV_NONE,
         SEV2,
         0,
         "1.4 GiB retained, 212 MiB more every hour",
         "at most 1 GB",
         "The replication slot analytics is inactive and keeps 1.4 GiB of write-ahead log.",
         "SELECT pg_drop_replication_slot('analytics');  -- or start its consumer again",
         NULL},
        {"kaireon-db",
         "postgres",
         "data",
         "wal",
         "DSK-7",
         {"setting", NULL, "max_slot_wal_keep_size"},
         F,
         F,
         SEV2,
         SEV2,
         0,
         "-1 (no limit)",
         "a limit",
         "A slot that nobody reads can fill the disk: max_slot_wal_keep_size is not set.",
         "ALTER SYSTEM SET max_slot_wal_keep_size = '8GB'; SELECT pg_reload_conf();",
         NULL},
        {"kaireon-db",
         "postgres",
         "data",
         "wal",
         "DSK-7",
         {"archiver", NULL, NULL},
         F,
         P,
         SEV1,
         0,
         0,
         "failing since 02:10",
         "no failure",
         "The archiver writes again.",
         NULL,
         NULL},
        {"kaireon-db",
         "postgres",
         "data",
         "pg_settings",
         "DBC-1",
         {"role", NULL, "reporting"},
         F,
         F,
         SEV3,
         SEV2,
         0,
         "0 (never)",
         "1 s to 30 s",
         "Sessions of the role reporting may stay idle in a transaction for ever.",
         "ALTER ROLE reporting SET idle_in_transaction_session_timeout = '30s';",
         NULL},
        {"kaireon-db",
         "postgres",
         "data",
         "pg_settings",
         "DBC-1",
         {"database", NULL, "kaireon"},
         P,
         P,
         0,
         0,
         0,
         "30 s",
         "1 s to 30 s",
         "Idle transactions are cut after 30 s.",
         NULL,
         NULL},
        {"analytics-db",
         "postgres",
         "data",
         "pg_settings",
         "DBC-1",
         {NULL, NULL, NULL},
         F,
         E,
         SEV2,
         0,
         REASON_UNREACHABLE,
         "0 (never)",
         "1 s to 30 s",
         "analytics-db: connect to 10.0.4.17:5432: connection refused",
         "start the server, or correct `dsn` of the target analytics-db",
         NULL},
        {"analytics-db",
         "postgres",
         "data",
         "wal",
         "DSK-7",
         {NULL, NULL, NULL},
         P,
         E,
         0,
         0,
         REASON_UNREACHABLE,
         "",
         "",
         "analytics-db: connect to 10.0.4.17:5432: connection refused",
         "start the server, or correct `dsn` of the target analytics-db",
         NULL},
        {"archive-db",
         "postgres",
         "",
         "wal",
         "DSK-7",
         {"pg_wal", NULL, NULL},
         E,
         E,
         0,
         0,
         REASON_DENIED,
         "",
         "",
         "permission denied for function pg_ls_waldir",
         "GRANT pg_monitor TO rounds;",
         NULL},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-2",
         {"certificate", NULL, "www.example.com"},
         F,
         F,
         SEV3,
         SEV2,
         0,
         "expires in 5 d 7 h, on 2026-11-29",
         "more than 30 days",
         "The certificate of www.example.com expires on 29 November 2026.",
         "certbot renew --cert-name www.example.com",
         NULL},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-2",
         {"certificate", NULL, "old.example.com"},
         NO,
         F,
         0,
         SEV1,
         0,
         "expired 2 d ago, on 2026-11-22",
         "more than 30 days",
         "The certificate of old.example.com has expired: clients refuse it.",
         "certbot certonly --cert-name old.example.com --force-renewal",
         NULL},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-2",
         {"certificate", NULL, "api.example.com"},
         F,
         P,
         SEV4,
         0,
         0,
         "expires in 88 d",
         "more than 30 days",
         "The certificate of api.example.com was renewed.",
         NULL,
         NULL},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-2",
         {"certificate", NULL, "shop.example.com"},
         F,
         NO,
         SEV3,
         0,
         0,
         "expires in 9 d",
         "more than 30 days",
         "The certificate of shop.example.com expires soon.",
         NULL,
         NULL},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-2",
         {"certificate", NULL, "mail.example.com"},
         F,
         F,
         SEV4,
         SEV4,
         0,
         "expires in 26 d",
         "more than 30 days",
         "The certificate of mail.example.com expires on 20 December 2026.",
         NULL,
         "note:waiver W-2 expired on 2026-11-01"},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-6",
         {"endpoint", NULL, "legacy.example.com:443"},
         F,
         F,
         SEV2,
         SEV2,
         0,
         "self-signed",
         "a chain to a trusted root",
         "legacy.example.com serves a certificate that nobody trusts.",
         NULL,
         "waive:W-1"},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-3",
         {NULL, NULL, NULL},
         P,
         P,
         0,
         0,
         0,
         "swept today",
         "swept within 7 days",
         "Every endpoint was swept.",
         NULL,
         NULL},
        {"edge",
         "tls",
         "platform",
         "certificates",
         "CRT-4",
         {"certificate", NULL, "build.example.com"},
         F,
         F,
         SEV4,
         SEV4,
         0,
         "no owner",
         "an owner",
         "Nobody owns the certificate of build.example.com.",
         NULL,
         NULL},
        {"backup-edge",
         "tls",
         "platform",
         "certificates",
         "CRT-3",
         {NULL, NULL, NULL},
         S,
         S,
         0,
         0,
         REASON_NONE,
         "",
         "",
         "No endpoint or file is configured for this target.",
         "add `endpoints` or `files` to the target",
         NULL},
};

static void
sample_add(struct findings *findings, const struct sample_finding *s, int status, enum severity severity)
{
        struct finding f = {.control = s->control,
                            .resource = s->resource,
                            .status = (enum status)status,
                            .severity = severity,
                            .reason = status == STATUS_ERROR ? s->reason : REASON_NONE,
                            .observed = s->observed,
                            .expected = s->expected,
                            .message = s->message,
                            .remedy = s->remedy,
                            .evidence = s->evidence};

        findings_add(findings, &f);
}

static void
certificate_add(struct findings *findings, const char *name, double days, const char *owner, const char *issuer)
{
        char expires[MOMENT_TEXT];
        json_t *row = json_object();

        moment_format(ROUNDS_NOW + (int64_t)(days * (double)DAY_MS), expires);
        json_put_text(row, "id", name);
        json_put_text(row, "subject", name);
        json_put_text(row, "owner", owner);
        json_put_text(row, "not_after", expires);
        json_put_whole(row, "days_left", (int64_t)days);
        json_put_text(row, "issuer", issuer);
        json_put(row, "where", json_pack("[s, s]", "10.0.0.4:443", "[2001:db8::4]:443"));
        json_put_text(row, "sha256", "6a09e667f3bcc908");
        findings_inventory(findings, "certificates", row);
}

static void
inventory_add(struct findings *findings)
{
        static const struct {
                const char *name;
                double days;
                const char *owner;
        } rows[] = {{"old.example.com", -2, "platform"},   {"www.example.com", 5.3, "platform"},
                    {"mail.example.com", 26, "mail"},      {"api.example.com", 88, "platform"},
                    {"build.example.com", 61, ""},         {"auth.example.com", 88, "identity"},
                    {"cdn.example.com", 61, "platform"},   {"status.example.com", 61.4, "platform"},
                    {"registry.example.com", 62, "build"}, {"legacy.example.com", 900, "platform"},
                    {"db.internal", 340, "data"},          {"pooler.internal", 340, "data"},
                    {"cache.internal", 102, "platform"},   {"queue.internal", 102, "platform"}};

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                certificate_add(findings, rows[i].name, rows[i].days, rows[i].owner,
                                rows[i].days > 300 ? "Example Internal CA" : "Let's Encrypt R11");
}

static json_t *
sample_config(void)
{
        return json_pack("{s:s, s:{s:{s:i}}, s:[{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s}],"
                         " s:[{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s},{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s},"
                         "{s:s,s:s,s:s,s:s,s:s,s:s,s:s}]}",
                         "organisation", "Example", "policy", "DSK-7", "slot_retained", 1000000000, "targets", "name",
                         "kaireon-db", "kind", "postgres", "owner", "data", "name", "analytics-db", "kind", "postgres",
                         "owner", "data", "name", "archive-db", "kind", "postgres", "owner", "", "name", "edge", "kind",
                         "tls", "owner", "platform", "name", "backup-edge", "kind", "tls", "owner", "platform",
                         "waivers", "id", "W-1", "control", "CRT-6", "target", "edge", "resource",
                         "endpoint//legacy.example.com:443", "reason", "The machine is switched off in December.",
                         "approver", "Dana Roe", "ticket", "OPS-512", "expires", "2026-12-02", "id", "W-2", "control",
                         "CRT-2", "target", "edge", "resource", "certificate//mail.example.com", "reason",
                         "Renewed by hand.", "approver", "Dana Roe", "ticket", "OPS-77", "expires", "2026-11-01", "id",
                         "W-3", "control", "DBC-*", "target", "*", "reason", "Migration.", "owner", "data", "approver",
                         "Sam Poe", "expires", "2027-02-01");
}

static void
sample_run(struct rounds *rounds, bool now)
{
        int64_t at = now ? ROUNDS_NOW : ROUNDS_THEN;
        int64_t run = rounds_begin(rounds, "nightly", at, sample_config());
        size_t count = sizeof samples / sizeof samples[0];

        for (size_t from = 0, to; from < count; from = to) {
                const struct sample_finding *first = &samples[from];
                struct findings *findings = findings_new();
                for (to = from; to < count && strcmp(samples[to].target, first->target) == 0 &&
                                strcmp(samples[to].audit, first->audit) == 0;
                     to++) {
                        const struct sample_finding *s = &samples[to];
                        int status = now ? s->now : s->then;
                        if (status != NO)
                                sample_add(findings, s, status,
                                           status == STATUS_FAIL ? now ? s->severity_now : s->severity_then : SEV_NONE);
                }
                if (strcmp(first->audit, "certificates") == 0 && strcmp(first->target, "edge") == 0)
                        inventory_add(findings);
                rounds_put(rounds, run, first->target, first->kind, first->owner, first->audit, at + 400, findings);
        }
        rounds_end(rounds, run, at + 3 * MINUTE_MS + 12 * SECOND_MS);
}

void
rounds_sample(struct rounds *rounds)
{
        sample_run(rounds, false);
        sample_run(rounds, true);
}

/* --- hostile texts -------------------------------------------------------------------------------------------- */

void
rounds_hostile(struct rounds *rounds)
{
        static const char *const texts[] = {
                "<script>alert(1)</script><img src=x onerror=alert(1)>",
                "a|b\nc|d\r\n# heading\n* item `code` [link](javascript:alert(1))",
                "=HYPERLINK(\"http://evil.example/\",\"click\")",
                "right-to-left \xE2\x80\xAE"
                "gnp.exe \xE2\x81\xA6 zero\xE2\x80\x8Bwidth",
                "\x1B[31mred\x1B]0;title\x07\x9B\xC2\x9B"
                "2J bell",
                "not UTF-8: \xFF\xC3\x28 \xED\xA0\x80 end",
                "{{mustache}} {{{triple}}} {{#section}} {{/section}}",
                "\"quotes' & </style></title></td> --> ]]> @everyone",
        };
        char *longest = malloc(10001);
        int64_t run = rounds_begin(rounds, "hostile", ROUNDS_NOW, NULL);
        struct findings *findings = findings_new();

        memset(longest, 'n', 10000);
        longest[10000] = '\0';
        for (size_t i = 0; i <= sizeof texts / sizeof texts[0]; i++) {
                const char *text = i < sizeof texts / sizeof texts[0] ? texts[i] : longest;
                json_t *row = json_object();
                struct finding f = {.control = "CRT-2",
                                    .resource = {"certificate", text, text},
                                    .status = STATUS_FAIL,
                                    .severity = SEV2,
                                    .observed = text,
                                    .expected = text,
                                    .message = text,
                                    .remedy = text,
                                    .owner = text};
                findings_add(findings, &f);
                findings_error(findings, "CRT-6", &f.resource, REASON_PROTOCOL, text, text);
                json_put_text(row, "id", text);
                json_put_text(row, "subject", text);
                json_put_text(row, "not_after", "2026-12-01T00:00:00Z");
                json_put_text(row, "issuer", text);
                findings_inventory(findings, "certificates", row);
        }
        free(longest);
        rounds_put(rounds, run, "<b>edge</b>|x", "tls", "platform", "certificates", ROUNDS_NOW, findings);
        rounds_end(rounds, run, ROUNDS_NOW + 1000);
}
