/* A link of some length: takes connections on one loopback port and passes their bytes on to another, each direction
 * late by so many microseconds. usage: far LISTEN_PORT SERVER_PORT DELAY_US     until killed */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"

enum { CHUNK = 64 * 1024, CHUNKS = 256 };

/* One direction: what was read waits in a ring until it is due. */
struct direction {
        int from, to;
        int64_t delay_us;
        struct {
                char *bytes;
                ssize_t length; /* 0: the end */
                int64_t due_us;
        } ring[CHUNKS];
        size_t read, written;
        pthread_mutex_t lock;
        pthread_cond_t changed;
};

static void *
direction_read(void *context)
{
        struct direction *way = context;
        ssize_t length;

        do {
                char *bytes = malloc(CHUNK);
                length = bytes != NULL ? read(way->from, bytes, CHUNK) : 0;
                pthread_mutex_lock(&way->lock);
                while (way->read - way->written == CHUNKS)
                        pthread_cond_wait(&way->changed, &way->lock);
                way->ring[way->read % CHUNKS].bytes = bytes;
                way->ring[way->read % CHUNKS].length = length > 0 ? length : 0;
                way->ring[way->read++ % CHUNKS].due_us = monotonic_us() + way->delay_us;
                pthread_cond_broadcast(&way->changed);
                pthread_mutex_unlock(&way->lock);
        } while (length > 0);
        return NULL;
}

static void *
direction_write(void *context)
{
        struct direction *way = context;

        for (;;) {
                pthread_mutex_lock(&way->lock);
                while (way->read == way->written)
                        pthread_cond_wait(&way->changed, &way->lock);
                size_t at = way->written % CHUNKS;
                pthread_mutex_unlock(&way->lock);
                int64_t wait = way->ring[at].due_us - monotonic_us();
                if (wait > 0)
                        nanosleep(&(struct timespec){.tv_nsec = wait * 1000}, NULL);
                ssize_t length = way->ring[at].length;
                for (ssize_t done = 0, sent; done < length; done += sent) {
                        if ((sent = write(way->to, way->ring[at].bytes + done, (size_t)(length - done))) <= 0)
                                break;
                }
                free(way->ring[at].bytes);
                if (length == 0) {
                        shutdown(way->to, SHUT_WR);
                        return NULL; /* what it held ends with the process: a bench opens few connections */
                }
                pthread_mutex_lock(&way->lock);
                way->written++;
                pthread_cond_broadcast(&way->changed);
                pthread_mutex_unlock(&way->lock);
        }
}

static int
direction_start(int from, int to, int64_t delay_us)
{
        struct direction *way = calloc(1, sizeof *way);
        pthread_t reader, writer;

        if (way == NULL)
                return -1;
        way->from = from;
        way->to = to;
        way->delay_us = delay_us;
        pthread_mutex_init(&way->lock, NULL);
        pthread_cond_init(&way->changed, NULL);
        return pthread_create(&reader, NULL, direction_read, way) != 0 ||
                               pthread_create(&writer, NULL, direction_write, way) != 0
                       ? -1
                       : 0;
}

static struct sockaddr_in
loopback(const char *port)
{
        struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

        place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return place;
}

int
main(int argc, char **argv)
{
        if (argc != 4)
                return 2;
        struct sockaddr_in here = loopback(argv[1]), there = loopback(argv[2]);
        int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 16) != 0) {
                perror("far");
                return 1;
        }
        for (;;) {
                int client = accept(listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
                if (client < 0 || connect(server, (struct sockaddr *)&there, sizeof there) != 0) {
                        perror("far");
                        return 1;
                }
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                if (direction_start(client, server, atoll(argv[3])) != 0 ||
                    direction_start(server, client, atoll(argv[3])) != 0)
                        return 1;
        }
}
