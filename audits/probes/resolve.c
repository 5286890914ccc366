/* Names to addresses, by c-ares (hosts file and DNS). */

#include "resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct lookup {
        struct resolved *out;
        size_t room, count;
        int status;
        bool done;
};

static int
compare_addresses(const void *a, const void *b)
{
        return strcmp(((const struct resolved *)a)->address, ((const struct resolved *)b)->address);
}

static void
keep_address(struct lookup *lookup, const struct sockaddr *address)
{
        struct resolved one = {{0}};
        const void *bytes = NULL;

        if (address->sa_family == AF_INET)
                bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
        else if (address->sa_family == AF_INET6)
                bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (bytes == NULL || lookup->count == lookup->room ||
            inet_ntop(address->sa_family, bytes, one.address, sizeof one.address) == NULL)
                return;
        for (size_t i = 0; i < lookup->count; i++) {
                if (strcmp(lookup->out[i].address, one.address) == 0)
                        return;
        }
        lookup->out[lookup->count++] = one;
}

static void
answered(void *context, int status, int timeouts, struct ares_addrinfo *result)
{
        struct lookup *lookup = context;

        (void)timeouts;
        lookup->done = true;
        lookup->status = status;
        for (struct ares_addrinfo_node *node = result != NULL ? result->nodes : NULL; node != NULL;
             node = node->ai_next)
                keep_address(lookup, node->ai_addr);
        if (result != NULL)
                ares_freeaddrinfo(result);
}

static void
channel_close(ares_channel *channel)
{
        if (*channel != NULL)
                ares_destroy(*channel);
}

/* Waits for the channel's sockets and c-ares's own timers until the answer is there. */
static int
wait_for_answer(ares_channel channel, const struct lookup *lookup, const struct deadline *deadline, struct error *err)
{
        while (!lookup->done) {
                ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
                struct pollfd fds[ARES_GETSOCK_MAXNUM];
                /* Unsigned: c-ares' own macros shift a one into the sign of its int. */
                unsigned bits = (unsigned)ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
                unsigned count = 0;
                for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
                        short events = (short)((bits >> i & 1 ? POLLIN : 0) |
                                               (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));
                        if (events != 0)
                                fds[count++] = (struct pollfd){.fd = sockets[i], .events = events};
                }
                struct timeval most = {.tv_sec = 1}, next;
                struct timeval *timer = ares_timeout(channel, &most, &next);
                int64_t pause_ms = (int64_t)timer->tv_sec * 1000 + timer->tv_usec / 1000 + 1;
                struct deadline step = deadline_within(*deadline, pause_ms);
                struct error waited = {0};
                int ready = deadline_poll(&step, fds, count, &waited);
                if (ready < 0 && (waited.reason != REASON_TIMEOUT || deadline_left_ms(deadline) == 0)) {
                        *err = waited;
                        return -1;
                }
                if (ready <= 0)
                        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
                for (unsigned i = 0; ready > 0 && i < count; i++)
                        ares_process_fd(channel,
                                        fds[i].revents & (POLLIN | POLLERR | POLLHUP) ? fds[i].fd : ARES_SOCKET_BAD,
                                        fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
        }
        return 0;
}

/* c-ares asks a name server even for "10.0.0.7" when either family will do, and waits for it to answer. */
static bool
numeric(const char *host, struct lookup *lookup)
{
        struct sockaddr_in four = {.sin_family = AF_INET};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6};

        if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
                keep_address(lookup, (const struct sockaddr *)&four);
        else if (inet_pton(AF_INET6, host, &six.sin6_addr) == 1)
                keep_address(lookup, (const struct sockaddr *)&six);
        return lookup->count > 0;
}

int
resolve_name(const char *host, const struct deadline *deadline, struct resolved *out, size_t room, size_t *count,
             struct error *err)
{
        __attribute__((cleanup(channel_close))) ares_channel channel = NULL;
        struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
        struct lookup lookup = {.out = out, .room = room};
        struct ares_options options = {.timeout = 2000, .tries = 3};

        *count = 0;
        if (numeric(host, &lookup)) {
                *count = lookup.count;
                return 0;
        }
        if (ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != ARES_SUCCESS)
                return error_set(err, REASON_INTERNAL, "the resolver could not be set up");
        ares_getaddrinfo(channel, host, NULL, &hints, answered, &lookup);
        if (wait_for_answer(channel, &lookup, deadline, err) != 0) {
                /* The channel's end calls back once more, into `lookup`, which is still there. */
                ares_cancel(channel);
                return error_wrap(err, "%s: name not resolved", host);
        }
        if (lookup.count == 0) {
                error_set(err, lookup.status == ARES_ETIMEOUT ? REASON_TIMEOUT : REASON_UNREACHABLE,
                          "%s: name not resolved: %s", host, ares_strerror(lookup.status));
                return error_remedy(err, "check the name and this machine's resolver (getent hosts %s)", host);
        }
        qsort(out, lookup.count, sizeof *out, compare_addresses);
        *count = lookup.count;
        return 0;
}
