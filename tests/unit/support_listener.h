/* A loopback server for tests: says what its script says, byte for byte, and can stall, drip or hang up.
 *
 * One thread; each accepted connection takes the next step of the script (the last one repeats). */
#ifndef ROUNDS_SUPPORT_LISTENER_H
#define ROUNDS_SUPPORT_LISTENER_H

#include <stddef.h>

struct listener_step {
        const char *say; /* sent after the first bytes of a request came; may be NULL */
        size_t length;   /* of `say`; 0: strlen */
        size_t repeat;   /* how many times `say` is sent; 0 means once */
        int stall_ms;    /* then nothing for this long (ends early when the peer hangs up) */
};

struct listener;

/* Starts; *port is where it listens on 127.0.0.1. */
struct listener *listener_start(const struct listener_step *steps, size_t count, int *port);

/* How many connections were accepted so far. */
int listener_accepted(const struct listener *listener);

/* The first bytes of the newest request (NUL-terminated, at most 8 KiB); valid until listener_stop(). */
const char *listener_request(const struct listener *listener);

void listener_stop(struct listener *listener);

#endif
