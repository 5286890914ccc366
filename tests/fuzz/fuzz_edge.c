/* What limits sign-ins at the edge, under libFuzzer: nginx's configuration, and Traefik's rules.  What is read of one
 * file is told with its line; which paths it serves is told, or it is refused with words. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json.h"
#include "nginx_files.h"
#include "rate_limit_routes.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
nginx_try(const uint8_t *data, size_t size)
{
        char path[64];
        scoped(scope_close) int fd = memfd_create("nginx.conf", MFD_CLOEXEC);
        struct error err = {0};
        size_t i;
        json_t *row;

        if (fd < 0 || write(fd, data, size) != (ssize_t)size)
                abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        scoped_json configuration = NULL;
        scoped_json names = json_pack("[s]", "*");
        scoped_json routes = json_array();
        if (nginx_read(path, &configuration, &err) != 0) {
                if (err.text[0] == '\0')
                        abort();
                return;
        }
        if (!json_is_array(configuration) || nginx_limits(configuration, "/api/auth/login", names, routes) != 0)
                abort();
        json_array_foreach(routes, i, row)
        {
                if (json_text(row, "place", NULL) == NULL || json_list(row, "limits") == NULL)
                        abort();
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_string text = strndup((const char *)data, size);

        if (text == NULL)
                return 0;
        if (path_is_under(text, text) != true)
                abort();
        traefik_rule_fits(text, "/api/auth/login");
        /* A fuzzer that found out how to include files would read the whole machine. */
        if (strstr(text, "include") == NULL && strlen(text) == size)
                nginx_try(data, size);
        return 0;
}
