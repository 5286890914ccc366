/* Scanning a key space: batches under way, the brake, the ceiling, the deadline. */

#include "redis_scan.h"

#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "json.h"
#include "scope.h"

enum {
        COUNT_MOST = 500, /* keys a batch: as many as fit into the processor's cache on both sides */
        COUNT_LEAST = 10, /* of a braked scan: SCAN's own default */
        PAUSE_MOST_MS = 500,
        LOOK_MS = 1000,  /* between looks at what others do */
        QUIET_OPS = 100, /* others that do less than this cannot be seen to suffer */
        PIPE_BYTES = 1024 * 1024,
};

/* What is asked of every key; validated once, and not for each of millions. */
struct questions {
        struct redis_form ttl, type, size;
        bool sizes;
};

struct pass {
        struct redis *redis;
        const struct session *session;
        const struct redis_scan_order *order;
        redis_key_visit visit;
        void *context;
        struct redis_scan *out;
        struct questions questions;
        int64_t started_ms;
        int count, count_most; /* of the next SCAN; of any */
        bool wrapped, last;    /* a sample met the table's end; no further batch is asked for */
        uint64_t position;     /* of a sample: where it began, as a place in the order of the table */
        double others_ops;     /* of other clients, before the scan; 0: too quiet to judge by */
        double looked_total;
        uint64_t looked_own;
        int64_t looked_ms;
};

bool
redis_has_memory_usage(struct redis *redis)
{
        scoped_reply reply = NULL;
        struct error refused;

        /* In a cluster the name may belong to another server: MOVED says that the command itself is allowed. */
        return redis_ask(redis, "MEMORY USAGE rounds:is:this:allowed", &reply, &refused) == 0 ||
               strstr(refused.text, "MOVED ") != NULL;
}

/* --- giving way --------------------------------------------------------------------------------------------------- */

/* True when the other clients do less than half of what they did before the scan began. */
static bool
others_suffer(struct pass *pass)
{
        scoped_json info = NULL;
        struct error refused;
        int64_t now = monotonic_ms(), since = now - pass->looked_ms;

        if (pass->others_ops < QUIET_OPS || since < LOOK_MS)
                return false;
        uint64_t own = redis_sent(pass->redis);
        if (redis_info(pass->redis, "stats", &info, &refused) != 0)
                return false;
        double total = redis_info_number(info, "stats", "total_commands_processed", NAN);
        double others = (total - pass->looked_total - (double)(own - pass->looked_own)) * 1000 / (double)since;
        bool first = isnan(pass->looked_total);
        pass->looked_total = total;
        pass->looked_own = own;
        pass->looked_ms = now;
        return !first && others < pass->others_ops / 2;
}

/* Between batches: waits as long as the ceiling asks, and gives way to a server that has become slow.  A braked scan
 * asks for fewer keys at a time and rests twice as long as the server took; an unbraked one recovers step by step. */
static int
pass_pace(struct pass *pass, bool idle, struct error *err)
{
        const struct redis_scan_order *order = pass->order;
        int64_t wait = 0, trip_us = redis_round_trip_us(pass->redis);

        pass->out->slowest_us = trip_us > pass->out->slowest_us ? trip_us : pass->out->slowest_us;
        if (order->rate > 0)
                wait = (int64_t)(pass->out->commands * 1000 / (uint64_t)order->rate) -
                       (monotonic_ms() - pass->started_ms);
        if (order->brake_us > 0 && (trip_us > order->brake_us || (idle && others_suffer(pass)))) {
                int64_t back = trip_us / 1000 * 2 + 1;
                pass->count = pass->count > 2 * COUNT_LEAST ? pass->count / 2 : COUNT_LEAST;
                back = back < PAUSE_MOST_MS ? back : PAUSE_MOST_MS;
                wait = back > wait ? back : wait;
                pass->out->braked_ms += back;
                pass->out->brakes++;
        } else if (pass->count < pass->count_most) {
                pass->count = pass->count + 10 < pass->count_most ? pass->count + 10 : pass->count_most;
        }
        return wait > 0 ? deadline_sleep(&pass->session->deadline, wait, err) : 0;
}

/* --- one batch ---------------------------------------------------------------------------------------------------- */

static int
questions_prepare(struct questions *questions, bool sizes, struct error *err)
{
        const struct redis_word ttl[] = {REDIS_WORD("PTTL")}, type[] = {REDIS_WORD("TYPE")};
        const struct redis_word size[] = {REDIS_WORD("MEMORY"), REDIS_WORD("USAGE")};

        questions->sizes = sizes;
        return redis_form_make(ttl, 1, &questions->ttl, err) != 0 ||
                               redis_form_make(type, 1, &questions->type, err) != 0 ||
                               redis_form_make(size, 2, &questions->size, err) != 0
                       ? -1
                       : 0;
}

static int
scan_send(struct pass *pass, const char *cursor, struct error *err)
{
        char count[16];

        snprintf(count, sizeof count, "%d", pass->count);
        const struct redis_word words[] = {REDIS_WORD("SCAN"), REDIS_WORD(cursor), REDIS_WORD("COUNT"),
                                           REDIS_WORD(count)};
        pass->out->commands++;
        return redis_send(pass->redis, words, 4, err);
}

static int
batch_send(struct pass *pass, const struct redisReply *keys, struct error *err)
{
        const struct questions *ask = &pass->questions;
        size_t bytes = 0;

        for (size_t i = 0; i < keys->elements; i++) {
                const struct redis_word name = {keys->element[i]->str, (size_t)keys->element[i]->len};
                if (redis_send_form(pass->redis, &ask->ttl, name, err) != 0 ||
                    redis_send_form(pass->redis, &ask->type, name, err) != 0 ||
                    (ask->sizes && redis_send_form(pass->redis, &ask->size, name, err) != 0))
                        return -1;
                bytes += 3 * name.length; /* names may be of any length: they go out before they pile up */
                if (bytes > PIPE_BYTES && redis_flush(pass->redis, err) != 0)
                        return -1;
                bytes = bytes > PIPE_BYTES ? 0 : bytes;
        }
        pass->out->commands += keys->elements * (ask->sizes ? 3 : 2);
        return redis_flush(pass->redis, err);
}

static int64_t
whole(const struct redisReply *reply, int64_t fallback)
{
        return reply->type == REDIS_REPLY_INTEGER ? reply->integer : fallback;
}

/* One key's answers, in the order they were asked.  A key that vanished in between is counted, not judged. */
static int
key_take(struct pass *pass, const struct redisReply *name, struct error *err)
{
        scoped_reply ttl = NULL;
        scoped_reply type = NULL;
        scoped_reply size = NULL;
        struct redis *redis = pass->redis;

        if (redis_take(redis, &ttl, err) != 0 || redis_take(redis, &type, err) != 0 ||
            (pass->questions.sizes && redis_take(redis, &size, err) != 0))
                return -1;
        int64_t ttl_ms = whole(ttl, -2);
        if (ttl_ms == -2 || type->type != REDIS_REPLY_STATUS || strcmp(type->str, "none") == 0) {
                pass->out->vanished++;
                return redis_reply_error(redis, ttl, "PTTL", err) != 0 ? -1
                                                                       : redis_reply_error(redis, type, "TYPE", err);
        }
        struct key_seen key = {.name = name->str,
                               .length = (size_t)name->len,
                               .type = type->str,
                               .ttl_ms = ttl_ms,
                               .size_bytes = size != NULL ? whole(size, -1) : -1};
        pass->out->seen++;
        return pass->visit(pass->context, &key) == 0 ? 0 : error_memory(err, "keys");
}

static int
batch_take(struct pass *pass, const struct redisReply *page, struct error *err)
{
        const struct redisReply *keys = page->element[1];

        for (size_t i = 0; i < keys->elements; i++) {
                if (key_take(pass, keys->element[i], err) != 0)
                        return -1;
        }
        return 0;
}

/* --- the order of the table --------------------------------------------------------------------------------------- */

/* SCAN counts its cursor from the highest bit down (antirez/Pieter Noordhuis, dict.c dictScan): mirrored, it rises. */
static uint64_t
mirrored(uint64_t cursor)
{
        uint64_t result = 0;

        for (int i = 0; i < 64; i++, cursor >>= 1)
                result = result << 1 | (cursor & 1);
        return result;
}

/* Takes the next page and decides whether there is another one after it. */
static int
page_take(struct pass *pass, struct redisReply **page, char cursor[32], struct error *err)
{
        const struct redis_scan_order *order = pass->order;

        if (redis_take(pass->redis, page, err) != 0)
                return -1;
        struct redisReply *got = *page;
        if (redis_reply_error(pass->redis, got, "SCAN", err) != 0)
                return -1;
        if (got->type != REDIS_REPLY_ARRAY || got->elements != 2 || got->element[0]->type != REDIS_REPLY_STRING ||
            got->element[1]->type != REDIS_REPLY_ARRAY)
                return error_set(err, REASON_PROTOCOL, "%s: the answer to SCAN is no page of keys",
                                 redis_server(pass->redis)->address);
        for (size_t i = 0; i < got->element[1]->elements; i++) {
                if (got->element[1]->element[i]->type != REDIS_REPLY_STRING)
                        return error_set(err, REASON_PROTOCOL, "%s: SCAN names something that is no key",
                                         redis_server(pass->redis)->address);
        }
        snprintf(cursor, 32, "%s", got->element[0]->str);
        uint64_t next = strtoull(cursor, NULL, 10);
        bool at_end = next == 0;
        if (order->most == 0) {
                pass->last = pass->out->complete = at_end;
        } else if (at_end && !pass->wrapped && pass->position > 0) {
                pass->wrapped = true; /* the sample began in the middle: the beginning is still to come */
        } else if (at_end || (pass->wrapped && mirrored(next) >= pass->position)) {
                pass->last = pass->out->complete = true;
        }
        int64_t known = pass->out->seen + pass->out->vanished + (int64_t)got->element[1]->elements;
        if (order->most > 0 && !pass->last && known >= order->most)
                pass->last = true;
        if (!pass->last && deadline_left_ms(&pass->session->deadline) < order->leave_ms)
                pass->last = pass->out->out_of_time = true;
        return 0;
}

/* One batch at a time: for a ceiling, after a brake, and where nothing may be under way because the server is asked how
 * others do. */
static bool
is_gentle(const struct pass *pass)
{
        return pass->order->rate > 0 || pass->count < pass->count_most ||
               (pass->others_ops >= QUIET_OPS && monotonic_ms() - pass->looked_ms >= LOOK_MS);
}

/* The page that was asked for is here: asks for the one after it, unless the scan is to be gentle, and about its keys.
 */
static int
page_turn(struct pass *pass, struct redisReply **page, char cursor[32], bool *under_way, struct error *err)
{
        if (page_take(pass, page, cursor, err) != 0)
                return -1;
        *under_way = !pass->last && !is_gentle(pass);
        if (*under_way && scan_send(pass, cursor, err) != 0)
                return -1;
        return batch_send(pass, (*page)->element[1], err);
}

/* The pipeline: while we read the answers about one batch, the server is at those about the next. */
static int
pass_run(struct pass *pass, struct error *err)
{
        char cursor[32];
        scoped_reply page = NULL;
        uint64_t start = pass->order->most > 0 ? pass->order->start : 0;
        bool under_way;

        snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)start);
        pass->position = mirrored(start);
        if (scan_send(pass, cursor, err) != 0 || page_turn(pass, &page, cursor, &under_way, err) != 0)
                return -1;
        for (;;) {
                scoped_reply next = NULL;
                bool overlapped = under_way;
                if (overlapped && page_turn(pass, &next, cursor, &under_way, err) != 0)
                        return -1;
                if (batch_take(pass, page, err) != 0 || pass_pace(pass, !overlapped, err) != 0)
                        return -1;
                if (!overlapped && pass->last)
                        return 0;
                if (!overlapped &&
                    (scan_send(pass, cursor, err) != 0 || page_turn(pass, &next, cursor, &under_way, err) != 0))
                        return -1;
                redis_reply_free(page);
                page = scope_keep(next);
        }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void
before_scan(struct pass *pass)
{
        scoped_reply size = NULL;
        scoped_json info = NULL;
        struct error refused;

        pass->out->there = -1;
        if (redis_ask(pass->redis, "DBSIZE", &size, &refused) == 0)
                pass->out->there = whole(size, -1);
        pass->looked_total = NAN;
        if (pass->order->brake_us > 0 && redis_info(pass->redis, "stats", &info, &refused) == 0)
                pass->others_ops = redis_info_number(info, "stats", "instantaneous_ops_per_sec", 0);
}

int
redis_scan(struct redis *redis, const struct session *session, const struct redis_scan_order *order,
           redis_key_visit visit, void *context, struct redis_scan *out, struct error *err)
{
        struct pass pass = {.redis = redis,
                            .session = session,
                            .order = order,
                            .visit = visit,
                            .context = context,
                            .out = out,
                            .count_most = COUNT_MOST,
                            .started_ms = monotonic_ms()};
        struct redisReply *left;
        struct error none;

        *out = (struct redis_scan){0};
        /* Under a ceiling a batch is a tenth of a second's worth, so that it does not come in bursts. */
        if (order->rate > 0 && order->rate / 30 < COUNT_MOST)
                pass.count_most = order->rate > 300 ? (int)(order->rate / 30) : COUNT_LEAST;
        pass.count = pass.count_most;
        before_scan(&pass);
        pass.looked_ms = monotonic_ms();
        int result = questions_prepare(&pass.questions, order->sizes, err);
        if (result == 0)
                result = pass_run(&pass, err);
        out->took_ms = monotonic_ms() - pass.started_ms;
        /* What is still under way belongs to nobody: the next question must not read it for its answer. */
        while (result != 0 && redis_take(redis, &left, &none) == 0)
                redis_reply_free(left);
        return result;
}
