/* measure FILE COMMAND...: runs the command with its output in FILE, prints its wall time (ms) and largest resident
 * size (KiB).  For benchmarks: nothing else runs meanwhile that would sample it. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long
now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
main(int argc, char **argv)
{
        struct rusage usage;
        int status;

        if (argc < 3) {
                fprintf(stderr, "usage: measure FILE COMMAND...\n");
                return 64;
        }
        long long began = now_ms();
        pid_t child = fork();
        if (child == 0) {
                int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
                if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
                        _exit(126);
                execvp(argv[2], argv + 2);
                _exit(127);
        }
        if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
                perror("measure");
                return 1;
        }
        printf("%lld %ld\n", now_ms() - began, usage.ru_maxrss);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
