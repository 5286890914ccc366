/* What a scan asks of the keys of a page, and how their answers become keys seen.
 *
 * Two pages' questions may be under way at a time, in order.  Where a guess at the type was wrong, or a value is large
 * enough that its memory must be exact, the key is set aside and asked again once nothing is under way. */
#ifndef ROUNDS_REDIS_QUESTIONS_H
#define ROUNDS_REDIS_QUESTIONS_H

#include <hiredis/hiredis.h>

#include "key_classes.h"
#include "redis.h"
#include "redis_scan.h"

/* A page of keys that SCAN gave. */
struct page {
        struct redisReply *names; /* array of texts; owned; NULL: none */
        char cursor[32];          /* that it was asked for with */
        unsigned char *asked;     /* enum redis_ask of each key; owned; NULL: not asked yet */
        size_t taken;             /* keys whose answers are here */
};
void page_free(struct page *page);
static inline size_t
page_left(const struct page *page)
{
        return page->names != NULL ? page->names->elements - page->taken : 0;
}

struct questions;

/* `sizes`: MEMORY USAGE is asked; `guess`: types of strings are guessed by name and proved by STRLEN, which some
 * servers take for a use of the key.  Commands and keys are counted in `scan`; every key seen is visited. */
struct questions *questions_open(struct redis *redis, bool sizes, bool guess, struct redis_scan *scan,
                                 redis_key_visit visit, void *context, struct error *err);
void questions_close(struct questions *questions);

/* Puts the questions about the keys that are left of a page into the pipeline, and sends it. */
int questions_send(struct questions *questions, struct page *page, struct error *err)
        __attribute__((warn_unused_result));

/* Takes the answers about the keys that are left of a page. */
int questions_take(struct questions *questions, struct page *page, struct error *err)
        __attribute__((warn_unused_result));

/* Asks again about the keys that were set aside.  Nothing may be under way. */
int questions_again(struct questions *questions, struct error *err) __attribute__((warn_unused_result));

/* True while keys are set aside; *cursor (borrowed) and *place are those of the first of them then.  Both may be NULL.
 */
bool questions_aside(const struct questions *questions, const char **cursor, size_t *place);

#endif
