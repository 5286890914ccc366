/* The plan: job x audits x targets, with the reasons where something is left out. */

#include "plan.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static const size_t kinds_at_most = sizeof((struct audit *)0)->looks_at / sizeof(char *);

bool
plan_serves(const struct audit *audit, const char *kind)
{
        for (size_t i = 0; i < kinds_at_most && audit->looks_at[i] != NULL; i++) {
                if (strcmp(audit->looks_at[i], kind) == 0)
                        return true;
        }
        return false;
}

unsigned
plan_shard(const char *name, unsigned shards)
{
        uint64_t hash = 14695981039346656037ULL;

        for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
                hash = (hash ^ *c) * 1099511628211ULL;
        return shards > 1 ? (unsigned)(hash % shards) : 0;
}

static bool
is_wanted(const struct plan_request *request, const char *name)
{
        for (size_t i = 0; request->names != NULL && request->names[i] != NULL; i++) {
                if (strcmp(request->names[i], name) == 0)
                        return true;
        }
        return request->names == NULL;
}

static bool
is_in_scope(const struct plan_request *request, const char *target)
{
        bool matched = request->globs == NULL;

        for (size_t i = 0; !matched && request->globs[i] != NULL; i++)
                matched = fnmatch(request->globs[i], target, 0) == 0;
        return matched && (request->glob == NULL || fnmatch(request->glob, target, 0) == 0);
}

static const struct audit *
audit_of(const struct plan_request *request, const char *name)
{
        for (size_t i = 0; request->audits[i] != NULL; i++) {
                if (strcmp(request->audits[i]->name, name) == 0)
                        return request->audits[i];
        }
        return NULL;
}

static int
request_check(const struct plan_request *request, struct error *err)
{
        bool matched = request->glob == NULL;

        for (size_t i = 0; request->names != NULL && request->names[i] != NULL; i++) {
                if (audit_of(request, request->names[i]) == NULL) {
                        error_set(err, REASON_CONFIGURATION, "there is no audit \"%s\"", request->names[i]);
                        return error_remedy(err, "see: rounds list audits");
                }
        }
        for (size_t i = 0; !matched && request->targets[i] != NULL; i++)
                matched = is_in_scope(request, request->targets[i]->name);
        if (!matched) {
                error_set(err, REASON_CONFIGURATION, "no target matches \"%s\"", request->glob);
                return error_remedy(err, "see: rounds list targets");
        }
        if (request->shard != 0 && request->shard >= request->shards)
                return error_set(err, REASON_CONFIGURATION, "there is no shard %u of %u: they count from 0",
                                 request->shard, request->shards);
        return 0;
}

/* --- targets ------------------------------------------------------------------------------------------------ */

static int
target_add(struct plan *plan, const struct plan_request *request, const struct target *target, struct error *err)
{
        struct plan_target *entry = &plan->targets[plan->target_count];
        size_t room = 0;

        while (request->audits[room] != NULL)
                room++;
        *entry = (struct plan_target){.target = target,
                                      .timeout_ms = json_whole(target->settings, "timeout", request->timeout_ms),
                                      .audits = calloc(room + 1, sizeof *entry->audits)};
        if (entry->audits == NULL)
                return error_memory(err, "the plan");
        for (size_t i = 0; request->audits[i] != NULL; i++) {
                const struct audit *audit = request->audits[i];
                if (!is_wanted(request, audit->name) || !plan_serves(audit, target->kind->name))
                        continue;
                struct plan_audit *row = &entry->audits[entry->count++];
                row->audit = audit;
                if (audit->applies != NULL && !audit->applies(target, row->why, sizeof row->why) && *row->why == '\0')
                        snprintf(row->why, sizeof row->why, "not configured for this target");
        }
        if (entry->count > 0 || request->every_target)
                plan->target_count++;
        else
                free(entry->audits);
        return 0;
}

static int
targets_add(struct plan *plan, const struct plan_request *request, struct error *err)
{
        size_t count = 0;

        while (request->targets[count] != NULL)
                count++;
        plan->targets = calloc(count + 1, sizeof *plan->targets);
        if (plan->targets == NULL)
                return error_memory(err, "the plan");
        for (size_t i = 0; i < count; i++) {
                const struct target *target = request->targets[i];
                if (!is_in_scope(request, target->name))
                        continue;
                if (plan_shard(target->name, request->shards) != request->shard)
                        continue;
                if (target_add(plan, request, target, err) != 0)
                        return -1;
        }
        return 0;
}

/* --- audits without a target of their own ------------------------------------------------------------------- */

/* True when some configured target, in this run or not, is of a kind that the audit looks at; else `why` names them. */
static bool
is_served(const struct plan_request *request, const struct audit *audit, char *why, size_t size)
{
        for (size_t i = 0; request->targets[i] != NULL; i++) {
                if (plan_serves(audit, request->targets[i]->kind->name))
                        return true;
        }
        for (size_t i = 0; i < kinds_at_most && audit->looks_at[i] != NULL; i++) {
                size_t used = strlen(why);
                const char *before = used == 0 ? "not configured: no target of kind " : " or ";
                if (strstr(why, audit->looks_at[i]) == NULL)
                        snprintf(why + used, size - used, "%s%s", before, audit->looks_at[i]);
        }
        return false;
}

static bool
is_join_served(const struct plan_request *request, const struct audit *audit, char *why, size_t size)
{
        for (size_t i = 0; i < sizeof audit->joins / sizeof *audit->joins && audit->joins[i] != NULL; i++) {
                const struct audit *joined = audit_of(request, audit->joins[i]);
                if (joined != NULL && is_served(request, joined, why, size))
                        return true;
        }
        if (*why == '\0')
                snprintf(why, size, "not configured: no audit that it compares");
        return false;
}

static int
others_add(struct plan *plan, const struct plan_request *request, struct error *err)
{
        size_t count = 0;

        while (request->audits[count] != NULL)
                count++;
        plan->joins = calloc(count + 1, sizeof *plan->joins);
        plan->unserved = calloc(count + 1, sizeof *plan->unserved);
        if (plan->joins == NULL || plan->unserved == NULL)
                return error_memory(err, "the plan");
        for (size_t i = 0; request->shard == 0 && i < count; i++) {
                const struct audit *audit = request->audits[i];
                struct plan_audit row = {.audit = audit};
                if (!is_wanted(request, audit->name))
                        continue;
                bool is_join = audit->looks_at[0] == NULL;
                if (is_join ? is_join_served(request, audit, row.why, sizeof row.why)
                            : is_served(request, audit, row.why, sizeof row.why)) {
                        if (is_join)
                                plan->joins[plan->join_count++] = audit;
                } else {
                        plan->unserved[plan->unserved_count++] = row;
                }
        }
        return 0;
}

int
plan_make(const struct plan_request *request, struct plan **out, struct error *err)
{
        if (request_check(request, err) != 0)
                return -1;
        struct plan *plan = calloc(1, sizeof *plan);
        if (plan == NULL)
                return error_memory(err, "the plan");
        if (targets_add(plan, request, err) != 0 || others_add(plan, request, err) != 0) {
                plan_free(plan);
                return -1;
        }
        *out = plan;
        return 0;
}

void
plan_free(struct plan *plan)
{
        if (plan == NULL)
                return;
        for (size_t i = 0; i < plan->target_count; i++)
                free(plan->targets[i].audits);
        free(plan->targets);
        free(plan->joins);
        free(plan->unserved);
        free(plan);
}

bool
plan_announces(const struct plan_target *planned, char *text, size_t size)
{
        const struct target_kind *kind = planned->target->kind;

        if (kind->announce == NULL || planned->count == 0)
                return false;
        kind->announce(planned->target, text, size);
        return true;
}

void
plan_print(const struct plan *plan, FILE *stream)
{
        char sends[700];

        for (size_t i = 0; i < plan->target_count; i++) {
                const struct plan_target *row = &plan->targets[i];
                const char *before = "";
                fprintf(stream, "%s (%s, %lld s): ", row->target->name, row->target->kind->name,
                        (long long)(row->timeout_ms / 1000));
                for (size_t j = 0; j < row->count; j++, before = ", ") {
                        fprintf(stream, "%s%s", before, row->audits[j].audit->name);
                        if (*row->audits[j].why != '\0')
                                fprintf(stream, " [skipped: %s]", row->audits[j].why);
                }
                fputc('\n', stream);
                if (plan_announces(row, sends, sizeof sends))
                        fprintf(stream, "  will send: %s\n", sends);
        }
        for (size_t i = 0; i < plan->join_count; i++)
                fprintf(stream, "after all targets: %s\n", plan->joins[i]->name);
        for (size_t i = 0; i < plan->unserved_count; i++)
                fprintf(stream, "skipped: %s: %s\n", plan->unserved[i].audit->name, plan->unserved[i].why);
}
