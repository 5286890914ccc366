/* A view built by hand: see support_view.h. */

#include "support_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"

#define START 1795489964000LL /* 2026-11-24T03:12:44Z */

const char *const support_hostile[] = {
        "=HYPERLINK(\"http://evil.example/\",\"click\")",
        "+1+1",
        "-2+3",
        "@SUM(A1:A9)",
        "\t=1+1",
        "http://evil.example/",
        "mailto:a@example.org",
        "<script>alert(1)</script>",
        "a|b\nc|d\r\ne",
        "\"quoted\" 'single' & <b>bold</b> \\ back",
        "not UTF-8: \xFF\xC3\x28 \xED\xA0\x80 end",
        "right-to-left \xE2\x80\xAE"
        "gnp.exe",
        "control \x01\x08\x0B\x1B[31m\x7F end",
        "_x0041_ is not A",
        "\xEF\xBF\xBE\xEF\xBF\xBF noncharacters",
        "{{mustache}} {{{triple}}} {{#section}}",
        "",
        NULL,
};

static const struct control control_wal = {.id = "DSK-7",
                                           .title = "WAL does not pile up",
                                           .severity = SEV2,
                                           .frameworks = {"SOC2:A1.2", "ISO27001:A.8.13"}};
static const struct control control_certificate = {.id = "CRT-2", .title = "Certificates are renewed in time"};

static void
finding_fill(struct view_finding *f, size_t i, size_t hostile)
{
        static const enum status statuses[] = {STATUS_FAIL,  STATUS_FAIL,   STATUS_FAIL, STATUS_FAIL,
                                               STATUS_ERROR, STATUS_WAIVED, STATUS_SKIP, STATUS_PASS};
        const char *text = support_hostile[i % hostile];
        char *fingerprint = malloc(65), *name = malloc(64);

        if (fingerprint == NULL || name == NULL)
                abort();
        snprintf(fingerprint, 65, "%064zx", i);
        snprintf(name, 64, "resource %zu", i);
        *f = (struct view_finding){
                .fingerprint = fingerprint,
                .control = i % 2 == 0 ? "DSK-7" : "CRT-2",
                .playbook = i % 2 == 0 ? "DSK" : "CRT",
                .audit = i % 2 == 0 ? "wal" : "certificates",
                .target = "kaireon-db",
                .resource = {"slot", "analytics", name},
                .status = statuses[i % 8],
                .severity = statuses[i % 8] == STATUS_FAIL ? (enum severity)(SEV1 + i % 4) : SEV_NONE,
                .reason = statuses[i % 8] == STATUS_ERROR ? REASON_DENIED : REASON_NONE,
                .observed = text,
                .expected = "at most 1 GB retained by one slot",
                .message = "A replication slot keeps the server from recycling write-ahead log.",
                .remedy = i % 3 == 0 ? "SELECT pg_drop_replication_slot('analytics');" : "",
                .owner = "data",
                .evidence = "/slots/0",
                .waiver = statuses[i % 8] == STATUS_WAIVED ? "W-1" : "",
                .note = "",
                .first_seen_ms = statuses[i % 8] == STATUS_FAIL ? START - 3 * DAY_MS - (int64_t)i : 0,
                .change = statuses[i % 8] == STATUS_FAIL ? (enum change)(CHANGE_NEW + i % 3) : CHANGE_NONE,
                .change_why = "",
                .before = i % 4 == 1 ? SEV4 : SEV_NONE,
                .row = i % 2 == 0 ? &control_wal : &control_certificate,
        };
}

/* Owned by the view through `parts`, which the real view keeps for itself. */
struct view_parts {
        struct view_finding *findings;
        const struct view_finding **lists[5];
        struct view_row *certificates, *databases, *projections;
        struct view_inventory inventory[3];
        size_t certificate_count;
};

static json_t *
certificate_row(const char *subject, size_t i)
{
        char expires[MOMENT_TEXT], id[48];
        json_t *row;

        moment_format(START + (int64_t)(i * 9) * DAY_MS - 5 * DAY_MS, expires);
        snprintf(id, sizeof(id), "certificate %zu", i);
        row = json_pack("{s:s, s:s, s:s, s:s, s:[s, s], s:I, s:b, s:f}", "id", id, "owner", "edge", "not_after",
                        expires, "issuer", "CN=Example CA", "seen_at", "www.example.com:443", "10.0.0.1:443",
                        "size_bytes", (json_int_t)1500000 * (json_int_t)i, "managed", (int)(i % 2), "used_percent",
                        12.5);
        if (row == NULL || (json_object_set_new(row, "subject", json_string(subject)) != 0 &&
                            json_object_set_new(row, "subject", json_string("not UTF-8")) != 0))
                abort();
        return row;
}

static json_t *
projection_row(void)
{
        json_t *row = json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:s, s:s, s:n, s:i, s:i, s:s, s:[]}", "id",
                                "disk", "subject", "=disk of kaireon-db", "unit", "bytes", "now", 8.0e9, "limit",
                                1.0e10, "slope_per_day", 1.0e8, "slope_low", 9.0e7, "slope_high", 1.2e8, "full_on",
                                "2026-12-14", "full_earliest", "2026-12-10", "full_latest", "samples", 30, "days", 30,
                                "verdict", "full in 20 d", "points");

        if (row == NULL)
                abort();
        for (int i = 0; i < 30; i++)
                json_array_append_new(json_object_get(row, "points"),
                                      json_pack("[I, f]", (json_int_t)(START - (30 - i) * DAY_MS), 5.0e9 + 1.0e8 * i));
        return row;
}

static void
inventory_fill(struct view *view, struct view_parts *parts)
{
        size_t count = 0;

        while (support_hostile[count] != NULL)
                count++;
        parts->certificates = calloc(count, sizeof(*parts->certificates));
        parts->projections = calloc(1, sizeof(*parts->projections));
        parts->databases = calloc(1, sizeof(*parts->databases));
        if (parts->certificates == NULL || parts->projections == NULL || parts->databases == NULL)
                abort();
        for (size_t i = 0; i < count; i++)
                parts->certificates[i] = (struct view_row){"edge", certificate_row(support_hostile[i], count - i)};
        parts->databases[0] = (struct view_row){"kaireon-db", json_pack("{s:s, s:s, s:I, s:s}", "id", "orders", "name",
                                                                        "orders", "size_bytes", (json_int_t)734003200,
                                                                        "Name", "the same but for its case")};
        parts->projections[0] = (struct view_row){"kaireon-db", projection_row()};
        parts->certificate_count = count;
        parts->inventory[0] = (struct view_inventory){"certificates", parts->certificates, count};
        parts->inventory[1] = (struct view_inventory){"databases", parts->databases, 1};
        parts->inventory[2] = (struct view_inventory){"volume/claims: [of] nodes?", parts->databases, 1};
        view->inventory = parts->inventory;
        view->inventory_count = 3;
        view->projections = (struct view_inventory){"projections", parts->projections, 1};
}

static void
lists_fill(struct view *view, struct view_parts *parts)
{
        struct view_list *lists[5] = {&view->fresh, &view->worse, &view->still, &view->fixed, &view->incomparable};

        for (int i = 0; i < 5; i++) {
                parts->lists[i] = calloc(view->count + 1, sizeof(*parts->lists[i]));
                if (parts->lists[i] == NULL)
                        abort();
                for (size_t k = 0; k < view->count; k++) {
                        if (parts->findings[k].change == (enum change)(CHANGE_NEW + i))
                                parts->lists[i][lists[i]->count++] = &parts->findings[k];
                }
                lists[i]->rows = parts->lists[i];
        }
}

struct view *
support_view(size_t findings)
{
        static const struct view_control controls[] = {
                {"DSK-7", "WAL does not pile up", "DSK", &control_wal, STATUS_FAIL, SEV1, {3, 1, 0, 1, 0}, {0}},
                {"CRT-2", "Certificates are renewed in time", "CRT", &control_certificate, STATUS_FAIL, SEV2, {1}, {0}},
                {"ACME-1", "=A control of the user's own", "ACME", NULL, STATUS_PASS, SEV_NONE, {0, 0, 0, 0, 1}, {0}},
        };
        static const struct view_playbook chapters[] = {
                {"DSK", "Database disk", STATUS_FAIL, SEV1, {3, 1, 0, 1, 0}, controls, 1},
                {"CRT", "Certificates", STATUS_FAIL, SEV2, {1, 0, 0, 0, 0}, controls + 1, 1},
        };
        static const struct view_target targets[] = {
                {"kaireon-db", "postgres", "data", {4, 1, 1, 1, 1}, STATUS_FAIL, SEV1}};
        static const struct view_gap gaps[] = {
                {STATUS_ERROR, "kaireon-db", REASON_DENIED, "=permission denied\nfor view",
                 "GRANT pg_monitor TO rounds;", "DSK-7", 1, "slot//analytics"},
                {STATUS_SKIP, "cache", REASON_NONE, "not configured", "", "RED-1, RED-2", 2, ""},
        };
        static const struct view_waiver waivers[] = {
                {"W-1", "DSK-7", "kaireon-*", "", "", "known until the upgrade", "data", "cto", "OPS-1", START - DAY_MS,
                 START + 9 * DAY_MS, WAIVER_EXPIRING, false, true, 21},
                {"W-0", "CRT-2", "", "", "ab", "+cmd", "edge", "cto", "http://tracker/1", START - 90 * DAY_MS,
                 START - DAY_MS, WAIVER_EXPIRED, true, false, 0},
        };
        struct view *view = calloc(1, sizeof(*view));
        struct view_parts *parts = calloc(1, sizeof(*parts));
        size_t hostile = 0;

        if (view == NULL || parts == NULL || (parts->findings = calloc(findings + 1, sizeof(*parts->findings))) == NULL)
                abort();
        while (support_hostile[hostile] != NULL)
                hostile++;
        for (size_t i = 0; i < findings; i++)
                finding_fill(&parts->findings[i], i, hostile);
        view->run = (struct view_run){7, START, START + 95000, "nightly", "0.1.0", "auditor-1", "0/1", "finished"};
        view->previous = (struct view_run){6,           START - DAY_MS, START - DAY_MS + 1, "nightly", "0.1.0",
                                           "auditor-1", "0/1",          "finished"};
        view->organisation = "Example & Söhne \"Ltd\"";
        view->timezone = "";
        view->figures = (struct view_figures){.run = 7,
                                              .started_ms = START,
                                              .pass = 1,
                                              .fail = 4,
                                              .error = 1,
                                              .skip = 1,
                                              .waived = 1,
                                              .by_severity = {0, 1, 1, 1, 1},
                                              .coverage_percent = 87.5,
                                              .score_percent = 100.0 / 3,
                                              .fresh = 2,
                                              .worse = 1,
                                              .still = 1};
        view->grade = 'D';
        view->findings = parts->findings;
        view->count = findings;
        view->controls = controls;
        view->control_count = sizeof(controls) / sizeof(controls[0]);
        view->playbooks = chapters;
        view->playbook_count = 2;
        view->targets = targets;
        view->target_count = 1;
        view->gaps = gaps;
        view->gap_count = 2;
        view->waivers = waivers;
        view->waiver_count = 2;
        view->parts = parts;
        lists_fill(view, parts);
        inventory_fill(view, parts);
        return view;
}

void
support_view_free(struct view *view)
{
        struct view_parts *parts = view->parts;

        for (size_t i = 0; i < view->count; i++) {
                free((char *)(uintptr_t)parts->findings[i].fingerprint);
                free((char *)(uintptr_t)parts->findings[i].resource.name);
        }
        for (size_t i = 0; i < parts->certificate_count; i++)
                json_decref((json_t *)(uintptr_t)parts->certificates[i].row);
        json_decref((json_t *)(uintptr_t)parts->databases[0].row);
        json_decref((json_t *)(uintptr_t)parts->projections[0].row);
        for (int i = 0; i < 5; i++)
                free(parts->lists[i]);
        free(parts->certificates);
        free(parts->databases);
        free(parts->projections);
        free(parts->findings);
        free(parts);
        free(view);
}
