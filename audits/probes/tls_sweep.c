/* The sweep: a few threads, each with an epoll set, take places from one list. */

#include "tls_sweep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "json.h"
#include "scope.h"
#include "tls_seen.h"

/* A call holds some 50 KiB while its handshake lasts: 512 of them are 25 MiB. */
enum { THREADS_MOST = 4, AT_ONCE = 256, EVENTS = 128, SAID_LARGEST = 64 * 1024 };

enum phase { PHASE_CONNECT, PHASE_WORDS, PHASE_HANDSHAKE };

/* One connection under way; in its worker's list from the oldest to the newest, which is the order of deadlines. */
struct call {
        struct tls_place *place;
        struct call *older, *newer;
        int64_t until_ms;
        SSL *ssl; /* made when the server answered: those that do not, cost little */
        struct starttls words;
        struct buffer in, out;
        enum phase phase;
        int fd;
        bool asked;     /* for a client certificate */
        bool words_end; /* TLS begins as soon as `out` is sent */
};

struct crew {
        struct tls_sweep *sweep;
        const struct deadline *deadline;
        struct tls_album album;
        atomic_size_t next;
        size_t at_once; /* calls per worker */
};

struct worker {
        struct crew *crew;
        pthread_t thread;
        OSSL_LIB_CTX *library;
        SSL_CTX *context;
        struct call *oldest, *newest;
        size_t under_way;
        int epoll;
};

/* --- one call ----------------------------------------------------------------------------------------------------- */

static void
call_end(struct worker *worker, struct call *call)
{
        *(call->older != NULL ? &call->older->newer : &worker->oldest) = call->newer;
        *(call->newer != NULL ? &call->newer->older : &worker->newest) = call->older;
        worker->under_way--;
        SSL_free(call->ssl);
        if (call->fd >= 0)
                close(call->fd);
        buffer_free(&call->in);
        buffer_free(&call->out);
        free(call);
}

static void
call_fail(struct worker *worker, struct call *call, const struct error *why)
{
        call->place->error = *why;
        error_wrap(&call->place->error, "%s", call->place->endpoint->text);
        call_end(worker, call);
}

/* "10.0.0.7: ", or nothing where the endpoint itself says so. */
static const char *
at_address(const struct tls_place *place, char text[RESOLVE_TEXT + 2])
{
        bool said = strcmp(place->endpoint->host, place->address.address) == 0;

        snprintf(text, RESOLVE_TEXT + 2, said ? "%.0s" : "%s: ", place->address.address);
        return text;
}

static void
call_refused(struct worker *worker, struct call *call, int number)
{
        struct error err;
        char at[RESOLVE_TEXT + 2];

        error_set(&err, REASON_UNREACHABLE, "%s%s", at_address(call->place, at), strerror(number));
        if (number == ENETUNREACH || number == EAFNOSUPPORT)
                error_remedy(&err, "this machine has no route there; without IPv6 set the target's addresses to ipv4");
        else
                error_remedy(&err,
                             "check that the service runs, that the port is right and that no firewall stands between");
        call_fail(worker, call, &err);
}

static void
call_late(struct worker *worker, struct call *call)
{
        static const char *const waited[] = {"it does not accept the connection",
                                             "it does not answer the words before TLS",
                                             "it does not finish the TLS handshake"};
        struct error err;
        char at[RESOLVE_TEXT + 2];

        error_set(&err, REASON_TIMEOUT, "%s%s in time", at_address(call->place, at), waited[call->phase]);
        error_remedy(&err, "check that this port speaks TLS, or raise the target's connect_timeout");
        call_fail(worker, call, &err);
}

static int
call_watch(struct worker *worker, struct call *call, uint32_t events)
{
        struct epoll_event event = {.events = events, .data.ptr = call};

        return epoll_ctl(worker->epoll, EPOLL_CTL_MOD, call->fd, &event);
}

static void
call_seen(struct worker *worker, struct call *call, const char *broken)
{
        struct crew *crew = worker->crew;
        json_t *row = tls_seen(call->ssl, call->place->endpoint, crew->sweep->trust, &crew->album);

        if (row == NULL) {
                struct error err;
                char at[RESOLVE_TEXT + 2];
                error_set(&err, REASON_TLS, "%s%s", at_address(call->place, at),
                          broken[0] != '\0' ? broken : "the server shows no certificate");
                error_remedy(&err, "see what it says to openssl s_client -connect %s:%s", call->place->endpoint->host,
                             call->place->endpoint->port);
                call_fail(worker, call, &err);
                return;
        }
        json_put_flag(row, "asks_client", call->asked);
        json_put_text(row, "handshake", broken);
        call->place->row = row;
        call->place->error.reason = REASON_NONE;
        if (broken[0] == '\0')
                SSL_shutdown(call->ssl);
        ERR_clear_error();
        call_end(worker, call);
}

static void
call_handshake(struct worker *worker, struct call *call)
{
        ERR_clear_error();
        errno = 0;
        int result = SSL_connect(call->ssl);
        int saved = errno, want = SSL_get_error(call->ssl, result);

        if (result == 1) {
                call_seen(worker, call, "");
        } else if (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE) {
                if (call_watch(worker, call, want == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT) != 0)
                        call_refused(worker, call, errno);
        } else {
                const char *why = ERR_reason_error_string(ERR_peek_last_error());
                char text[160];
                snprintf(text, sizeof text, "the TLS handshake fails: %s",
                         why != NULL  ? why
                         : saved != 0 ? strerror(saved)
                                      : "the server closes the connection");
                call_seen(worker, call, text);
        }
}

/* Asked for a client certificate: shows the one of the context if there is one, and remembers. */
static int
asked(SSL *ssl, void *context)
{
        (void)context;
        struct call *call = SSL_get_app_data(ssl);

        call->asked = true;
        return 1;
}

static void
call_begin_tls(struct worker *worker, struct call *call)
{
        const struct tls_endpoint *endpoint = call->place->endpoint;
        const char *name = endpoint->server_name[0] != '\0' ? endpoint->server_name : endpoint->host;
        unsigned char numeric[sizeof(struct in6_addr)];
        struct error err;

        call->phase = PHASE_HANDSHAKE;
        call->ssl = SSL_new(worker->context);
        if (call->ssl == NULL || SSL_set_fd(call->ssl, call->fd) != 1) {
                error_memory(&err, "TLS");
                call_fail(worker, call, &err);
                return;
        }
        SSL_set_app_data(call->ssl, call);
        SSL_set_cert_cb(call->ssl, asked, NULL);
        SSL_set_tlsext_status_type(call->ssl, TLSEXT_STATUSTYPE_ocsp);
        if (inet_pton(AF_INET, name, numeric) != 1 && inet_pton(AF_INET6, name, numeric) != 1)
                SSL_set_tlsext_host_name(call->ssl, name);
        call_handshake(worker, call);
}

/* Sends what is to be sent; -1 when the call has ended. */
static int
call_send(struct worker *worker, struct call *call)
{
        while (call->out.length > 0) {
                ssize_t sent = send(call->fd, call->out.data, call->out.length, MSG_NOSIGNAL);
                if (sent < 0 && (errno == EAGAIN || errno == EINTR))
                        break;
                if (sent < 0) {
                        call_refused(worker, call, errno);
                        return -1;
                }
                buffer_drop(&call->out, (size_t)sent);
        }
        if (call_watch(worker, call, call->out.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0)
                return 0;
        call_refused(worker, call, errno);
        return -1;
}

static void
call_words(struct worker *worker, struct call *call)
{
        char bytes[4096];
        struct error err = {0};
        bool over = false;

        if (call->out.length > 0 && call_send(worker, call) != 0)
                return;
        if (call->words_end) {
                if (call->out.length == 0)
                        call_begin_tls(worker, call);
                return;
        }
        if (call->words.step > 0) {
                ssize_t got = recv(call->fd, bytes, sizeof bytes, 0);
                if (got < 0 && errno != EAGAIN && errno != EINTR) {
                        call_refused(worker, call, errno);
                        return;
                }
                over = got == 0;
                if (got > 0 && buffer_add(&call->in, bytes, (size_t)got) != 0) {
                        error_set(&err, REASON_PROTOCOL, "it talks without end before TLS");
                        call_fail(worker, call, &err);
                        return;
                }
                if (got < 0)
                        return;
        }
        enum starttls_result result = over ? STARTTLS_WAIT : starttls_step(&call->words, &call->in, &call->out, &err);
        if (over) {
                error_set(&err, REASON_PROTOCOL, "the server closes the connection before TLS");
                result = STARTTLS_FAIL;
        }
        if (result == STARTTLS_FAIL) {
                call_fail(worker, call, &err);
                return;
        }
        call->words_end = result == STARTTLS_DONE;
        if (call_send(worker, call) == 0 && call->words_end && call->out.length == 0)
                call_begin_tls(worker, call);
}

static void
call_go_on(struct worker *worker, struct call *call)
{
        int number = 0;
        socklen_t size = sizeof number;

        if (call->phase == PHASE_HANDSHAKE) {
                call_handshake(worker, call);
                return;
        }
        if (call->phase == PHASE_CONNECT) {
                if (getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
                        number = errno;
                if (number != 0) {
                        call_refused(worker, call, number);
                        return;
                }
                if (call->words.protocol == STARTTLS_NONE) {
                        call_begin_tls(worker, call);
                        return;
                }
                call->phase = PHASE_WORDS;
        }
        call_words(worker, call);
}

static void
call_start(struct worker *worker, struct tls_place *place)
{
        struct crew *crew = worker->crew;
        struct sockaddr_in six4 = {.sin_family = AF_INET};
        struct sockaddr_in6 six6 = {.sin6_family = AF_INET6};
        uint16_t port = htons((uint16_t)strtoul(place->endpoint->port, NULL, 10));
        struct call *call = calloc(1, sizeof *call);

        if (call == NULL) {
                error_memory(&place->error, place->endpoint->text);
                return;
        }
        call->place = place;
        call->in = call->out = BUFFER_INIT(SAID_LARGEST);
        call->words.protocol = place->endpoint->protocol;
        call->until_ms = monotonic_ms() + crew->sweep->timeout_ms;
        call->older = worker->newest;
        *(worker->newest != NULL ? &worker->newest->newer : &worker->oldest) = call;
        worker->newest = call;
        worker->under_way++;

        bool four = inet_pton(AF_INET, place->address.address, &six4.sin_addr) == 1;
        six4.sin_port = six6.sin6_port = port;
        if (!four)
                inet_pton(AF_INET6, place->address.address, &six6.sin6_addr);
        call->fd = socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = call};
        if (call->fd < 0 ||
            (connect(call->fd, four ? (struct sockaddr *)&six4 : (struct sockaddr *)&six6,
                     four ? sizeof six4 : sizeof six6) != 0 &&
             errno != EINPROGRESS) ||
            epoll_ctl(worker->epoll, EPOLL_CTL_ADD, call->fd, &event) != 0)
                call_refused(worker, call, errno);
}

/* --- the workers -------------------------------------------------------------------------------------------------- */

static void
worker_give_up(struct worker *worker)
{
        struct error err;
        bool cancelled = deadline_cancelled(worker->crew->deadline);

        while (worker->oldest != NULL) {
                if (cancelled) {
                        error_set(&err, REASON_INTERRUPTED, "the sweep was interrupted");
                        call_fail(worker, worker->oldest, &err);
                } else {
                        call_late(worker, worker->oldest);
                }
        }
}

static void
worker_expire(struct worker *worker)
{
        int64_t now = monotonic_ms();

        while (worker->oldest != NULL && worker->oldest->until_ms <= now)
                call_late(worker, worker->oldest);
}

static void
worker_fill(struct worker *worker)
{
        struct crew *crew = worker->crew;

        while (worker->under_way < crew->at_once) {
                size_t index = atomic_fetch_add(&crew->next, 1);
                if (index >= crew->sweep->count)
                        return;
                call_start(worker, &crew->sweep->places[index]);
        }
}

static void *
worker_run(void *argument)
{
        struct worker *worker = argument;
        struct crew *crew = worker->crew;
        struct epoll_event events[EVENTS];

        for (;;) {
                int left = deadline_left_ms(crew->deadline);
                if (left == 0)
                        break;
                worker_fill(worker);
                if (worker->under_way == 0)
                        break;
                int64_t first = worker->oldest->until_ms - monotonic_ms();
                int wait = first < 0 ? 0 : first < left ? (int)first : left;
                int count = epoll_wait(worker->epoll, events, EVENTS, wait < 250 ? wait : 250);
                for (int i = 0; i < count; i++)
                        call_go_on(worker, events[i].data.ptr);
                worker_expire(worker);
        }
        worker_give_up(worker);
        return NULL;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* Accepts whatever the server shows: what it is worth is judged later. */
static int
any_certificate(X509_STORE_CTX *context, void *argument)
{
        (void)context, (void)argument;
        return 1;
}

static SSL_CTX *
context_new(const struct tls_sweep *sweep, OSSL_LIB_CTX *library, struct error *err)
{
        SSL_CTX *context = SSL_CTX_new_ex(library, NULL, TLS_client_method());

        if (context == NULL) {
                error_memory(err, "TLS");
                return NULL;
        }
        SSL_CTX_set_security_level(context, 0); /* weak keys are to be seen, not to be refused */
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_cert_verify_callback(context, any_certificate, NULL);
        if (sweep->certificate_file != NULL &&
            (SSL_CTX_use_certificate_chain_file(context, sweep->certificate_file) != 1 ||
             SSL_CTX_use_PrivateKey_file(context, sweep->key_file != NULL ? sweep->key_file : sweep->certificate_file,
                                         SSL_FILETYPE_PEM) != 1)) {
                error_set(err, REASON_CONFIGURATION, "certificate_file %s and its key cannot be used: %s",
                          sweep->certificate_file, ERR_reason_error_string(ERR_peek_last_error()));
                error_remedy(err, "give a PEM certificate in certificate_file and its key in key_file");
                ERR_clear_error();
                SSL_CTX_free(context);
                return NULL;
        }
        return context;
}

/* As many descriptors as the machine allows, so that slow endpoints do not hold up the others. */
static size_t
descriptors(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
                return 256;
        rlim_t wanted = AT_ONCE + 256;
        if (limit.rlim_cur < wanted) {
                limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
                setrlimit(RLIMIT_NOFILE, &limit);
                getrlimit(RLIMIT_NOFILE, &limit);
        }
        return limit.rlim_cur > 2 * 128 ? (size_t)limit.rlim_cur - 128 : (size_t)limit.rlim_cur / 2;
}

static size_t
crew_size(size_t places)
{
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        size_t most = cores < 1 ? 1 : cores > THREADS_MOST ? THREADS_MOST : (size_t)cores;

        return places < 32 ? 1 : most;
}

/* A library context of its own for each thread: OpenSSL 3.0 takes locks of the context for each algorithm it looks up,
 * and threads that share one spend a seventh of a sweep on them. */
static int
worker_open(struct worker *worker, const struct tls_sweep *sweep, struct error *err)
{
        worker->library = OSSL_LIB_CTX_new();
        if (worker->library == NULL)
                return error_memory(err, "TLS");
        worker->context = context_new(sweep, worker->library, err);
        return worker->context != NULL ? 0 : -1;
}

static void
worker_close(struct worker *worker)
{
        SSL_CTX_free(worker->context);
        OSSL_LIB_CTX_free(worker->library);
        close(worker->epoll);
}

int
tls_sweep(struct tls_sweep *sweep, const struct deadline *deadline, struct error *err)
{
        err->reason = REASON_NONE;

        scoped_json chains = json_object();
        struct crew crew = {
                .sweep = sweep, .deadline = deadline, .album = {.certificates = sweep->certificates, .chains = chains}};
        struct worker workers[THREADS_MOST] = {{0}};
        size_t size = crew_size(sweep->count), began = 0;

        pthread_mutex_init(&crew.album.lock, NULL);
        crew.at_once = (descriptors() < AT_ONCE ? descriptors() : AT_ONCE) / size;
        for (size_t i = 0; i < sweep->count; i++)
                error_set(&sweep->places[i].error, deadline_cancelled(deadline) ? REASON_INTERRUPTED : REASON_TIMEOUT,
                          "%s: not reached before the target's time was over", sweep->places[i].endpoint->text);
        for (; began < size; began++) {
                workers[began] = (struct worker){.crew = &crew, .epoll = epoll_create1(EPOLL_CLOEXEC)};
                if (workers[began].epoll < 0)
                        break;
                if (worker_open(&workers[began], sweep, err) != 0 ||
                    pthread_create(&workers[began].thread, NULL, worker_run, &workers[began]) != 0) {
                        worker_close(&workers[began]);
                        break;
                }
        }
        for (size_t i = 0; i < began; i++) {
                pthread_join(workers[i].thread, NULL);
                worker_close(&workers[i]);
        }
        pthread_mutex_destroy(&crew.album.lock);
        if (began > 0)
                return 0;
        return err->reason != REASON_NONE ? -1
                                          : error_set(err, REASON_INTERNAL, "TLS sweep: no thread could be started");
}
