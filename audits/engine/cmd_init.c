/* rounds init: a commented starter configuration that proposes what can be seen from here. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "invocation.h"
#include "scope.h"
#include "starter.h"

enum { FILE_LARGEST = 1024 * 1024 };

static int
write_whole(int fd, const struct buffer *text)
{
        size_t at = 0;

        while (at < text->length) {
                ssize_t written = write(fd, text->data + at, text->length - at);
                if (written < 0 && errno != EINTR)
                        return -1;
                at += written > 0 ? (size_t)written : 0;
        }
        return fsync(fd);
}

/* A new file, whole or not at all; one that is there is never touched. */
static int
file_make(const char *path, const struct buffer *text, struct error *err)
{
        scoped_string temporary = NULL;

        if (asprintf(&temporary, "%s.%d.new", path, (int)getpid()) < 0) {
                temporary = NULL;
                return error_memory(err, path);
        }
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (fd < 0) {
                error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
                return error_remedy(err, "name a file in a folder that you may write to: rounds init FILE");
        }
        bool written = write_whole(fd, text) == 0;
        int number = errno;
        if (close(fd) != 0 && written) {
                written = false;
                number = errno;
        }
        if (written && link(temporary, path) != 0) {
                written = false;
                number = errno;
        }
        unlink(temporary);
        if (written)
                return 0;
        if (number == EEXIST) {
                error_set(err, REASON_CONFIGURATION, "%s is there already and stays as it is", path);
                return error_remedy(err, "look at a new one with `rounds init -`, or name another file");
        }
        return error_set(err, REASON_CONFIGURATION, "%s could not be written: %s", path, strerror(number));
}

static int
run_init(const struct invocation *invocation)
{
        const char *path = invocation->count > 0 ? invocation->arguments[0] : "rounds.yaml";
        struct buffer text = BUFFER_INIT(FILE_LARGEST);
        struct error err = {0};
        int status = EXIT_ASSESSED;
        size_t count = starter_write("", &text);

        if (text.failed) {
                error_memory(&err, "starter configuration");
                status = invocation_fail(EXIT_STORE, &err);
        } else if (strcmp(path, "-") == 0) {
                if (fwrite(text.data, 1, text.length, stdout) != text.length || fflush(stdout) != 0)
                        status = EXIT_STORE;
        } else if (file_make(path, &text, &err) != 0) {
                status = invocation_fail(access(path, F_OK) == 0 ? EXIT_USAGE : EXIT_STORE, &err);
        } else if (!invocation->quiet) {
                if (count > 0)
                        printf("%s: %zu target%s proposed from what is visible here\n", path, count,
                               count == 1 ? "" : "s");
                else
                        printf("%s: nothing is visible from here, the file holds an example\n", path);
                printf("next: correct it, then `rounds check -c %s` and `rounds run nightly -c %s`\n", path, path);
        }
        buffer_free(&text);
        return status;
}

const struct command command_init = {
        .name = "init",
        .arguments = "[FILE]",
        .summary = "write a commented starter configuration",
        .details = "Writes FILE (default: rounds.yaml here; - for standard output) with targets proposed from what can "
                   "be seen: "
                   "PGHOST and friends, REDIS_URL, local sockets, kubeconfig contexts, a pod's service account, "
                   "certificate "
                   "files in the usual folders. Nothing is connected to, no secret is copied, and a file that is there "
                   "already "
                   "stays as it is.",
        .least = 0,
        .most = 1,
        .run = run_init,
};
