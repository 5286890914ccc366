/* The kinds of target: one line each. */

#include "target.h"

#include <string.h>

extern const struct target_kind kind_custom;
extern const struct target_kind kind_evidence;
extern const struct target_kind kind_files;
extern const struct target_kind kind_http;
extern const struct target_kind kind_keycloak;
extern const struct target_kind kind_kubernetes;
extern const struct target_kind kind_login;
extern const struct target_kind kind_nginx;
extern const struct target_kind kind_ntp;
extern const struct target_kind kind_oidc;
extern const struct target_kind kind_pgbouncer;
extern const struct target_kind kind_postgres;
extern const struct target_kind kind_prometheus;
extern const struct target_kind kind_rds;
extern const struct target_kind kind_redis;
extern const struct target_kind kind_s3;
extern const struct target_kind kind_settings;
extern const struct target_kind kind_source;
extern const struct target_kind kind_tls;

/* One line each, so that two added side by side do not meet. */
// clang-format off
const struct target_kind *const target_kinds[] = {
        &kind_custom,
        &kind_evidence,
        &kind_files,
        &kind_http,
        &kind_keycloak,
        &kind_kubernetes,
        &kind_login,
        &kind_nginx,
        &kind_ntp,
        &kind_oidc,
        &kind_pgbouncer,
        &kind_postgres,
        &kind_prometheus,
        &kind_rds,
        &kind_redis,
        &kind_s3,
        &kind_settings,
        &kind_source,
        &kind_tls,
        NULL,
};
// clang-format on

const struct target_kind *
target_kind_find(const char *name)
{
        for (size_t i = 0; target_kinds[i] != NULL; i++) {
                if (strcmp(target_kinds[i]->name, name) == 0)
                        return target_kinds[i];
        }
        return NULL;
}
