/* What judging yields: findings, inventory rows and samples, gathered in one `struct findings`.
 *
 * A judge describes; the gatherer copies every string it is given, so judges pass literals, borrowed JSON strings
 * and findings_text() results alike.  Everything is freed with findings_free(). */
#ifndef ROUNDS_FINDING_H
#define ROUNDS_FINDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* In the order in which a reader wants them. */
enum status { STATUS_FAIL, STATUS_ERROR, STATUS_WAIVED, STATUS_SKIP, STATUS_PASS };

/* SEV1 is the worst.  Compare with severity_reaches(), never with < and >. */
enum severity { SEV_NONE = 0, SEV1 = 1, SEV2 = 2, SEV3 = 3, SEV4 = 4 };

const char *status_name(enum status status); /* "fail" "error" "waived" "skip" "pass" */
bool status_from_name(const char *name, enum status *status);
const char *severity_name(enum severity severity);  /* "SEV1"; "" for SEV_NONE */
enum severity severity_from_name(const char *name); /* SEV_NONE for an unknown one */

/* True when `severity` is at least as bad as `bound`; SEV_NONE never is. */
bool severity_reaches(enum severity severity, enum severity bound);

/* The thing a finding is about, inside its target.  Identity: these three and nothing measured. */
struct resource {
        const char *kind;       /* "slot", "role", "certificate", "Deployment" ...; NULL: the target itself */
        const char *namespace_; /* database, Kubernetes namespace ...; NULL: none */
        const char *name;       /* NULL: none */
};

struct finding {
        const char *control; /* "DSK-7" */
        struct resource resource;
        enum status status;
        enum severity severity; /* of a fail; SEV_NONE otherwise */
        enum reason reason;     /* of an error (and of a skip where one fits) */
        const char *observed;   /* "1.4 GiB retained by slot analytics" ; never a secret */
        const char *expected;   /* "at most 1 GB" */
        const char *message;    /* one sentence for a person who knows the service but not the control */
        const char *remedy;     /* what to do about this very one; NULL: the control's page says it */
        const char *owner;      /* NULL: the target's owner */
        const char *evidence;   /* JSON pointer into the facts ("/slots/3"); NULL: the whole of them */
};

struct inventory_row {
        const char *kind; /* "certificates", "tables", "key_classes", "queues", "workloads", "nodes",
                             "databases", "projections" ...: an array of that name in the JSON report */
        json_t *row;      /* a flat object; its "id" (text) identifies the row within kind and target */
};

struct sample_row {
        const char *series;   /* "wal.slot_retained_bytes": audit.noun_unit */
        const char *resource; /* what of the target it measures; "" for the target itself */
        double value;
};

/* Growing arrays, in the order they were added.  Read them freely; add through the functions. */
struct findings {
        struct finding *rows;
        size_t count;
        struct inventory_row *inventory;
        size_t inventory_count;
        struct sample_row *samples;
        size_t sample_count;
        bool failed;                  /* memory ran out somewhere: the result must not be used */
        struct findings_arena *arena; /* owned: every string */
};

struct findings *findings_new(void); /* NULL when memory ran out */
void findings_free(struct findings *findings);

/* Adds a copy of `finding` (its strings included).  A fail without a severity, a finding without control or
 * message, or a severity on anything but a fail is a programming error and aborts in every build. */
void findings_add(struct findings *findings, const struct finding *finding);

/* A string that lives as long as `findings`.  Never NULL. */
const char *findings_text(struct findings *findings, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes as size_format() shows them, and milliseconds as duration_format() does; "?" for what is no number. */
const char *findings_size(struct findings *findings, double bytes);
const char *findings_duration(struct findings *findings, double duration_ms);

/* Shorthands for the common shapes.  `resource` may be NULL. */
void findings_pass(struct findings *findings, const char *control, const struct resource *resource,
                   const char *observed, const char *expected, const char *message);
void findings_fail(struct findings *findings, const char *control, const struct resource *resource,
                   enum severity severity, const char *observed, const char *expected, const char *message,
                   const char *remedy, const char *evidence);
void findings_error(struct findings *findings, const char *control, const struct resource *resource, enum reason reason,
                    const char *message, const char *remedy);
void findings_skip(struct findings *findings, const char *control, const char *message, const char *remedy);

/* Adds an inventory row; `row` is stolen. */
void findings_inventory(struct findings *findings, const char *kind, json_t *row);

/* Adds a sample taken at the run's start.  NaN and infinities are ignored. */
void findings_sample(struct findings *findings, const char *series, const char *resource, double value);

/* SHA-256 over control, target name and resource identity, as 64 hexadecimal digits and a NUL. */
#define FINGERPRINT_TEXT 65
void finding_fingerprint(const char *control, const char *target, const struct resource *resource,
                         char text[FINGERPRINT_TEXT]);

#endif
