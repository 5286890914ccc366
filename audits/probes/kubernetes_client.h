/* The inside of the Kubernetes client: shared by kubernetes.c (session, discovery) and kubernetes_list.c (pages). */
#ifndef ROUNDS_KUBERNETES_CLIENT_H
#define ROUNDS_KUBERNETES_CLIENT_H

#include "http.h"
#include "kubernetes.h"

struct kubernetes {
        struct http *http;
        struct kubernetes_access access;
        const struct session *session; /* borrowed: deadline, target */
        const json_t *namespaces;      /* borrowed: plain names the target names itself to; NULL: all */
        json_t *groups;                /* answer of /apis, read once */
        json_t *resources;             /* "group/version" -> array of resource names, read when first asked */
        int64_t token_read_ms;         /* monotonic */
        int64_t date_ms, sent_ms, received_ms;
        size_t requests, bytes;
        struct error broken; /* why the session has no client */
};

extern const char *const kubernetes_accept[];

/* http_fetch_all() with the token kept fresh. */
int kubernetes_fetch(struct kubernetes *kubernetes, const struct http_request *requests, size_t count,
                     struct http_answer *answers, struct error *err);

/* Notes one answer's traffic and clock. */
void kubernetes_count(struct kubernetes *kubernetes, const struct http_answer *answer);

/* An unwelcome answer as an error with the server's own message. */
void kubernetes_answer_error(const struct kubernetes *kubernetes, const struct http_answer *answer, const char *what,
                             struct error *err);

#endif
