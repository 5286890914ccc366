/* The parts of the vacuum audit's judgement: each reads its facts and tells what it found.  Pure. */
#ifndef ROUNDS_VACUUM_JUDGE_H
#define ROUNDS_VACUUM_JUDGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "finding.h"
#include "history.h"
#include "policy.h"

/* What holds back the oldest xmin, if anything does. */
struct vacuum_holder {
        const char *who;    /* "pid 4711 (app, idle in transaction)"; NULL: nobody */
        const char *remedy; /* the statement that ends it */
        double age;         /* transactions */
        bool too_long;      /* it is a finding of its own */
};

struct vacuum_judge {
        const json_t *facts, *server; /* server: facts.server, may be NULL */
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        bool standby;
        double now_ms; /* the server's clock */
        struct vacuum_holder holder;
};

/* Sessions, prepared transactions, slots and replicas; fills judge->holder, which the others name. */
void vacuum_judge_horizon(struct vacuum_judge *judge);

/* Transaction ids and multixacts of every database. */
void vacuum_judge_ages(const struct vacuum_judge *judge);

/* Counters of large tables, and of partitioned ones as a whole. */
void vacuum_judge_tables(const struct vacuum_judge *judge);

/* Sequences near their end, indexes that are not valid. */
void vacuum_judge_sequences(const struct vacuum_judge *judge);
void vacuum_judge_indexes(const struct vacuum_judge *judge);

/* A count for people: "12345", "1.2 million", "1.05 billion"; "?" for what is no number. */
const char *vacuum_count(struct findings *out, double count);

/* The facts' row of a database, NULL when there is none. */
const json_t *vacuum_database(const struct vacuum_judge *judge, const char *name);

#endif
