/* One HTTP request under way: shared by http.c, which runs many, and http_transfer.c, which knows one. */
#ifndef ROUNDS_HTTP_TRANSFER_H
#define ROUNDS_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "http.h"

struct http {
        CURLM *multi;
        struct http_options options; /* strings owned */
        char *owned[12];             /* what http_close() frees; secrets are wiped */
        size_t owned_count;
};

/* One request under way. */
struct transfer {
        struct http *http;
        const struct http_request *request;
        struct http_answer *answer;
        CURL *easy;
        struct curl_slist *headers, *route;
        struct buffer header_text;
        size_t body_bytes;
        bool too_large, refused; /* the cap was met; the receiver said stop */
        int64_t not_before_ms;   /* monotonic: when to try (again) */
        char reason[CURL_ERROR_SIZE];
        enum { WAITING, RUNNING, DONE } state;
};

/* Begins the request; -1 when memory ran out. */
int transfer_start(struct transfer *transfer, const struct deadline *deadline);

/* Gives back what the request holds; its answer stays. */
void transfer_stop(struct transfer *transfer);

/* The request ended with `code`: fills the answer and is DONE, or WAITING to be tried again. */
void transfer_finish(struct transfer *transfer, CURLcode code, const struct deadline *deadline);

#endif
