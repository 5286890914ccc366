/* A point in monotonic time after which waiting is over, and the switch that ends waiting early.
 *
 * Every blocking call in a probe takes one of these and waits in deadline_poll() (or passes
 * deadline_left_ms() to a library's own timeout).  Copying is fine; the cancel switch is borrowed. */
#ifndef ROUNDS_DEADLINE_H
#define ROUNDS_DEADLINE_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* One per run: set by a signal handler, read by every wait.  `fd` is an eventfd that becomes readable for
 * good when cancelled, so that a wait wakes at once. */
struct cancel {
        atomic_bool on;
        int fd;
};

struct deadline {
        int64_t at_ms;               /* CLOCK_MONOTONIC, milliseconds */
        const struct cancel *cancel; /* borrowed, may be NULL */
};

int cancel_open(struct cancel *cancel, struct error *err) __attribute__((warn_unused_result));
void cancel_now(struct cancel *cancel); /* async-signal-safe */
void cancel_close(struct cancel *cancel);

int64_t monotonic_ms(void);
int64_t monotonic_us(void);

/* A deadline `timeout_ms` from now. */
struct deadline deadline_in(int64_t timeout_ms, const struct cancel *cancel);

/* The earlier of `deadline` and `timeout_ms` from now, with the same cancel switch. */
struct deadline deadline_within(struct deadline deadline, int64_t timeout_ms);

/* For one of several servers or questions, none of which may take the others' time: what `whole` leaves divided by
 * `parts`, or two seconds where that is less; at most `most_ms`. */
struct deadline deadline_share(const struct deadline *whole, int parts, int64_t most_ms);

/* Milliseconds left, 0 when passed or cancelled; at most 24 days so that it fits a C library's int. */
int deadline_left_ms(const struct deadline *deadline);

bool deadline_cancelled(const struct deadline *deadline);

/* Waits until one of `fds` is ready.  Returns how many are, or -1 with REASON_TIMEOUT ("no answer in time")
 * or REASON_INTERRUPTED.  At most 64 descriptors; larger sets belong in epoll. */
int deadline_poll(const struct deadline *deadline, struct pollfd *fds, unsigned count, struct error *err)
        __attribute__((warn_unused_result));

/* Sleeps for `ms`, or less when the deadline or a cancel comes first; -1 then. */
int deadline_sleep(const struct deadline *deadline, int64_t ms, struct error *err);

#endif
