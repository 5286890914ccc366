/* Signals, waited for on a thread of their own. */

#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ENDED_AT_ONCE 2 /* exit status: not fully assessed */

struct signals {
        struct cancel *cancel;
        sigset_t watched, before;
        pthread_t thread;
        int signal_fd, end_fd;
        int first;
};

static void *
watch(void *argument)
{
        struct signals *signals = argument;
        struct pollfd fds[2] = {{.fd = signals->signal_fd, .events = POLLIN},
                                {.fd = signals->end_fd, .events = POLLIN}};
        struct signalfd_siginfo what;

        for (;;) {
                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return NULL;
                if (fds[1].revents != 0)
                        return NULL;
                if (fds[0].revents == 0 || read(signals->signal_fd, &what, sizeof what) != (ssize_t)sizeof what)
                        continue;
                if (signals->first != 0)
                        _exit(ENDED_AT_ONCE);
                signals->first = (int)what.ssi_signo;
                cancel_now(signals->cancel);
        }
}

static void
release(struct signals *signals)
{
        pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
        if (signals->signal_fd >= 0)
                close(signals->signal_fd);
        if (signals->end_fd >= 0)
                close(signals->end_fd);
        free(signals);
}

int
signals_watch(struct cancel *cancel, struct signals **out, struct error *err)
{
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        struct signals *signals = calloc(1, sizeof *signals);
        sigset_t all, mask;

        if (signals == NULL)
                return error_memory(err, "signals");
        sigaction(SIGPIPE, &ignore, NULL);
        sigaction(SIGXFSZ, &ignore, NULL);
        sigemptyset(&signals->watched);
        sigaddset(&signals->watched, SIGINT);
        sigaddset(&signals->watched, SIGTERM);
        sigaddset(&signals->watched, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &signals->watched, &signals->before);
        signals->cancel = cancel;
        signals->signal_fd = signalfd(-1, &signals->watched, SFD_CLOEXEC | SFD_NONBLOCK);
        signals->end_fd = eventfd(0, EFD_CLOEXEC);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &mask);
        int code = signals->signal_fd < 0 || signals->end_fd < 0
                           ? errno
                           : pthread_create(&signals->thread, NULL, watch, signals);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        if (code != 0) {
                release(signals);
                return error_set(err, REASON_INTERNAL, "signals: %s", strerror(code));
        }
        *out = signals;
        return 0;
}

int
signals_end(struct signals *signals)
{
        uint64_t one = 1;

        if (signals == NULL)
                return 0;
        if (write(signals->end_fd, &one, sizeof one) == (ssize_t)sizeof one)
                pthread_join(signals->thread, NULL);
        int first = signals->first;
        release(signals);
        return first;
}
