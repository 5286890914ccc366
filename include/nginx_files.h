/* nginx's configuration as files: directives in a tree, and what nginx would do with a path.
 *
 * Includes are followed (bounded in files, bytes and depth).  Nothing is run.  Sources: nginx documentation,
 * "Configuration file's structure", ngx_http_core_module (location), ngx_http_limit_req_module. */
#ifndef ROUNDS_NGINX_FILES_H
#define ROUNDS_NGINX_FILES_H

#include <jansson.h>

#include "session.h"

extern const struct target_kind kind_nginx;

/* The whole configuration that begins in `path`: a new array of {"words": ["server"], "file", "line", "block": [...]};
 * `include` stands replaced by what it names.  REASON_PROTOCOL with file and line for what is no configuration. */
int nginx_read(const char *path, json_t **out, struct error *err) __attribute__((warn_unused_result));

/* How requests for `path` are limited in every server block: appends to `routes` an object per server and path
 *   {"kind": "server", "name": "api.example.com", "path", "location", "place": "file:line",
 *    "limits": [{"what": "limit_req zone=login", "per_minute", "per_address", "burst", "dry_run"}]}
 * `names` (array of patterns) selects servers by server_name. */
int nginx_limits(const json_t *configuration, const char *path, const json_t *names, json_t *routes)
        __attribute__((warn_unused_result));

#endif
