/* Scanning a key space: pages under way, the brake, the ceiling, the deadline. */

#include "redis_scan.h"

#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "json.h"
#include "redis_questions.h"
#include "scope.h"

enum {
        COUNT_NEAR = 500, /* keys a page: as many as fit into the processor's cache on both sides */
        COUNT_FAR = 2000, /* over a long link, where each page costs a round trip: the server is at it for 1.5 ms */
        NEAR_US = 500,    /* a round trip that is worth a page more */
        COUNT_LEAST = 10, /* of a braked scan: SCAN's own default */
        PAUSE_MOST_MS = 500,
        LOOK_MS = 1000,     /* between looks at what others do */
        OPS_OVER_MS = 1600, /* what instantaneous_ops_per_sec looks back: all that we sent may lie within it */
        QUIET_OPS = 100,    /* others that do less than this cannot be seen to suffer */
        MENDED_MOST = 5,    /* connections that break in one scan */
        MEND_FIRST_MS = 100,
        MEND_LAST_MS = 1600,
};

struct pass {
        struct redis *redis;
        const struct session *session;
        const struct redis_scan_order *order;
        struct redis_scan *out;
        struct questions *questions;
        struct page pages[2], *page, *next;
        char cursor[32]; /* of the page to ask for next, or asked for */
        int64_t skip;    /* keys from there on that an earlier scan saw */
        bool under_way;  /* the page after the newest one was asked for */
        int64_t started_ms;
        int count, count_most; /* of the next SCAN; of any */
        bool wrapped, last;    /* a sample met the table's end; no further page is asked for */
        bool wrapped_before;   /* before the newest page was taken */
        uint64_t position;     /* of a sample: where it began, as a place in the order of the table */
        double others_ops;     /* of other clients, before the scan; 0: too quiet to judge by */
        double looked_total;
        uint64_t looked_own;
        int64_t looked_ms;
        char run_id[48]; /* of the process whose order the cursors are of */
};

/* Whether we may send a command, asked of a name that is hardly there.  In a cluster it may belong to another server:
 * MOVED says that the command itself is allowed. */
static bool
is_allowed(struct redis *redis, const char *command)
{
        scoped_reply reply = NULL;
        struct error refused;

        return redis_ask(redis, command, &reply, &refused) == 0 || strstr(refused.text, "MOVED ") != NULL;
}

bool
redis_has_memory_usage(struct redis *redis)
{
        return is_allowed(redis, "MEMORY USAGE rounds:is:this:allowed");
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
 * asks for fewer keys at a time and rests twice as long as the server took, or half a second where others fall behind;
 * an unbraked one recovers step by step. */
static int
pass_pace(struct pass *pass, bool idle, struct error *err)
{
        const struct redis_scan_order *order = pass->order;
        int64_t wait = 0, trip_us = redis_round_trip_us(pass->redis);

        pass->out->slowest_us = trip_us > pass->out->slowest_us ? trip_us : pass->out->slowest_us;
        if (order->rate > 0)
                wait = (int64_t)(pass->out->commands * 1000 / (uint64_t)order->rate) -
                       (monotonic_ms() - pass->started_ms);
        bool slow = order->brake_us > 0 && trip_us > order->brake_us;
        if (slow || (order->brake_us > 0 && idle && others_suffer(pass))) {
                int64_t back = slow ? trip_us / 1000 * 2 + 1 : PAUSE_MOST_MS;
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

/* --- one page ----------------------------------------------------------------------------------------------------- */

static int
scan_send(struct pass *pass, struct error *err)
{
        char count[16];

        snprintf(count, sizeof count, "%d", pass->count);
        const struct redis_word words[] = {REDIS_WORD("SCAN"), REDIS_WORD(pass->cursor), REDIS_WORD("COUNT"),
                                           REDIS_WORD(count)};
        pass->out->commands++;
        return redis_send(pass->redis, words, 4, err);
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

static int
page_check(const struct pass *pass, const struct redisReply *got, struct error *err)
{
        const char *address = redis_server(pass->redis)->address;

        if (redis_reply_error(pass->redis, got, "SCAN", err) != 0)
                return -1;
        if (got->type != REDIS_REPLY_ARRAY || got->elements != 2 || got->element[0]->type != REDIS_REPLY_STRING ||
            got->element[1]->type != REDIS_REPLY_ARRAY)
                return error_set(err, REASON_PROTOCOL, "%s: the answer to SCAN is no page of keys", address);
        for (size_t i = 0; i < got->element[1]->elements; i++) {
                if (got->element[1]->element[i]->type != REDIS_REPLY_STRING)
                        return error_set(err, REASON_PROTOCOL, "%s: SCAN names something that is no key", address);
        }
        return 0;
}

/* Whether a page that leads on to `next` is the last one that is asked for. */
static void
end_decide(struct pass *pass, uint64_t next, size_t keys)
{
        const struct redis_scan_order *order = pass->order;
        bool at_end = next == 0;

        if (order->most == 0) {
                pass->last = pass->out->complete = at_end;
        } else if (at_end && !pass->wrapped && pass->position > 0) {
                pass->wrapped = true; /* the sample began in the middle: the beginning is still to come */
        } else if (at_end || (pass->wrapped && mirrored(next) >= pass->position)) {
                pass->last = pass->out->complete = true;
        }
        int64_t known = pass->out->seen + pass->out->vanished + (int64_t)keys;
        if (order->most > 0 && !pass->last && known >= order->most)
                pass->last = true;
        if (!pass->last && deadline_left_ms(&pass->session->deadline) < order->leave_ms)
                pass->last = pass->out->out_of_time = true;
}

/* Takes the page that was asked for, and decides whether there is another one after it. */
static int
page_take(struct pass *pass, struct page *page, struct error *err)
{
        scoped_reply got = NULL;

        if (redis_take(pass->redis, &got, err) != 0 || page_check(pass, got, err) != 0)
                return -1;
        page_free(page);
        snprintf(page->cursor, sizeof page->cursor, "%s", pass->cursor);
        snprintf(pass->cursor, sizeof pass->cursor, "%s", got->element[0]->str);
        page->names = scope_keep(got->element[1]);
        pass->wrapped_before = pass->wrapped;
        page->taken = (size_t)pass->skip < page->names->elements ? (size_t)pass->skip : page->names->elements;
        pass->skip -= (int64_t)page->taken;
        end_decide(pass, strtoull(pass->cursor, NULL, 10), page_left(page));
        return 0;
}

/* One page at a time: for a ceiling, after a brake, and where nothing may be under way because the server is asked how
 * others do, or about keys that were set aside. */
static bool
is_gentle(const struct pass *pass)
{
        return pass->order->rate > 0 || pass->count < pass->count_most ||
               (pass->others_ops >= QUIET_OPS && monotonic_ms() - pass->looked_ms >= LOOK_MS) ||
               questions_aside(pass->questions, NULL, NULL);
}

/* A page is here: asks for the one after it, unless the scan is to be gentle, and about its keys. */
static int
page_turn(struct pass *pass, struct page *page, struct error *err)
{
        pass->under_way = !pass->last && !is_gentle(pass);
        if (pass->under_way && scan_send(pass, err) != 0)
                return -1;
        return questions_send(pass->questions, page, err);
}

/* The page that was asked for comes, and is turned. */
static int
page_next(struct pass *pass, struct page *page, struct error *err)
{
        return page_take(pass, page, err) != 0 ? -1 : page_turn(pass, page, err);
}

/* The page after the current one was taken, but none of its keys: it is asked for again. */
static void
page_drop(struct pass *pass, struct page *page)
{
        if (page->names == NULL)
                return;
        snprintf(pass->cursor, sizeof pass->cursor, "%s", page->cursor);
        pass->wrapped = pass->wrapped_before;
        pass->last = pass->out->complete = pass->out->out_of_time = false;
        pass->skip += (int64_t)page->taken; /* by skipping: none was answered */
        page_free(page);
}

/* Begins, or goes on with what is left of the current page after the connection broke. */
static int
pass_begin(struct pass *pass, struct error *err)
{
        struct page *page = pass->page;

        page_drop(pass, pass->next);
        pass->under_way = false;
        if (page_left(page) > 0)
                return page_turn(pass, page, err);
        if (page->names != NULL && pass->last)
                return 0;
        return scan_send(pass, err) != 0 ? -1 : page_next(pass, page, err);
}

/* The pipeline: while we read the answers about one page, the server is at those about the next. */
static int
pass_run(struct pass *pass, struct error *err)
{
        if (pass_begin(pass, err) != 0)
                return -1;
        for (;;) {
                bool overlapped = pass->under_way;
                if (overlapped && page_next(pass, pass->next, err) != 0)
                        return -1;
                if (questions_take(pass->questions, pass->page, err) != 0 || pass_pace(pass, !overlapped, err) != 0)
                        return -1;
                if (!overlapped) {
                        if (questions_again(pass->questions, err) != 0)
                                return -1;
                        if (pass->last)
                                return 0;
                        if (scan_send(pass, err) != 0 || page_next(pass, pass->next, err) != 0)
                                return -1;
                }
                struct page *done = pass->page;
                page_free(done);
                pass->page = pass->next;
                pass->next = done;
        }
}

/* A connection that broke is opened again, a few times: SCAN's cursor is all that a scan is, as long as it is the same
 * process that answers.  False: it stays broken, for the reason in `err`. */
static bool
pass_mend(struct pass *pass, struct error *err)
{
        struct error why;

        if (err->reason != REASON_UNREACHABLE || redis_is_usable(pass->redis, &why) == 0 || *pass->run_id == '\0' ||
            pass->out->mended >= MENDED_MOST)
                return false;
        for (int64_t wait = MEND_FIRST_MS; wait <= MEND_LAST_MS; wait *= 2) {
                if (deadline_sleep(&pass->session->deadline, wait, &why) != 0)
                        return false;
                if (redis_reopen(pass->redis, &why) != 0)
                        continue;
                pass->out->mended++;
                if (strcmp(redis_server(pass->redis)->run_id, pass->run_id) == 0)
                        return true;
                error_set(err, REASON_UNREACHABLE,
                          "%s: another process answers than when the scan began: its table has another order",
                          redis_server(pass->redis)->address);
                return false;
        }
        return false;
}

/* Where a scan that stopped is to go on, so that no key is left out. */
static void
pass_stop(struct pass *pass)
{
        struct redis_scan *out = pass->out;
        const char *cursor;
        size_t place;

        page_drop(pass, pass->next);
        if (questions_aside(pass->questions, &cursor, &place)) {
                out->skip = (int64_t)place;
        } else if (page_left(pass->page) > 0) {
                cursor = pass->page->cursor;
                out->skip = (int64_t)pass->page->taken;
        } else {
                cursor = pass->cursor;
                out->skip = pass->skip;
        }
        snprintf(out->cursor, sizeof out->cursor, "%s", cursor);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* STRLEN counts as a use of the key where the server cannot be told otherwise, and eviction may go by use. */
static bool
may_guess(struct redis *redis)
{
        const struct redis_server *server = redis_server(redis);
        bool by_use = strstr(server->eviction, "lru") != NULL || strstr(server->eviction, "lfu") != NULL;

        if (!server->no_touch && (by_use || *server->eviction == '\0'))
                return false;
        return is_allowed(redis, "STRLEN rounds:is:this:allowed");
}

static void
before_scan(struct pass *pass)
{
        scoped_reply size = NULL;
        scoped_json info = NULL;
        struct error refused;

        pass->out->there = -1;
        if (redis_ask(pass->redis, "DBSIZE", &size, &refused) == 0 && size->type == REDIS_REPLY_INTEGER)
                pass->out->there = size->integer;
        pass->out->near_us = redis_round_trip_us(pass->redis);
        pass->looked_total = NAN;
        uint64_t own = redis_sent(pass->redis);
        if (pass->order->brake_us > 0 && redis_info(pass->redis, "stats", &info, &refused) == 0)
                pass->others_ops = redis_info_number(info, "stats", "instantaneous_ops_per_sec", 0) -
                                   (double)own * 1000 / OPS_OVER_MS;
        pass->looked_ms = monotonic_ms();
}

static void
pass_open(struct pass *pass)
{
        const struct redis_scan_order *order = pass->order;
        uint64_t start = order->most > 0 ? order->start : 0;

        /* Under a ceiling a page is a tenth of a second's worth, so that it does not come in bursts. */
        int64_t count = COUNT_NEAR * (1 + pass->out->near_us / NEAR_US);
        count = count < COUNT_FAR ? count : COUNT_FAR;
        if (order->rate > 0 && order->rate / 30 < count)
                count = order->rate > 300 ? order->rate / 30 : COUNT_LEAST;
        pass->count = pass->count_most = (int)count;
        pass->page = &pass->pages[0];
        pass->next = &pass->pages[1];
        snprintf(pass->cursor, sizeof pass->cursor, "%llu", (unsigned long long)start);
        pass->position = mirrored(start);
        if (order->most == 0 && order->cursor != NULL) {
                snprintf(pass->cursor, sizeof pass->cursor, "%s", order->cursor);
                pass->skip = order->skip;
        }
        snprintf(pass->run_id, sizeof pass->run_id, "%s", redis_server(pass->redis)->run_id);
}

int
redis_scan(struct redis *redis, const struct session *session, const struct redis_scan_order *order,
           redis_key_visit visit, void *context, struct redis_scan *out, struct error *err)
{
        struct pass pass = {
                .redis = redis, .session = session, .order = order, .out = out, .started_ms = monotonic_ms()};

        *out = (struct redis_scan){0};
        before_scan(&pass);
        pass_open(&pass);
        pass.questions = questions_open(redis, order->sizes, order->sizes && may_guess(redis), out, visit, context,
                                        err);
        if (pass.questions == NULL)
                return -1;
        int result;
        do
                result = pass_run(&pass, err);
        while (result != 0 && pass_mend(&pass, err));
        out->took_ms = monotonic_ms() - pass.started_ms;
        if (!out->complete)
                pass_stop(&pass);
        redis_drain(redis); /* what is still under way: the next question must not read it for its answer */
        page_free(&pass.pages[0]);
        page_free(&pass.pages[1]);
        questions_close(pass.questions);
        return result;
}
