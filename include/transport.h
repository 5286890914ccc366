/* A byte stream to a server: TCP, TLS over TCP, or a Unix socket, every wait under a deadline.
 *
 * For protocols whose own library has no TLS or no deadlines.  One transport belongs to one thread. */
#ifndef ROUNDS_TRANSPORT_H
#define ROUNDS_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "deadline.h"
#include "error.h"

struct transport_options {
        const char *host;      /* name or address; every address it has is tried in turn */
        const char *port;      /* decimal */
        const char *unix_path; /* instead of host and port */
        bool tls;
        const char *ca_file;                     /* NULL: the system's store */
        const char *certificate_file, *key_file; /* client certificate (PEM); NULL: none */
        const char *server_name;                 /* verified and sent as SNI; NULL: host */
        bool insecure;                           /* do not verify; the target's configuration must ask for it */
};

struct transport;

/* REASON_UNREACHABLE, _TIMEOUT, _TLS or _CONFIGURATION (a file); the text begins with "host:port". */
int transport_open(const struct transport_options *options, const struct deadline *deadline, struct transport **out,
                   struct error *err) __attribute__((warn_unused_result));
void transport_close(struct transport *transport);

/* Bytes read (at least 1), or -1: REASON_UNREACHABLE "the server closed the connection" at the end of the stream. */
ssize_t transport_read(struct transport *transport, void *bytes, size_t size, const struct deadline *deadline,
                       struct error *err) __attribute__((warn_unused_result));

/* All of it, or -1. */
int transport_write(struct transport *transport, const void *bytes, size_t length, const struct deadline *deadline,
                    struct error *err) __attribute__((warn_unused_result));

/* "127.0.0.1:6379" or the socket's path: what was really connected to. */
const char *transport_peer(const struct transport *transport);

#endif
