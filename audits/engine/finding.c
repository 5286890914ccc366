/* Findings, inventory rows and samples, gathered with an arena of their strings; fingerprints. */

/* The plain functions need no memory and so cannot fail, which a fingerprint must not either. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "finding.h"

#include <math.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"

static const char *const status_names[] = {
        [STATUS_FAIL] = "fail", [STATUS_ERROR] = "error", [STATUS_WAIVED] = "waived",
        [STATUS_SKIP] = "skip", [STATUS_PASS] = "pass",
};
static const char *const severity_names[] = {"", "SEV1", "SEV2", "SEV3", "SEV4"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *
status_name(enum status status)
{
        return (size_t)status < COUNT(status_names) ? status_names[status] : "error";
}

bool
status_from_name(const char *name, enum status *status)
{
        for (size_t i = 0; i < COUNT(status_names); i++) {
                if (strcmp(status_names[i], name) == 0) {
                        *status = (enum status)i;
                        return true;
                }
        }
        return false;
}

const char *
severity_name(enum severity severity)
{
        return (size_t)severity < COUNT(severity_names) ? severity_names[severity] : "";
}

enum severity
severity_from_name(const char *name)
{
        for (size_t i = 1; i < COUNT(severity_names); i++) {
                if (strcmp(severity_names[i], name) == 0)
                        return (enum severity)i;
        }
        return SEV_NONE;
}

bool
severity_reaches(enum severity severity, enum severity bound)
{
        return severity != SEV_NONE && bound != SEV_NONE && severity <= bound;
}

/* --- the arena ---------------------------------------------------------------------------------------------- */

struct block {
        struct block *next;
        size_t used, size;
        char bytes[];
};

struct findings_arena {
        struct block *blocks;
};

#define BLOCK_SIZE ((size_t)64 * 1024 - sizeof(struct block))

static char *
arena_room(struct findings *findings, size_t size)
{
        struct block *block = findings->arena->blocks;

        if (block == NULL || block->size - block->used < size) {
                size_t wanted = size > BLOCK_SIZE ? size : BLOCK_SIZE;
                block = malloc(sizeof *block + wanted);
                if (block == NULL) {
                        findings->failed = true;
                        return NULL;
                }
                *block = (struct block){.next = findings->arena->blocks, .size = wanted};
                findings->arena->blocks = block;
        }
        char *room = block->bytes + block->used;
        block->used += size;
        return room;
}

static const char *
keep(struct findings *findings, const char *text)
{
        if (text == NULL)
                return NULL;
        size_t size = strlen(text) + 1;
        char *room = arena_room(findings, size);
        return room == NULL ? "" : memcpy(room, text, size);
}

const char *
findings_text(struct findings *findings, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        int length = vsnprintf(NULL, 0, format, list);
        va_end(list);
        if (length < 0)
                return "";
        char *room = arena_room(findings, (size_t)length + 1);
        if (room == NULL)
                return "";
        va_start(list, format);
        vsnprintf(room, (size_t)length + 1, format, list);
        va_end(list);
        return room;
}

/* --- gathering ---------------------------------------------------------------------------------------------- */

struct findings *
findings_new(void)
{
        struct findings *findings = calloc(1, sizeof *findings);

        if (findings == NULL)
                return NULL;
        findings->arena = calloc(1, sizeof *findings->arena);
        if (findings->arena == NULL) {
                free(findings);
                return NULL;
        }
        return findings;
}

void
findings_free(struct findings *findings)
{
        if (findings == NULL)
                return;
        for (size_t i = 0; i < findings->inventory_count; i++)
                json_decref(findings->inventory[i].row);
        for (struct block *block = findings->arena->blocks, *next; block != NULL; block = next) {
                next = block->next;
                free(block);
        }
        free(findings->arena);
        free(findings->rows);
        free(findings->inventory);
        free(findings->samples);
        free(findings);
}

const char *
findings_size(struct findings *findings, double bytes)
{
        char text[SIZE_TEXT];

        if (!isfinite(bytes))
                return "?";
        size_format(bytes, text);
        return findings_text(findings, "%s", text);
}

const char *
findings_duration(struct findings *findings, double duration_ms)
{
        char text[DURATION_TEXT];

        if (!isfinite(duration_ms))
                return "?";
        /* Facts may hold anything: nothing that overflows. */
        duration_format((int64_t)fmax(-1e17, fmin(duration_ms, 1e17)), text);
        return findings_text(findings, "%s", text);
}

/* Room for one more item in a growing array: capacities are powers of two, so the count alone tells when to grow. */
static void *
grown(struct findings *findings, void *items, size_t count, size_t size)
{
        if (count != 0 && (count & (count - 1)) != 0)
                return items;
        void *larger = reallocarray(items, count == 0 ? 1 : count * 2, size);
        if (larger == NULL)
                findings->failed = true;
        return larger;
}

static void
broken(const struct finding *finding, const char *why)
{
        fprintf(stderr, "rounds: a judge is broken: %s: %s (%s)\n", finding->control != NULL ? finding->control : "?",
                why, finding->message != NULL ? finding->message : "no message");
        abort();
}

void
findings_add(struct findings *findings, const struct finding *finding)
{
        if (finding->control == NULL || finding->message == NULL || *finding->message == '\0')
                broken(finding, "a finding needs a control and a message");
        if ((finding->status == STATUS_FAIL) != (finding->severity != SEV_NONE))
                broken(finding, "a fail, and only a fail, has a severity");
        if (finding->status == STATUS_ERROR && finding->reason == REASON_NONE)
                broken(finding, "an error needs a reason");
        struct finding *rows = grown(findings, findings->rows, findings->count, sizeof *rows);
        if (rows == NULL)
                return;
        findings->rows = rows;
        rows[findings->count++] = (struct finding){
                .control = keep(findings, finding->control),
                .resource = {.kind = keep(findings, finding->resource.kind),
                             .namespace_ = keep(findings, finding->resource.namespace_),
                             .name = keep(findings, finding->resource.name)},
                .status = finding->status,
                .severity = finding->severity,
                .reason = finding->reason,
                .observed = keep(findings, finding->observed),
                .expected = keep(findings, finding->expected),
                .message = keep(findings, finding->message),
                .remedy = keep(findings, finding->remedy),
                .owner = keep(findings, finding->owner),
                .evidence = keep(findings, finding->evidence),
        };
}

void
findings_pass(struct findings *findings, const char *control, const struct resource *resource, const char *observed,
              const char *expected, const char *message)
{
        findings_add(findings, &(struct finding){.control = control,
                                                 .resource = resource != NULL ? *resource : (struct resource){0},
                                                 .status = STATUS_PASS,
                                                 .observed = observed,
                                                 .expected = expected,
                                                 .message = message});
}

void
findings_fail(struct findings *findings, const char *control, const struct resource *resource, enum severity severity,
              const char *observed, const char *expected, const char *message, const char *remedy, const char *evidence)
{
        findings_add(findings, &(struct finding){.control = control,
                                                 .resource = resource != NULL ? *resource : (struct resource){0},
                                                 .status = STATUS_FAIL,
                                                 .severity = severity,
                                                 .observed = observed,
                                                 .expected = expected,
                                                 .message = message,
                                                 .remedy = remedy,
                                                 .evidence = evidence});
}

void
findings_error(struct findings *findings, const char *control, const struct resource *resource, enum reason reason,
               const char *message, const char *remedy)
{
        findings_add(findings, &(struct finding){.control = control,
                                                 .resource = resource != NULL ? *resource : (struct resource){0},
                                                 .status = STATUS_ERROR,
                                                 .reason = reason,
                                                 .message = message,
                                                 .remedy = remedy});
}

void
findings_skip(struct findings *findings, const char *control, const char *message, const char *remedy)
{
        findings_add(
                findings,
                &(struct finding){.control = control, .status = STATUS_SKIP, .message = message, .remedy = remedy});
}

void
findings_inventory(struct findings *findings, const char *kind, json_t *row)
{
        struct inventory_row *rows = grown(findings, findings->inventory, findings->inventory_count, sizeof *rows);

        if (rows == NULL || row == NULL) {
                findings->failed = true;
                json_decref(row);
                if (rows != NULL)
                        findings->inventory = rows;
                return;
        }
        findings->inventory = rows;
        rows[findings->inventory_count++] = (struct inventory_row){.kind = keep(findings, kind), .row = row};
}

void
findings_sample(struct findings *findings, const char *series, const char *resource, double value)
{
        if (!isfinite(value))
                return;
        struct sample_row *rows = grown(findings, findings->samples, findings->sample_count, sizeof *rows);
        if (rows == NULL)
                return;
        findings->samples = rows;
        rows[findings->sample_count++] = (struct sample_row){
                .series = keep(findings, series),
                .resource = keep(findings, resource != NULL ? resource : ""),
                .value = value};
}

void
finding_fingerprint(const char *control, const char *target, const struct resource *resource,
                    char text[FINGERPRINT_TEXT])
{
        const char *const parts[] = {control, target, resource->kind, resource->namespace_, resource->name};
        static const char digits[] = "0123456789abcdef";
        unsigned char digest[SHA256_DIGEST_LENGTH];
        SHA256_CTX context;

        /* Each part ends with a NUL, which no part can hold, so that no two identities run together. */
        SHA256_Init(&context);
        for (size_t i = 0; i < COUNT(parts); i++) {
                const char *part = parts[i] != NULL ? parts[i] : "";
                SHA256_Update(&context, part, strlen(part) + 1);
        }
        SHA256_Final(digest, &context);
        for (size_t i = 0; i < sizeof digest; i++) {
                text[2 * i] = digits[digest[i] >> 4];
                text[2 * i + 1] = digits[digest[i] & 15];
        }
        text[2 * sizeof digest] = '\0';
}
