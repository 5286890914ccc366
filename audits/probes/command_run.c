/* One child process, its output bounded, its life bounded. */

#include "command_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scope.h"

extern char **environ;

/* The environment with `extra` laid over it: pointers are borrowed, the array is new. */
static char **
environment(const char *const *extra)
{
        size_t count = 0, added = 0;

        while (environ[count] != NULL)
                count++;
        while (extra != NULL && extra[added] != NULL)
                added++;
        char **all = calloc(count + added + 1, sizeof *all);
        if (all == NULL)
                return NULL;
        size_t used = 0;
        for (size_t i = 0; i < added; i++)
                all[used++] = (char *)(uintptr_t)extra[i];
        for (size_t i = 0; i < count; i++) {
                size_t name = strcspn(environ[i], "=") + 1;
                bool replaced = false;
                for (size_t j = 0; j < added && !replaced; j++)
                        replaced = strncmp(environ[i], extra[j], name) == 0;
                if (!replaced)
                        all[used++] = environ[i];
        }
        return all;
}

static int
start(const char *const *argv, const char *const *extra, int output, pid_t *child)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        char **all = environment(extra);

        if (all == NULL)
                return ENOMEM;
        sigemptyset(&none);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, output, 1);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        /* A process group of its own, so that its own children can be ended with it. */
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setsigmask(&attributes, &none);
        int failed = posix_spawnp(child, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, all);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        free(all);
        return failed;
}

static int
drain(int fd, const struct deadline *deadline, struct buffer *out, struct error *err)
{
        for (;;) {
                struct pollfd ready = {.fd = fd, .events = POLLIN};
                char chunk[4096];
                if (deadline_poll(deadline, &ready, 1, err) < 0)
                        return -1;
                ssize_t got = read(fd, chunk, sizeof chunk);
                if (got == 0)
                        return 0;
                if (got < 0 && errno != EINTR)
                        return error_set(err, REASON_INTERNAL, "%s", strerror(errno));
                if (got > 0 && buffer_add(out, chunk, (size_t)got) != 0)
                        return error_set(err, REASON_PROTOCOL, "its output is larger than %zu bytes", out->largest);
        }
}

/* A program that closed its output may go on all the same.  A kernel older than 5.3 has no pidfd: there the end of the
 * output is the end. */
static int
end_wait(pid_t child, const struct deadline *deadline, struct error *err)
{
        scoped(scope_close) int handle = pidfd_open(child, 0);
        struct pollfd ended = {.fd = handle, .events = POLLIN};

        return handle >= 0 && deadline_poll(deadline, &ended, 1, err) < 0 ? -1 : 0;
}

int
command_run(const char *const *argv, const char *const *extra, const struct deadline *deadline, struct buffer *out,
            struct error *err)
{
        int ends[2], status = 0;
        pid_t child;

        if (pipe2(ends, O_CLOEXEC) != 0)
                return error_set(err, REASON_INTERNAL, "pipe: %s", strerror(errno));
        scoped(scope_close) int output = ends[0];
        int failed = start(argv, extra, ends[1], &child);
        close(ends[1]);
        if (failed != 0)
                return error_set(err, REASON_CONFIGURATION, "%s: %s", argv[0], strerror(failed));
        int result = drain(output, deadline, out, err) != 0 || end_wait(child, deadline, err) != 0 ? -1 : 0;
        if (result != 0)
                kill(-child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        if (result != 0)
                return error_wrap(err, "%s", argv[0]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return error_set(err, REASON_DENIED, "%s: ended with status %d", argv[0],
                                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return 0;
}
