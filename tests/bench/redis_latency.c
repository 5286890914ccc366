/* What a client of a Redis server waits: asks one GET a millisecond for so many seconds.
 * usage: redis_latency PORT SECONDS     prints "ASKED P50_US P99_US P999_US MAX_US" */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"

enum { MOST = 200000, PAUSE_US = 1000 };

static int
by_value(const void *a, const void *b)
{
        int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

        return left < right ? -1 : left > right;
}

static int
server_open(int port)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
                return -1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return fd;
}

int
main(int argc, char **argv)
{
        static const char ask[] = "GET latency:probe\r\n";
        char answer[4096];

        if (argc != 3)
                return 2;
        int64_t *waits = calloc(MOST, sizeof *waits), end = monotonic_us() + strtoll(argv[2], NULL, 10) * 1000000;
        int fd = server_open(atoi(argv[1]));
        size_t count = 0;
        if (fd < 0 || waits == NULL) {
                perror("redis_latency");
                return 1;
        }
        while (count < MOST && monotonic_us() < end) {
                int64_t began = monotonic_us();
                if (write(fd, ask, strlen(ask)) < 0 || read(fd, answer, sizeof answer) <= 0)
                        return 1;
                waits[count++] = monotonic_us() - began;
                usleep(PAUSE_US);
        }
        close(fd);
        qsort(waits, count, sizeof *waits, by_value);
        if (count > 0)
                printf("%zu %lld %lld %lld %lld\n", count, (long long)waits[count / 2],
                       (long long)waits[count * 99 / 100], (long long)waits[count * 999 / 1000],
                       (long long)waits[count - 1]);
        free(waits);
        return 0;
}
