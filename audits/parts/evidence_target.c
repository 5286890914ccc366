/* Evidence as a target: proofs that something was done, each with its place and the controls it is for. */

#include "evidence.h"

#include <stdio.h>
#include <string.h>

#include "attestation.h"
#include "catalogue.h"
#include "json.h"
#include "session.h"
#include "value.h"

const struct setting evidence_fields[] = {
        {.name = "time",
         .type = SETTING_TEXT,
         .words = "JSON pointer to when it was done (RFC 3339, or epoch seconds or milliseconds)"},
        {.name = "outcome",
         .type = SETTING_TEXT,
         .words = "JSON pointer to the outcome (pass, passed, success, true ...)"},
        {.name = "covers",
         .type = SETTING_TEXT,
         .words = "JSON pointer to what it covers: a text, or a list (image digests)"},
        {.name = "p99", .type = SETTING_TEXT, .words = "JSON pointer to the 99th percentile of latency, milliseconds"},
        {.name = "p95", .type = SETTING_TEXT, .words = "JSON pointer to the 95th percentile, milliseconds"},
        {.name = "error_rate", .type = SETTING_TEXT, .words = "JSON pointer to the share of errors, 0 to 1"},
        {.type = SETTING_END},
};

static const struct setting place[] = {
        {.name = "file", .type = SETTING_PATH, .words = "JSON file, or a glob: the newest by its own time counts"},
        {.name = "target", .type = SETTING_TEXT, .words = "the s3, http or kubernetes target that is asked"},
        {.name = "prefix", .type = SETTING_TEXT, .words = "s3: the newest JSON object under this beginning of its key"},
        {.name = "get", .type = SETTING_TEXT, .words = "http: path of a JSON document"},
        {.name = "cronjob", .type = SETTING_TEXT, .words = "kubernetes: last success of a CronJob, namespace/name"},
        {.name = "job", .type = SETTING_TEXT, .words = "kubernetes: newest finished Job, namespace/name with a glob"},
        {.type = SETTING_END},
};

static const struct setting attestations[] = {
        {.name = "who", .type = SETTING_TEXT, .required = true, .words = "who says so; names the key under `keys`"},
        {.name = "at", .type = SETTING_MOMENT, .required = true, .words = "when it was done"},
        {.name = "what", .type = SETTING_TEXT, .required = true, .words = "what was done, one line"},
        {.name = "covers",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .required = true,
         .words = "controls (or digests) it is for"},
        {.name = "outcome", .type = SETTING_CHOICE, .choices = "pass|fail", .fallback = "pass", .words = "how it went"},
        {.name = "signature", .type = SETTING_TEXT, .words = "as `rounds attest` printed it"},
        {.type = SETTING_END},
};

static const struct setting item[] = {
        {.name = "name",
         .type = SETTING_TEXT,
         .required = true,
         .words = "what it is called; the name in a control's `evidence` policy makes it that control's"},
        {.name = "controls",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .words = "controls it is for; default: those whose policy names it"},
        {.name = "from", .type = SETTING_OBJECT, .fields = place, .words = "where the document stands"},
        {.name = "fields",
         .type = SETTING_OBJECT,
         .fields = evidence_fields,
         .words = "where in the document, if not in the usual places"},
        {.name = "attestations",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = attestations,
         .words = "instead of a document: signed words of a person"},
        {.name = "max_age",
         .type = SETTING_DURATION,
         .min = 1000,
         .words = "greatest age; default: the control's `age`"},
        {.name = "owner", .type = SETTING_TEXT, .words = "who does it; default: the target's owner"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "evidence",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = item,
         .required = true,
         .words = "the proofs that are looked at"},
        {.name = "keys",
         .type = SETTING_MAP,
         .item = SETTING_TEXT,
         .fallback = "{}",
         .words = "public Ed25519 keys of those who attest, base64, by name"},
        {.type = SETTING_END},
};

/* --- mistakes ----------------------------------------------------------------------------------------------------- */

static const struct {
        const char *key, *kind;
} places[] = {{"file", NULL}, {"prefix", "s3"}, {"get", "http"}, {"cronjob", "kubernetes"}, {"job", "kubernetes"}};

static bool
place_sound(const json_t *from, const struct target *const *targets, char *why, size_t size)
{
        const char *kind = NULL, *key = NULL, *name = json_text(from, "target", NULL);
        size_t count = 0;

        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
                if (json_has(from, places[i].key)) {
                        key = places[i].key;
                        kind = places[i].kind;
                        count++;
                }
        }
        if (count != 1) {
                snprintf(why, size, "from: %s of file, prefix, get, cronjob, job", count == 0 ? "one" : "only one");
                return false;
        }
        if (kind == NULL && name == NULL)
                return true;
        if (kind == NULL || name == NULL) {
                snprintf(why, size, kind == NULL ? "from: a %s needs no target" : "from: %s needs `target`", key);
                return false;
        }
        if ((strcmp(key, "cronjob") == 0 || strcmp(key, "job") == 0) &&
            !value_object_name_sound(json_text(from, key, ""), why, size))
                return false;
        for (; *targets != NULL; targets++) {
                if (strcmp((*targets)->name, name) != 0)
                        continue;
                if ((*targets)->kind == NULL || strcmp((*targets)->kind->name, kind) == 0)
                        return true;
                snprintf(why, size, "from: %s is asked of a target of kind %s, and %.80s is of kind %s", key, kind,
                         name, (*targets)->kind->name);
                return false;
        }
        snprintf(why, size, "from: there is no target \"%.80s\"", name);
        return false;
}

/* Whether a control ships with this name as its evidence. */
static bool
is_usual_name(const char *name)
{
        for (size_t p = 0; playbooks[p] != NULL; p++) {
                for (const struct control *control = playbooks[p]->controls; control->id != NULL; control++) {
                        const struct setting *setting = control->settings;
                        for (; setting != NULL && setting->type != SETTING_END; setting++) {
                                if (strcmp(setting->name, "evidence") == 0 && setting->fallback != NULL &&
                                    strcmp(setting->fallback, name) == 0)
                                        return true;
                        }
                }
        }
        return false;
}

static void
item_review(const json_t *row, size_t index, const struct target *const *targets, target_mistake *tell, void *context)
{
        const json_t *from = json_map(row, "from"), *words = json_list(row, "attestations");
        char why[300];
        size_t i;
        json_t *control;

        if ((from == NULL) == (words == NULL))
                tell(context, "evidence", index, "needs either `from` or `attestations`");
        if (json_list(row, "controls") == NULL && !is_usual_name(json_text(row, "name", "")))
                tell(context, "evidence", index, "needs `controls`: which ones is it for?");
        if (from != NULL && !place_sound(from, targets, why, sizeof why))
                tell(context, "evidence", index, why);
        json_array_foreach((json_t *)json_list(row, "controls"), i, control)
        {
                if (control_find(json_string_value(control)) != NULL)
                        continue;
                snprintf(why, sizeof why, "there is no control \"%.60s\"", json_string_value(control));
                tell(context, "evidence", index, why);
        }
}

static void
evidence_review(const struct target *target, const struct target *const *targets, target_mistake *tell, void *context)
{
        const json_t *list = target_value(target, "evidence");
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)list, i, row)
        {
                if (json_repeats(list, i, "name"))
                        tell(context, "evidence", i, "there is other evidence of that name");
                item_review(row, i, targets, tell, context);
        }
}

static int
evidence_connect(struct session *session, char *server, size_t size, struct error *err)
{
        (void)err;
        snprintf(server, size, "%zu proofs", json_array_size(target_value(session->target, "evidence")));
        return 0;
}

const struct target_kind kind_evidence = {
        .name = "evidence",
        .words = "proofs that something was done: documents, jobs, signed words",
        .settings = settings,
        .review = evidence_review,
        .connect = evidence_connect,
};
