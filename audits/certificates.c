/* Certificates: what is served and what lies in files; when it expires, whose it is, whether it is sound.  Controls:
 * CRT-2, CRT-3, CRT-4, CRT-6. */

#include "audit.h"

#include "certificate_judge.h"
#include "facts.h"
#include "json.h"
#include "scope.h"
#include "tls_sweep.h"

/* --- what is read --------------------------------------------------------------------------------------------------
 */

/* A place that could not be read hides its certificates' expiry and soundness; CRT-3 names it in judge(). */
static int
note_unread(json_t *facts, const char *list, const char *name, const char *kind, const char *controls)
{
        size_t i;
        json_t *row;

        json_array_foreach(json_object_get(facts, list), i, row)
        {
                const json_t *failed = json_map(row, "error");
                struct resource resource = {.kind = kind, .name = json_text(row, name, "?")};
                struct error why;
                if (failed == NULL)
                        continue;
                error_set(&why, reason_from_name(json_text(failed, "reason", "unreachable")), "%s",
                          json_text(failed, "text", "could not be read"));
                error_remedy(&why, "%s", json_text(failed, "remedy", ""));
                if (facts_gap(facts, list, controls, &resource, &why) != 0)
                        return -1;
        }
        return 0;
}

static int
certificates_collect(struct session *session, json_t *facts, struct error *err)
{
        const json_t *found;

        if (tls_session(session, &found, err) != 0)
                return -1;
        scoped_json copy = json_deep_copy(found);
        if (copy == NULL || json_object_update(facts, copy) != 0 ||
            note_unread(facts, "endpoints", "place", "endpoint", "CRT-2,CRT-6") != 0 ||
            note_unread(facts, "files", "path", "file", "CRT-2") != 0)
                return error_memory(err, "certificates");
        return 0;
}

/* --- what is judged ------------------------------------------------------------------------------------------------
 */

/* Which certificates were met where it matters: a bundle of authorities is what is trusted, not what is served. */
static void
gather(struct certificate_judge *j)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "endpoints"), i, row) certificate_judge_serve(j, row);
        json_array_foreach((json_t *)json_list(j->facts, "files"), i, row)
        {
                if (!json_flag(row, "bundle", false))
                        certificate_judge_meet(j, json_list(row, "certificates"));
        }
}

static void
sweep_judge(const struct certificate_judge *j, const json_t *row, const struct resource *resource, const char *path)
{
        const json_t *failed = json_map(row, "error");

        if (failed == NULL && json_text(row, "leaf", NULL) == NULL && json_list(row, "certificates") == NULL)
                findings_error(j->out, "CRT-3", resource, REASON_INTERNAL, "The facts do not say what was read there.",
                               NULL);
        else
                certificate_judge_sweep(j, failed, resource, path);
}

static size_t
judge_places(const struct certificate_judge *j)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "endpoints"), i, row)
        {
                struct resource resource = {.kind = "endpoint", .name = json_text(row, "place", "?")};
                const char *path = findings_text(j->out, "/endpoints/%zu", i);
                certificate_judge_place(j, row, &resource, path);
                sweep_judge(j, row, &resource, path);
        }
        json_array_foreach((json_t *)json_list(j->facts, "files"), i, row)
        {
                struct resource resource = {.kind = "file", .name = json_text(row, "path", "?")};
                sweep_judge(j, row, &resource, findings_text(j->out, "/files/%zu", i));
        }
        return json_array_size(json_list(j->facts, "endpoints"));
}

static void
certificates_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                   struct findings *out)
{
        struct certificate_judge j = {.facts = facts,
                                      .policy = policy,
                                      .history = history,
                                      .out = out,
                                      .series = "certificates.swept",
                                      .authorities = "ca_file"};
        static const char nothing[] =
                "Nothing was found to look at: no endpoint answers and no file holds a certificate.";
        static const char remedy[] = "Name endpoints and files of this target, and mend those that cannot be read.";

        out->failed = out->failed || !certificate_judge_begin(&j);
        gather(&j);
        size_t owned = certificate_judge_all(&j), endpoints = judge_places(&j);
        if (json_object_size(j.met) == 0)
                findings_error(out, "CRT-2", NULL, REASON_TOO_LITTLE_DATA, nothing, remedy);
        if (owned == 0)
                findings_error(out, "CRT-4", NULL, REASON_TOO_LITTLE_DATA, nothing, remedy);
        if (json_array_size(json_list(facts, "endpoints")) + json_array_size(json_list(facts, "files")) == 0)
                findings_error(out, "CRT-3", NULL, REASON_TOO_LITTLE_DATA, nothing, remedy);
        if (endpoints == 0)
                findings_skip(out, "CRT-6", "This target names no endpoint, only files: nothing is served from it.",
                              "Add the endpoints that serve these certificates.");
        certificate_judge_end(&j);
}

const struct audit audit_certificates = {
        .name = "certificates",
        .summary = "TLS endpoints and certificate files: expiry, owner, soundness",
        .looks_at = {"tls"},
        .controls = {"CRT-2", "CRT-3", "CRT-4", "CRT-6"},
        .needs = "to reach the endpoints and to read the certificate files (keys are never parsed)",
        .samples = {"certificates.swept"},
        .collect = certificates_collect,
        .judge = certificates_judge,
};
