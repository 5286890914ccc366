/* TCP, TLS and Unix sockets under deadlines. */

#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolve.h"
#include "scope.h"

enum { ADDRESSES_MOST = 16 };

struct transport {
        int fd;
        SSL_CTX *context;
        SSL *ssl; /* NULL: plain */
        char peer[300];
};

const char *
transport_peer(const struct transport *transport)
{
        return transport->peer;
}

void
transport_close(struct transport *transport)
{
        if (transport == NULL)
                return;
        if (transport->ssl != NULL && SSL_is_init_finished(transport->ssl))
                SSL_shutdown(transport->ssl); /* one way: nobody waits for the answer */
        SSL_free(transport->ssl);
        SSL_CTX_free(transport->context);
        if (transport->fd >= 0)
                close(transport->fd);
        ERR_clear_error();
        free(transport);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static int
wait_for(int fd, short events, const struct deadline *deadline, struct error *err)
{
        struct pollfd ready = {.fd = fd, .events = events};

        return deadline_poll(deadline, &ready, 1, err) < 0 ? -1 : 0;
}

static int
connect_to(struct transport *transport, const struct sockaddr *address, socklen_t size, const struct deadline *deadline,
           struct error *err)
{
        const int one = 1;
        int failed = 0;
        socklen_t length = sizeof failed;

        transport->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (transport->fd < 0)
                return error_set(err, REASON_INTERNAL, "socket: %s", strerror(errno));
        if (address->sa_family != AF_UNIX)
                setsockopt(transport->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(transport->fd, address, size) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return error_set(err, REASON_UNREACHABLE, "%s", strerror(errno));
        if (wait_for(transport->fd, POLLOUT, deadline, err) != 0)
                return -1;
        getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &failed, &length);
        return failed == 0 ? 0 : error_set(err, REASON_UNREACHABLE, "%s", strerror(failed));
}

static int
connect_unix(struct transport *transport, const char *path, const struct deadline *deadline, struct error *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(transport->peer, sizeof transport->peer, "%s", path);
        if (strlen(path) >= sizeof address.sun_path)
                return error_set(err, REASON_CONFIGURATION, "the path of the socket is too long");
        strcpy(address.sun_path, path);
        return connect_to(transport, (struct sockaddr *)&address, sizeof address, deadline, err);
}

/* The address of a numeric host and port. */
static int
numeric(const char *address, const char *port, struct sockaddr_storage *out, socklen_t *length)
{
        const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
        struct addrinfo *found;

        if (getaddrinfo(address, port, &hints, &found) != 0)
                return -1;
        memcpy(out, found->ai_addr, found->ai_addrlen);
        *length = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}

/* The addresses in turn, each with a fair share of what is left, so that one that swallows packets does not eat it all.
 */
static int
connect_tcp(struct transport *transport, const struct transport_options *options, const struct deadline *deadline,
            struct error *err)
{
        struct resolved addresses[ADDRESSES_MOST];
        size_t count;
        int result = -1;

        if (resolve_name(options->host, deadline, addresses, ADDRESSES_MOST, &count, err) != 0)
                return -1;
        for (size_t i = 0; i < count && result != 0; i++) {
                struct sockaddr_storage address;
                socklen_t length;
                struct deadline part = deadline_within(*deadline, deadline_left_ms(deadline) / (int64_t)(count - i));
                const char *text = addresses[i].address;
                snprintf(transport->peer, sizeof transport->peer, strchr(text, ':') != NULL ? "[%s]:%s" : "%s:%s", text,
                         options->port);
                if (numeric(text, options->port, &address, &length) != 0)
                        return error_set(err, REASON_CONFIGURATION, "\"%s\" is no port", options->port);
                result = connect_to(transport, (struct sockaddr *)&address, length, &part, err);
                if (result != 0 && transport->fd >= 0) {
                        close(transport->fd);
                        transport->fd = -1;
                }
        }
        return result;
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static int
tls_error(SSL *ssl, const char *what, struct error *err)
{
        unsigned long code = ERR_peek_last_error();
        long verdict = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
        char text[256] = "the connection was closed";

        if (verdict != X509_V_OK)
                snprintf(text, sizeof text, "%s", X509_verify_cert_error_string(verdict));
        else if (code != 0)
                ERR_error_string_n(code, text, sizeof text);
        ERR_clear_error();
        return error_set(err, REASON_TLS, "%s: %s", what, text);
}

static int
tls_context(struct transport *transport, const struct transport_options *options, struct error *err)
{
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());

        if (context == NULL)
                return error_memory(err, "TLS");
        transport->context = context;
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_mode(context,
                         SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        int loaded = options->ca_file != NULL ? SSL_CTX_load_verify_file(context, options->ca_file)
                                              : SSL_CTX_set_default_verify_paths(context);
        if (loaded != 1) {
                ERR_clear_error();
                return error_set(err, REASON_CONFIGURATION, "%s: this is no file of certificates",
                                 options->ca_file != NULL ? options->ca_file : "the system's store");
        }
        if (options->certificate_file == NULL)
                return 0;
        const char *key = options->key_file != NULL ? options->key_file : options->certificate_file;
        if (SSL_CTX_use_certificate_chain_file(context, options->certificate_file) != 1 ||
            SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_check_private_key(context) != 1) {
                ERR_clear_error();
                return error_set(err, REASON_CONFIGURATION, "%s and %s are no certificate with its key",
                                 options->certificate_file, key);
        }
        return 0;
}

/* What OpenSSL waits for; -1 when it does not wait but failed. */
static int
tls_wait(struct transport *transport, int result, const char *what, const struct deadline *deadline, struct error *err)
{
        switch (SSL_get_error(transport->ssl, result)) {
        case SSL_ERROR_WANT_READ:
                return wait_for(transport->fd, POLLIN, deadline, err);
        case SSL_ERROR_WANT_WRITE:
                return wait_for(transport->fd, POLLOUT, deadline, err);
        case SSL_ERROR_ZERO_RETURN:
                return error_set(err, REASON_UNREACHABLE, "the server closed the connection");
        default:
                return tls_error(transport->ssl, what, err);
        }
}

static int
tls_start(struct transport *transport, const struct transport_options *options, const struct deadline *deadline,
          struct error *err)
{
        const char *name = options->server_name != NULL ? options->server_name : options->host;
        unsigned char address[16];
        int result;

        if (tls_context(transport, options, err) != 0)
                return -1;
        transport->ssl = SSL_new(transport->context);
        if (transport->ssl == NULL || SSL_set_fd(transport->ssl, transport->fd) != 1)
                return error_memory(err, "TLS");
        if (name != NULL) {
                /* An address is verified as one, and is never sent as SNI (RFC 6066, section 3). */
                if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
                        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(transport->ssl), name);
                else if (SSL_set_tlsext_host_name(transport->ssl, name) != 1 ||
                         SSL_set1_host(transport->ssl, name) != 1)
                        return error_memory(err, "TLS");
        }
        SSL_set_verify(transport->ssl, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        while ((result = SSL_connect(transport->ssl)) != 1) {
                if (tls_wait(transport, result, "TLS handshake", deadline, err) != 0) {
                        if (err->reason == REASON_TLS)
                                error_remedy(
                                        err,
                                        "check ca_file, the server's name, and the client certificate it may ask for");
                        return -1;
                }
        }
        return 0;
}

int
transport_open(const struct transport_options *options, const struct deadline *deadline, struct transport **out,
               struct error *err)
{
        struct error ignored;
        struct transport *transport = calloc(1, sizeof *transport);

        if (err == NULL)
                err = &ignored;
        if (transport == NULL)
                return error_memory(err, "connection");
        transport->fd = -1;
        int result = options->unix_path != NULL ? connect_unix(transport, options->unix_path, deadline, err)
                                                : connect_tcp(transport, options, deadline, err);
        if (result == 0 && options->tls)
                result = tls_start(transport, options, deadline, err);
        if (result == 0) {
                *out = transport;
                return 0;
        }
        if (options->unix_path != NULL)
                error_wrap(err, "%s", options->unix_path);
        else
                error_wrap(err, "%s:%s", options->host, options->port);
        transport_close(transport);
        return -1;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

ssize_t
transport_read(struct transport *transport, void *bytes, size_t size, const struct deadline *deadline,
               struct error *err)
{
        for (;;) {
                if (transport->ssl != NULL) {
                        size_t got;
                        int result = SSL_read_ex(transport->ssl, bytes, size, &got);
                        if (result == 1)
                                return (ssize_t)got;
                        if (tls_wait(transport, result, "TLS", deadline, err) != 0)
                                return -1;
                        continue;
                }
                ssize_t got = recv(transport->fd, bytes, size, 0);
                if (got > 0)
                        return got;
                if (got == 0)
                        return error_set(err, REASON_UNREACHABLE, "the server closed the connection");
                if (errno != EAGAIN && errno != EINTR)
                        return error_set(err, REASON_UNREACHABLE, "%s", strerror(errno));
                if (wait_for(transport->fd, POLLIN, deadline, err) != 0)
                        return -1;
        }
}

int
transport_write(struct transport *transport, const void *bytes, size_t length, const struct deadline *deadline,
                struct error *err)
{
        const char *at = bytes;

        while (length > 0) {
                size_t sent = 0;
                if (transport->ssl != NULL) {
                        int result = SSL_write_ex(transport->ssl, at, length, &sent);
                        if (result != 1 && tls_wait(transport, result, "TLS", deadline, err) != 0)
                                return -1;
                        if (result != 1)
                                continue;
                } else {
                        ssize_t wrote = send(transport->fd, at, length, MSG_NOSIGNAL);
                        if (wrote < 0 && errno != EAGAIN && errno != EINTR)
                                return error_set(err, REASON_UNREACHABLE, "%s", strerror(errno));
                        if (wrote < 0) {
                                if (wait_for(transport->fd, POLLOUT, deadline, err) != 0)
                                        return -1;
                                continue;
                        }
                        sent = (size_t)wrote;
                }
                at += sent;
                length -= sent;
        }
        return 0;
}
