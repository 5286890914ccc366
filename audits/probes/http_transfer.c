/* One HTTP request: what libcurl is told, what it answers, when it is worth another try. */

#include "http_transfer.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "scope.h"

enum { RETRY_LONGEST_MS = 30000 };

/* --- one transfer ------------------------------------------------------------------------------------------------- */

static size_t
take_body(char *bytes, size_t size, size_t count, void *context)
{
        struct transfer *transfer = context;
        size_t length = size * count;

        if (transfer->body_bytes == 0)
                transfer->answer->received_ms = moment_now();
        transfer->body_bytes += length;
        if (transfer->body_bytes > transfer->http->options.largest) {
                transfer->too_large = true;
                return CURL_WRITEFUNC_ERROR;
        }
        long status = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        if (transfer->request->receive != NULL && status >= 200 && status < 300) {
                if (transfer->request->receive(transfer->request->context, bytes, length) != 0) {
                        transfer->refused = true;
                        return CURL_WRITEFUNC_ERROR;
                }
                return length;
        }
        return buffer_add(&transfer->answer->body, bytes, length) == 0 ? length : CURL_WRITEFUNC_ERROR;
}

static size_t
take_header(char *bytes, size_t size, size_t count, void *context)
{
        struct transfer *transfer = context;
        size_t length = size * count;

        /* A new status line: what came before belonged to an interim (100, 103) or proxy answer. */
        if (length > 5 && strncmp(bytes, "HTTP/", 5) == 0) {
                buffer_clear(&transfer->header_text);
                transfer->answer->received_ms = moment_now();
        }
        return buffer_add(&transfer->header_text, bytes, length) == 0 ? length : 0;
}

static int
add_header(struct transfer *transfer, const char *line)
{
        struct curl_slist *longer = curl_slist_append(transfer->headers, line);

        if (longer == NULL)
                return -1;
        transfer->headers = longer;
        return 0;
}

static void
blob(CURL *easy, CURLoption option, const char *pem)
{
        struct curl_blob data = {.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};

        curl_easy_setopt(easy, option, &data);
}

static void
set_trust(CURL *easy, const struct http_options *options)
{
        if (options->ca_pem != NULL)
                blob(easy, CURLOPT_CAINFO_BLOB, options->ca_pem);
        else if (options->ca_file != NULL)
                curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
        if (options->certificate_pem != NULL)
                blob(easy, CURLOPT_SSLCERT_BLOB, options->certificate_pem);
        else if (options->certificate_file != NULL)
                curl_easy_setopt(easy, CURLOPT_SSLCERT, options->certificate_file);
        if (options->key_pem != NULL)
                blob(easy, CURLOPT_SSLKEY_BLOB, options->key_pem);
        else if (options->key_file != NULL)
                curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key_file);
        if (options->insecure) {
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        }
}

/* libcurl verifies the name that stands in the URL; CONNECT_TO lets that name and the address differ. */
static int
set_server_name(struct transfer *transfer)
{
        const char *name = transfer->http->options.server_name;
        char *host = NULL, *port = NULL, *renamed = NULL;
        CURLU *parts = curl_url();
        scoped_buffer route = BUFFER_INIT(2048);
        int result = -1;

        if (parts != NULL && curl_url_set(parts, CURLUPART_URL, transfer->request->url, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
            curl_url_set(parts, CURLUPART_HOST, name, 0) == CURLUE_OK &&
            curl_url_get(parts, CURLUPART_URL, &renamed, 0) == CURLUE_OK &&
            buffer_format(&route, "%s:%s:%s:%s", name, port, host, port) == 0 &&
            (transfer->route = curl_slist_append(NULL, route.data)) != NULL) {
                curl_easy_setopt(transfer->easy, CURLOPT_URL, renamed);
                curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->route);
                result = 0;
        }
        curl_free(host);
        curl_free(port);
        curl_free(renamed);
        curl_url_cleanup(parts);
        return result;
}

static int
set_authorisation(struct transfer *transfer)
{
        const struct http_options *options = &transfer->http->options;
        scoped_buffer line = BUFFER_INIT(128 * 1024);

        if (options->bearer != NULL) {
                if (buffer_format(&line, "Authorization: Bearer %s", options->bearer) != 0 ||
                    add_header(transfer, line.data) != 0)
                        return -1;
                explicit_bzero(line.data, line.length);
        }
        if (options->user != NULL) {
                curl_easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
                curl_easy_setopt(transfer->easy, CURLOPT_USERNAME, options->user);
                curl_easy_setopt(transfer->easy, CURLOPT_PASSWORD, options->password != NULL ? options->password : "");
        }
        return 0;
}

static void
set_request(struct transfer *transfer)
{
        const struct http_request *request = transfer->request;
        CURL *easy = transfer->easy;

        curl_easy_setopt(easy, CURLOPT_URL, request->url);
        if (request->body != NULL) {
                curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
                curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        }
        if (request->method != NULL && strcmp(request->method, "HEAD") == 0)
                curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        else if (request->method != NULL)
                curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
        for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
                add_header(transfer, request->headers[i]);
}

int
transfer_start(struct transfer *transfer, const struct deadline *deadline)
{
        struct http *http = transfer->http;
        CURL *easy = curl_easy_init();

        if (easy == NULL)
                return -1;
        transfer->easy = easy;
        transfer->state = RUNNING;
        transfer->answer->attempts++;
        transfer->answer->sent_ms = moment_now();
        curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "rounds/" ROUNDS_VERSION);
        struct deadline own = deadline_share(deadline, 2, INT_MAX);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)deadline_left_ms(&own));
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
        if (http->options.proxy != NULL)
                curl_easy_setopt(easy, CURLOPT_PROXY, http->options.proxy);
        set_trust(easy, &http->options);
        set_request(transfer);
        if (set_authorisation(transfer) != 0 || (http->options.server_name != NULL && set_server_name(transfer) != 0))
                return -1;
        if (transfer->headers != NULL)
                curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
        return curl_multi_add_handle(http->multi, easy) == CURLM_OK ? 0 : -1;
}

void
transfer_stop(struct transfer *transfer)
{
        if (transfer->easy != NULL) {
                curl_multi_remove_handle(transfer->http->multi, transfer->easy);
                curl_easy_cleanup(transfer->easy);
        }
        curl_slist_free_all(transfer->headers);
        curl_slist_free_all(transfer->route);
        buffer_free(&transfer->header_text);
        transfer->easy = NULL;
        transfer->headers = transfer->route = NULL;
}

/* What mends a handshake; NULL when it did not fail for TLS.  A server of TLS 1.3 that misses the client's certificate
 * says so in an alert after the handshake, which libcurl takes for trouble in reading. */
static const char *
tls_remedy(CURLcode code, const char *why)
{
        switch (code) {
        case CURLE_RECV_ERROR:
        case CURLE_SSL_CONNECT_ERROR:
                if (strstr(why, "certificate required") != NULL)
                        return "the server demands a client's certificate: give certificate_file and key_file (of a "
                               "kubeconfig: client-certificate and client-key)";
                return code == CURLE_SSL_CONNECT_ERROR ? "see what openssl s_client -connect says to this server"
                                                       : NULL;
        case CURLE_SSL_CERTPROBLEM:
                return "give a client's certificate and key that are readable PEM and belong together";
        case CURLE_SSL_CACERT_BADFILE:
                return "give a readable PEM file of the authorities that sign the server's certificate as ca_file";
        case CURLE_PEER_FAILED_VERIFICATION:
                if (strstr(why, "subject name") != NULL)
                        return "reach the server by a name that its certificate holds, or have it issued for this one";
                if (strstr(why, "expired") != NULL || strstr(why, "not yet valid") != NULL)
                        return "renew the server's certificate, or set the clock of this machine right";
                return "give the authority that signed the server's certificate as ca_file";
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_INVALIDCERTSTATUS:
                return "see what openssl s_client -connect says to this server";
        default:
                return NULL;
        }
}

/* Why no answer came, in our words and libcurl's. */
static void
transfer_error(struct transfer *transfer, CURLcode code)
{
        struct error *err = &transfer->answer->error;
        enum reason reason = REASON_PROTOCOL;
        const char *why = transfer->reason[0] != '\0' ? transfer->reason : curl_easy_strerror(code);
        const char *remedy = tls_remedy(code, why);

        switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
                reason = REASON_UNREACHABLE;
                break;
        case CURLE_OPERATION_TIMEDOUT:
                reason = REASON_TIMEOUT;
                break;
        case CURLE_OUT_OF_MEMORY:
                reason = REASON_INTERNAL;
                break;
        default:
                break;
        }
        if (transfer->too_large)
                error_set(err, REASON_PROTOCOL, "the answer is larger than %zu bytes", transfer->http->options.largest);
        else if (transfer->refused)
                error_set(err, REASON_PROTOCOL, "the answer could not be used");
        else
                error_set(err, remedy != NULL ? REASON_TLS : reason, "%s", why);
        if (remedy != NULL)
                error_remedy(err, "%s", remedy);
        else if (err->reason == REASON_TIMEOUT)
                error_remedy(err,
                             "see why the server is slow, or give the target a longer timeout: one answer has half "
                             "of what is left of it");
}

static void
answer_fill(struct transfer *transfer)
{
        struct http_answer *answer = transfer->answer;
        char *type = NULL;
        curl_off_t wire = 0;
        long status = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
        curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
        answer->status = (int)status;
        answer->wire_bytes = (size_t)wire;
        if (type != NULL) {
                answer->content_type = strndup(type, strcspn(type, "; "));
                for (char *c = answer->content_type; c != NULL && *c != '\0'; c++)
                        *c = (char)tolower((unsigned char)*c);
        }
        answer->headers = buffer_take(&transfer->header_text);
        scoped_string date = http_header(answer, "Date");
        time_t seconds = date != NULL ? curl_getdate(date, NULL) : -1;
        answer->date_ms = seconds > 0 ? (int64_t)seconds * 1000 : 0;
}

/* How long to wait before trying again, or -1 when this one is over. */
static int64_t
retry_after(const struct transfer *transfer, CURLcode code)
{
        const struct http_request *request = transfer->request;
        struct http_answer *answer = transfer->answer;
        int64_t wait = 200LL << answer->attempts;

        if (answer->attempts >= transfer->http->options.attempts || request->body != NULL ||
            (request->receive != NULL && transfer->body_bytes > 0 && answer->status < 300) || transfer->too_large)
                return -1;
        if (code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_HTTP2 ||
            code == CURLE_HTTP2_STREAM)
                return wait;
        if (code != CURLE_OK || (answer->status != 429 && (answer->status < 502 || answer->status > 504)))
                return -1;
        curl_off_t asked = 0; /* seconds; libcurl reads both forms of Retry-After */
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &asked);
        if (asked > 0)
                wait = (int64_t)asked * 1000;
        return wait > RETRY_LONGEST_MS ? -1 : wait;
}

void
transfer_finish(struct transfer *transfer, CURLcode code, const struct deadline *deadline)
{
        struct http_answer *answer = transfer->answer;

        answer_fill(transfer);
        int64_t wait = retry_after(transfer, code);
        bool again = wait >= 0 && wait < deadline_left_ms(deadline);
        if (code != CURLE_OK && !again)
                transfer_error(transfer, code);
        transfer_stop(transfer);
        if (!again) {
                transfer->state = DONE;
                return;
        }
        http_answer_free(answer);
        answer->status = 0;
        transfer->body_bytes = 0;
        transfer->reason[0] = '\0';
        transfer->not_before_ms = monotonic_ms() + wait;
        transfer->state = WAITING;
}
