/* One run of a job at a time: an flock beside the store, which the kernel releases however the process ends. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "scope.h"
#include "store_parts.h"

/* A job's name as part of a file name: anything unusual becomes '_'; long ones are cut. */
static void
lock_name(const char *job, const char *shard, char *name, size_t size)
{
        size_t used = 0;

        for (const char *c = job; *c != '\0' && used + 1 < size && used < 64; c++)
                name[used++] = (char)(isalnum((unsigned char)*c) || *c == '-' ? *c : '_');
        name[used] = '\0';
        if (shard == NULL || *shard == '\0' || strcmp(shard, "0/1") == 0)
                return;
        if (used + 1 < size)
                name[used++] = '.';
        for (const char *c = shard; *c != '\0' && used + 1 < size; c++)
                name[used++] = (char)(isdigit((unsigned char)*c) ? *c : '-');
        name[used] = '\0';
}

int
store_lock_job(const char *path, const char *job, const char *shard, int *fd, struct error *err)
{
        scoped_string file = NULL;
        char name[128], process[32] = "";

        lock_name(job, shard, name, sizeof name);
        if (asprintf(&file, "%s.%s.lock", path, name) < 0) {
                file = NULL;
                return error_memory(err, "a lock");
        }
        int lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (lock < 0)
                return error_set(err, REASON_INTERNAL, "lock %s: %s", file, strerror(errno));
        if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
                int why = errno;
                ssize_t got = pread(lock, process, sizeof process - 1, 0);
                close(lock);
                if (why != EWOULDBLOCK)
                        return error_set(err, REASON_INTERNAL, "lock %s: %s", file, strerror(why));
                process[got > 0 ? strspn(process, "0123456789") : 0] = '\0';
                error_set(err, REASON_CONFIGURATION, "job %s is already running, process %s", job,
                          *process != '\0' ? process : "unknown");
                return error_remedy(err, "wait for it, or end it: two runs of one job never overlap");
        }
        /* The number is for people only: the lock itself is the kernel's, so a full disk here does no harm. */
        snprintf(process, sizeof process, "%ld\n", (long)getpid());
        if (ftruncate(lock, 0) != 0 || pwrite(lock, process, strlen(process), 0) < 0)
                *process = '\0';
        *fd = lock;
        return 0;
}
