/* HTTP on libcurl's multi interface: deadlines, caps, repeats, parallel requests. */

#include "http_transfer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_LARGEST = 128 * 1024, ATTEMPTS = 3 };

static void
library_start(void)
{
        curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static int
own(struct http *http, const char *text, const char **out)
{
        *out = NULL;
        if (text == NULL)
                return 0;
        char *copy = strdup(text);
        if (copy == NULL)
                return -1;
        http->owned[http->owned_count++] = copy;
        *out = copy;
        return 0;
}

/* A token goes into a header, which ends with its line: one that spans lines would bring headers of its own. */
static int
bearer_check(const char *bearer, struct error *err)
{
        for (const char *c = bearer; c != NULL && *c != '\0'; c++) {
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        return error_set(err, REASON_CONFIGURATION,
                                         "the bearer token holds a line's end or another control character");
        }
        return 0;
}

int
http_open(const struct http_options *options, struct http **out, struct error *err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        if (bearer_check(options->bearer, err) != 0)
                return -1;
        pthread_once(&once, library_start);
        struct http *http = calloc(1, sizeof *http);
        if (http == NULL)
                return error_memory(err, "HTTP client");
        const struct {
                const char *from;
                const char **to;
        } texts[] = {
                {options->ca_file, &http->options.ca_file},
                {options->ca_pem, &http->options.ca_pem},
                {options->certificate_file, &http->options.certificate_file},
                {options->key_file, &http->options.key_file},
                {options->certificate_pem, &http->options.certificate_pem},
                {options->key_pem, &http->options.key_pem},
                {options->server_name, &http->options.server_name},
                {options->user, &http->options.user},
                {options->password, &http->options.password},
                {options->bearer, &http->options.bearer},
                {options->proxy, &http->options.proxy},
        };
        http->options.insecure = options->insecure;
        http->options.attempts = options->attempts > 0 ? options->attempts : ATTEMPTS;
        http->options.largest = options->largest > 0 ? options->largest : (size_t)64 * 1024 * 1024;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                if (own(http, texts[i].from, texts[i].to) != 0) {
                        http_close(http);
                        return error_memory(err, "HTTP client");
                }
        }
        http->multi = curl_multi_init();
        if (http->multi == NULL) {
                http_close(http);
                return error_memory(err, "HTTP client");
        }
        curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
        *out = http;
        return 0;
}

static void
wipe(char *text)
{
        explicit_bzero(text, strlen(text));
        free(text);
}

void
http_close(struct http *http)
{
        if (http == NULL)
                return;
        if (http->multi != NULL)
                curl_multi_cleanup(http->multi);
        for (size_t i = 0; i < http->owned_count; i++)
                wipe(http->owned[i]);
        free(http);
}

void
http_close_object(void *http)
{
        http_close(http);
}

int
http_set_bearer(struct http *http, const char *bearer, struct error *err)
{
        if (bearer_check(bearer, err) != 0)
                return -1;
        char *copy = strdup(bearer);
        if (copy == NULL)
                return error_memory(err, "HTTP client");
        for (size_t i = 0; i < http->owned_count; i++) {
                if (http->owned[i] == http->options.bearer) {
                        wipe(http->owned[i]);
                        http->owned[i] = copy;
                        http->options.bearer = copy;
                        return 0;
                }
        }
        http->owned[http->owned_count++] = copy;
        http->options.bearer = copy;
        return 0;
}

/* --- many of them ------------------------------------------------------------------------------------------------- */

/* Starts what may start now; returns how many are not done, and how long the next may have to wait. */
static size_t
transfers_start(struct transfer *transfers, size_t count, unsigned parallel, const struct deadline *deadline, int *wait)
{
        size_t open = 0;
        unsigned running = 0;
        int64_t now = monotonic_ms();

        for (size_t i = 0; i < count; i++)
                running += transfers[i].state == RUNNING;
        for (size_t i = 0; i < count; i++) {
                struct transfer *transfer = &transfers[i];
                if (transfer->state == WAITING && transfer->not_before_ms > now) {
                        int64_t left = transfer->not_before_ms - now;
                        *wait = left < *wait ? (int)left : *wait;
                } else if (transfer->state == WAITING && running < parallel) {
                        if (transfer_start(transfer, deadline) != 0) {
                                error_memory(&transfer->answer->error, "HTTP request");
                                transfer_stop(transfer);
                                transfer->state = DONE;
                        } else {
                                running++;
                        }
                }
                open += transfer->state != DONE;
        }
        return open;
}

/* How many ended. */
static int
transfers_collect(struct http *http, const struct deadline *deadline)
{
        CURLMsg *message;
        int left, ended = 0;

        while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
                struct transfer *transfer = NULL;
                if (message->msg != CURLMSG_DONE)
                        continue;
                CURLcode code = message->data.result;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
                transfer_finish(transfer, code, deadline);
                ended++;
        }
        return ended;
}

static int
transfers_run(struct http *http, struct transfer *transfers, size_t count, unsigned parallel,
              const struct deadline *deadline, struct error *err)
{
        for (;;) {
                int running, wait = deadline_left_ms(deadline);
                if (wait == 0)
                        return deadline_poll(deadline, NULL, 0, err); /* names why: -1 */
                if (transfers_start(transfers, count, parallel, deadline, &wait) == 0)
                        return 0;
                curl_multi_perform(http->multi, &running);
                if (transfers_collect(http, deadline) > 0)
                        continue;
                struct curl_waitfd also = {.fd = deadline->cancel != NULL ? deadline->cancel->fd : -1,
                                           .events = CURL_WAIT_POLLIN};
                curl_multi_poll(http->multi, &also, deadline->cancel != NULL ? 1 : 0, wait, NULL);
        }
}

int
http_fetch_all(struct http *http, const struct http_request *requests, size_t count, unsigned parallel,
               const struct deadline *deadline, struct http_answer *answers, struct error *err)
{
        struct transfer *transfers = calloc(count > 0 ? count : 1, sizeof *transfers);

        if (transfers == NULL)
                return error_memory(err, "HTTP requests");
        for (size_t i = 0; i < count; i++) {
                answers[i] = (struct http_answer){.body = BUFFER_INIT(http->options.largest)};
                transfers[i] = (struct transfer){.http = http,
                                                 .request = &requests[i],
                                                 .answer = &answers[i],
                                                 .header_text = BUFFER_INIT(HEADERS_LARGEST)};
        }
        int result = transfers_run(http, transfers, count, parallel > 0 ? parallel : 1, deadline, err);
        for (size_t i = 0; i < count; i++) {
                if (transfers[i].state != DONE) {
                        transfer_stop(&transfers[i]);
                        if (err != NULL)
                                answers[i].error = *err;
                        else
                                error_set(&answers[i].error, REASON_TIMEOUT, "no answer in time");
                }
        }
        free(transfers);
        return result;
}

int
http_fetch(struct http *http, const struct http_request *request, const struct deadline *deadline,
           struct http_answer *answer, struct error *err)
{
        if (http_fetch_all(http, request, 1, 1, deadline, answer, err) != 0)
                return -1;
        if (answer->error.reason == REASON_NONE)
                return 0;
        if (err != NULL)
                *err = answer->error;
        return -1;
}
