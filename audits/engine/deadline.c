/* Waiting that always ends: monotonic deadlines and the switch that cancels a run. */

#include "deadline.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { SHARE_LEAST_MS = 2000 };

int
cancel_open(struct cancel *cancel, struct error *err)
{
        atomic_init(&cancel->on, false);
        cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (cancel->fd < 0)
                return error_set(err, REASON_INTERNAL, "eventfd: %s", strerror(errno));
        return 0;
}

void
cancel_now(struct cancel *cancel)
{
        const uint64_t one = 1;
        int saved = errno;

        atomic_store(&cancel->on, true);
        ssize_t ignored = write(cancel->fd, &one, sizeof one);
        (void)ignored; /* a full counter is just as readable */
        errno = saved;
}

void
cancel_close(struct cancel *cancel)
{
        if (cancel->fd >= 0)
                close(cancel->fd);
        cancel->fd = -1;
}

int64_t
monotonic_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
monotonic_ms(void)
{
        return monotonic_us() / 1000;
}

struct deadline
deadline_in(int64_t timeout_ms, const struct cancel *cancel)
{
        return (struct deadline){.at_ms = monotonic_ms() + timeout_ms, .cancel = cancel};
}

struct deadline
deadline_within(struct deadline deadline, int64_t timeout_ms)
{
        int64_t at = monotonic_ms() + timeout_ms;

        if (at < deadline.at_ms)
                deadline.at_ms = at;
        return deadline;
}

struct deadline
deadline_share(const struct deadline *whole, int parts, int64_t most_ms)
{
        int64_t share = deadline_left_ms(whole) / parts;

        share = share > SHARE_LEAST_MS ? share : SHARE_LEAST_MS;
        return deadline_within(*whole, share < most_ms ? share : most_ms);
}

bool
deadline_cancelled(const struct deadline *deadline)
{
        return deadline->cancel != NULL && atomic_load(&deadline->cancel->on);
}

int
deadline_left_ms(const struct deadline *deadline)
{
        int64_t left = deadline->at_ms - monotonic_ms();

        if (left <= 0 || deadline_cancelled(deadline))
                return 0;
        return left > INT_MAX ? INT_MAX : (int)left;
}

/* The error of a wait that ended without an answer. */
static int
over(const struct deadline *deadline, struct error *err)
{
        if (deadline_cancelled(deadline)) {
                error_set(err, REASON_INTERRUPTED, "interrupted");
                return error_remedy(err, "let the next run finish");
        }
        return error_set(err, REASON_TIMEOUT, "no answer in time");
}

int
deadline_poll(const struct deadline *deadline, struct pollfd *fds, unsigned count, struct error *err)
{
        struct pollfd set[65];

        if (count > 64)
                return error_set(err, REASON_INTERNAL, "too many descriptors in one wait: %u", count);
        for (;;) {
                int left = deadline_left_ms(deadline);
                if (deadline_cancelled(deadline))
                        return over(deadline, err);
                if (count > 0)
                        memcpy(set, fds, count * sizeof *fds);
                set[count] = (struct pollfd){.fd = deadline->cancel != NULL ? deadline->cancel->fd : -1,
                                             .events = POLLIN};
                int ready = poll(set, count + 1, left);
                if (ready < 0 && errno == EINTR)
                        continue;
                if (ready < 0)
                        return error_set(err, REASON_INTERNAL, "poll: %s", strerror(errno));
                if (set[count].revents != 0)
                        return over(deadline, err);
                if (ready == 0) {
                        if (deadline_left_ms(deadline) == 0)
                                return over(deadline, err);
                        continue;
                }
                memcpy(fds, set, count * sizeof *fds);
                return ready;
        }
}

int
deadline_sleep(const struct deadline *deadline, int64_t ms, struct error *err)
{
        struct deadline until = deadline_within(*deadline, ms);
        struct error ended;

        if (deadline_poll(&until, NULL, 0, &ended) >= 0 || ended.reason != REASON_TIMEOUT) {
                if (err != NULL)
                        *err = ended;
                return -1;
        }
        return deadline_left_ms(deadline) > 0 ? 0 : over(deadline, err);
}
