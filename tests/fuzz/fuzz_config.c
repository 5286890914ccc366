/* Configuration under libFuzzer: whatever the bytes, the loader ends with a configuration or with complaints. */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "waiver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char path[64];
        int fd = memfd_create("rounds.yaml", MFD_CLOEXEC);

        if (fd < 0 || write(fd, data, size) != (ssize_t)size)
                abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        struct problems problems = {.file = path};
        struct config *config = config_open(path, &problems);
        if ((config == NULL) != (problems.count > 0))
                abort(); /* refused without a reason, or accepted with one */
        struct problems others = {.file = path};
        struct waivers *waivers = waivers_open(path, config, &others);
        if ((waivers == NULL) != (others.count > 0))
                abort();
        if (waivers != NULL)
                waivers_close(waivers);
        problems_free(&others);
        config_close(config);
        problems_free(&problems);
        close(fd);
        return 0;
}
