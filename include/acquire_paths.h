/* Where code takes a connection, and whether every path gives it back.
 *
 * Pure analysis of one parsed file: no I/O, no policy.  A path is followed inside one function; what leaves the
 * function (returned, stored in an object, handed to a constructor) is `transferred` and not judged here. */
#ifndef ROUNDS_ACQUIRE_PATHS_H
#define ROUNDS_ACQUIRE_PATHS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "javascript.h"

/* A call that takes something, and the calls that give it back. */
struct acquire_rule {
        const char *name;       /* "pg" */
        const char *object;     /* pattern of what the method is called on, case does not count ("*pool*"); NULL: any */
        const char *method;     /* "connect"; of a constructor its name */
        const char *module;     /* only in files that take this module in; NULL: in any */
        bool constructor;       /* `new Name(...)` */
        bool bare;              /* only without a function among its arguments: with one it is a scoped helper */
        bool by_owner;          /* given back by a method of the owner: pool.release(value) */
        const char *release[5]; /* "release" */
};

/* Rules that ship: pg, mysql2, generic-pool, TypeORM, Mongoose, Sequelize, Knex, Redis clients, Prisma.  Ends with name
 * NULL. */
extern const struct acquire_rule acquire_rules[];

/* Appends to `out` (an array) an object per place that takes something, in the order of the text:
 *   {line, rule, call, variable, verdict, leak_line, leak, release_line}
 * verdict: "finally", "scoped", "handler" (given back at the end and in the catch clause), "straight" (given back
 * before anything can fail), "transferred", "never" (not given back at all), "path" (one path leaks: leak_line and leak
 * say which), "dropped" (the value is not kept), "outside" (another connection taken inside a transaction of the same
 * client). `more` (may be NULL): further rules, ending with name NULL.  -1 when memory ran out. */
int acquire_paths(const struct javascript *source, const struct acquire_rule *more, json_t *out)
        __attribute__((warn_unused_result));

/* True for verdicts that are a fault. */
bool acquire_leaks(const char *verdict);

#endif
