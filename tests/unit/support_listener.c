/* A scripted loopback server. */

#include "support_listener.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct listener {
        const struct listener_step *steps;
        size_t count;
        int fd, wake[2];
        pthread_t thread;
        atomic_int accepted;
        char request[8192];
};

static void
serve(struct listener *listener, int peer, const struct listener_step *step)
{
        struct pollfd set[2] = {{.fd = peer, .events = POLLIN}, {.fd = listener->wake[0], .events = POLLIN}};

        if (poll(set, 2, 5000) > 0 && set[0].revents != 0) {
                ssize_t got = recv(peer, listener->request, sizeof listener->request - 1, 0);
                listener->request[got > 0 ? got : 0] = '\0';
        }
        size_t length = step->say == NULL ? 0 : step->length > 0 ? step->length : strlen(step->say);
        for (size_t i = 0; i < (step->repeat > 0 ? step->repeat : 1) && length > 0; i++) {
                if (send(peer, step->say, length, MSG_NOSIGNAL) < 0)
                        break;
        }
        if (step->stall_ms > 0)
                poll(set, 2, step->stall_ms);
        close(peer);
}

static void *
run(void *context)
{
        struct listener *listener = context;

        for (;;) {
                struct pollfd set[2] = {{.fd = listener->fd, .events = POLLIN},
                                        {.fd = listener->wake[0], .events = POLLIN}};
                if (poll(set, 2, -1) < 0 || set[1].revents != 0)
                        return NULL;
                int peer = accept(listener->fd, NULL, NULL);
                if (peer < 0)
                        continue;
                size_t step = (size_t)atomic_fetch_add(&listener->accepted, 1);
                serve(listener, peer, &listener->steps[step < listener->count ? step : listener->count - 1]);
        }
}

struct listener *
listener_start(const struct listener_step *steps, size_t count, int *port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        struct listener *listener = calloc(1, sizeof *listener);

        if (listener == NULL || pipe(listener->wake) != 0)
                abort();
        listener->steps = steps;
        listener->count = count;
        listener->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&address, size) != 0 ||
            listen(listener->fd, 64) != 0 || getsockname(listener->fd, (struct sockaddr *)&address, &size) != 0 ||
            pthread_create(&listener->thread, NULL, run, listener) != 0)
                abort();
        *port = ntohs(address.sin_port);
        return listener;
}

int
listener_accepted(const struct listener *listener)
{
        return atomic_load(&listener->accepted);
}

const char *
listener_request(const struct listener *listener)
{
        return listener->request;
}

void
listener_stop(struct listener *listener)
{
        if (write(listener->wake[1], "x", 1) != 1)
                abort();
        pthread_join(listener->thread, NULL);
        close(listener->fd);
        close(listener->wake[0]);
        close(listener->wake[1]);
        free(listener);
}
