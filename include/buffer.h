/* A growing byte buffer that must be told its largest size: every buffer that a peer can fill has a cap.
 *
 * `data` is owned by the buffer and always NUL-terminated (the NUL is not counted in `length`).
 * A buffer starts as BUFFER_INIT(cap) and ends with buffer_free(). */
#ifndef ROUNDS_BUFFER_H
#define ROUNDS_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buffer {
        char *data;      /* NULL until something was added */
        size_t length;   /* bytes used */
        size_t capacity; /* bytes allocated */
        size_t largest;  /* cap on `length`, bytes */
        bool failed;     /* the cap was met or memory ran out: later additions do nothing */
};

#define BUFFER_INIT(cap) ((struct buffer){.largest = (cap)})

/* Each returns 0, or -1 (and sets `failed`) when the cap or memory is exhausted; what was there stays. */
int buffer_add(struct buffer *buffer, const void *bytes, size_t length);
int buffer_text(struct buffer *buffer, const char *text);
int buffer_char(struct buffer *buffer, char c);
int buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buffer_vformat(struct buffer *buffer, const char *format, va_list list) __attribute__((format(printf, 2, 0)));

/* Room for at least `length` more bytes at data + length; NULL when capped. */
char *buffer_room(struct buffer *buffer, size_t length);

/* Drops the first `length` bytes. */
void buffer_drop(struct buffer *buffer, size_t length);

/* Keeps the memory, forgets the content and the failure. */
void buffer_clear(struct buffer *buffer);

/* The content as a malloc'd string that the caller frees; the buffer is empty afterwards.  NULL if failed. */
char *buffer_take(struct buffer *buffer);

void buffer_free(struct buffer *buffer);

#define scoped_buffer __attribute__((cleanup(buffer_free))) struct buffer

#endif
