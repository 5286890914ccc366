/* What prometheus.c (connections, documents), prometheus_query.c (queries) and prometheus_target.c (the kind) share. */
#ifndef ROUNDS_PROMETHEUS_CLIENT_H
#define ROUNDS_PROMETHEUS_CLIENT_H

#include "buffer.h"
#include "http.h"
#include "prometheus.h"

struct prometheus {
        struct session *session; /* borrowed, as the target */
        const struct target *target;
        struct http *http, *alertmanager_http; /* the second NULL when no Alertmanager is named */
        char *url, *alertmanager_url;          /* without trailing slashes */
        char *tenant;                          /* the header, NULL when none is set */
        int64_t date_ms, sent_ms, received_ms;
        struct error broken; /* why it cannot be used; REASON_NONE when it can */
};

/* `data` of the answer to path?query; new.  Long queries travel as a form. */
int prometheus_fetch(struct prometheus *prometheus, const char *path, const char *query, const char *what,
                     json_t **data, struct error *err) __attribute__((warn_unused_result));

#endif
