/* SNTP: what time other clocks say it is, each with its error bound.  Client mode only; nothing is set anywhere.
 *
 * Offsets are server minus this machine, in milliseconds.  Source: RFC 5905 (packet, on-wire calculations, section 8),
 * RFC 4330 section 5 (what a client must refuse), RFC 8633 (behaviour of clients: a random transmit time stamp). */
#ifndef ROUNDS_SNTP_H
#define ROUNDS_SNTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

extern const struct target_kind kind_ntp;

#define SNTP_PACKET 48

struct sntp_sample {
        char server[300]; /* as configured */
        char address[64]; /* that answered */
        double offset_ms; /* server minus this machine */
        double bound_ms;  /* half the round trip, the server's own root distance included */
        int stratum;
};

/* What one answer says.  `sent_ms` and `received_ms` are this machine's clock; `nonce` is what was put into the
 * transmit time stamp.  REASON_PROTOCOL for what is no answer to that question, REASON_UNREACHABLE for a server that is
 * not synchronised or refuses (kiss-o'-death).  Pure. */
int sntp_read(const unsigned char *packet, size_t length, uint64_t nonce, double sent_ms, double received_ms,
              struct sntp_sample *sample, struct error *err) __attribute__((warn_unused_result));

/* Asks one server ("host", "host:port", "[v6]:port"), up to three times. */
int sntp_ask(const char *server, const struct deadline *deadline, struct sntp_sample *sample, struct error *err)
        __attribute__((warn_unused_result));

/* What this machine's clock is held against: the target of kind ntp that the session is for, else the first one that is
 * configured, else this machine's own clock with the bound that its kernel keeps.  New object:
 *   {"source": "ntp" | "kernel" | "none", "target", "offset_ms", "bound_ms", "agree", "of",
 *    "servers": [{"name", "address", "offset_ms", "bound_ms", "stratum"} or {"name", "reason", "text"}]}
 * "none": no server answered and the kernel says that nothing disciplines the clock; offset and bound are null then.
 * offset_ms is the reference minus this machine; of several servers the interval that most of them share (Marzullo's
 * algorithm, RFC 5905 section 11.2.1 in small). */
int sntp_reference(struct session *session, json_t **out, struct error *err) __attribute__((warn_unused_result));

/* The interval that most of `count` intervals [offset - bound, offset + bound] share: its middle and half width;
 * returns how many share it. */
size_t sntp_agree(const struct sntp_sample *samples, size_t count, double *offset_ms, double *bound_ms);

#endif
