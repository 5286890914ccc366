/* SNTP client. */

#include "sntp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "moment.h"
#include "resolve.h"
#include "scope.h"

enum { TRIES = 3, TRY_MS = 1500, SERVERS_MOST = 16, ADDRESSES_MOST = 16 };
static const double GOOD_ENOUGH_MS = 250; /* a wider bound is worth another try */
static const double MINDISP_MS = 5;       /* RFC 5905, section 7.2: no server is known better than that */

/* --- one packet -------------------------------------------------------------------------------------------------- */

static uint32_t
word_at(const unsigned char *packet, size_t at)
{
        return (uint32_t)packet[at] << 24 | (uint32_t)packet[at + 1] << 16 | (uint32_t)packet[at + 2] << 8 |
               packet[at + 3];
}

/* A 64-bit time stamp in milliseconds since 1970; era 1 begins in 2036 (RFC 4330, section 3). */
static double
stamp_ms(const unsigned char *packet, size_t at)
{
        const double unix_epoch = 2208988800.0, era = 4294967296.0;
        double seconds = word_at(packet, at);

        if (seconds < 2147483648.0)
                seconds += era;
        return (seconds - unix_epoch) * 1000 + (double)word_at(packet, at + 4) * 1000 / era;
}

/* A 32-bit fixed-point number of seconds (16.16) in milliseconds. */
static double
short_ms(const unsigned char *packet, size_t at)
{
        return (double)word_at(packet, at) * 1000 / 65536;
}

static int
kiss_of_death(const unsigned char *packet, struct error *err)
{
        char code[5];

        for (size_t i = 0; i < 4; i++)
                code[i] = packet[12 + i] >= 'A' && packet[12 + i] <= 'Z' ? (char)packet[12 + i] : '.';
        code[4] = '\0';
        error_set(err, REASON_UNREACHABLE, "the server refuses to say the time (%s)", code);
        return error_remedy(err, strcmp(code, "RATE") == 0
                                         ? "ask it less often, or name another server"
                                         : "allow this machine in the server's access list, or name another");
}

int
sntp_read(const unsigned char *packet, size_t length, uint64_t nonce, double sent_ms, double received_ms,
          struct sntp_sample *sample, struct error *err)
{
        if (length < SNTP_PACKET)
                return error_set(err, REASON_PROTOCOL, "an answer of %zu bytes is no NTP packet", length);
        unsigned leap = packet[0] >> 6, version = packet[0] >> 3 & 7, mode = packet[0] & 7, stratum = packet[1];
        uint64_t origin = (uint64_t)word_at(packet, 24) << 32 | word_at(packet, 28);
        if (mode != 4 || version < 1 || version > 4)
                return error_set(err, REASON_PROTOCOL, "the answer is no NTP server's (version %u, mode %u)", version,
                                 mode);
        if (origin != nonce)
                return error_set(err, REASON_PROTOCOL, "the answer is not to the question that was asked");
        if (stratum == 0)
                return kiss_of_death(packet, err);
        if (leap == 3 || stratum > 15 || (word_at(packet, 40) | word_at(packet, 44)) == 0) {
                error_set(err, REASON_UNREACHABLE, "the server is not synchronised itself (stratum %u)", stratum);
                return error_remedy(err, "look at the server's own sources (chronyc sources), or name another server");
        }
        double received_there = stamp_ms(packet, 32), sent_there = stamp_ms(packet, 40);
        double delay = (received_ms - sent_ms) - (sent_there - received_there);
        sample->offset_ms = ((received_there - sent_ms) + (sent_there - received_ms)) / 2;
        sample->bound_ms = fmax(MINDISP_MS, fmax(delay, 0) / 2 + short_ms(packet, 4) / 2 + short_ms(packet, 8));
        sample->stratum = (int)stratum;
        return 0;
}

/* --- one server -------------------------------------------------------------------------------------------------- */

static void
server_part(const char *server, char *host, size_t size, char port[8])
{
        const char *bracket = *server == '[' ? strchr(server, ']') : NULL, *colon = strrchr(server, ':');

        strcpy(port, "123");
        if (bracket != NULL) {
                snprintf(host, size, "%.*s", (int)(bracket - server - 1), server + 1);
                if (bracket[1] == ':')
                        snprintf(port, 8, "%.7s", bracket + 2);
        } else if (colon != NULL && strchr(server, ':') == colon) {
                snprintf(host, size, "%.*s", (int)(colon - server), server);
                snprintf(port, 8, "%.7s", colon + 1);
        } else {
                snprintf(host, size, "%s", server);
        }
}

static int
socket_to(const char *address, const char *port, struct error *err)
{
        struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM}, *found = NULL;

        if (getaddrinfo(address, port, &hints, &found) != 0)
                return error_set(err, REASON_CONFIGURATION, "%s:%s is no address and port", address, port);
        int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
                error_set(err, REASON_UNREACHABLE, "%s: %s", address, strerror(errno));
                if (fd >= 0)
                        close(fd);
                fd = -1;
        }
        freeaddrinfo(found);
        return fd;
}

/* One question and its answer.  The transmit time stamp is random: it needs to say nothing, and nobody can guess it. */
static int
exchange(int fd, const struct deadline *deadline, struct sntp_sample *sample, struct error *err)
{
        unsigned char packet[SNTP_PACKET] = {0}, answer[512];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        struct deadline limit = deadline_within(*deadline, TRY_MS);
        uint64_t nonce = 0;

        if (getrandom(&nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce || nonce == 0)
                return error_set(err, REASON_INTERNAL, "no random numbers");
        packet[0] = 4 << 3 | 3;
        for (size_t i = 0; i < 8; i++)
                packet[40 + i] = (unsigned char)(nonce >> (56 - 8 * i));
        double sent_ms = moment_now_fine();
        if (send(fd, packet, sizeof packet, 0) != (ssize_t)sizeof packet)
                return error_set(err, REASON_UNREACHABLE, "%s", strerror(errno));
        for (;;) {
                if (deadline_poll(&limit, &wait, 1, err) < 0)
                        return -1;
                ssize_t got = recv(fd, answer, sizeof answer, 0);
                double received_ms = moment_now_fine();
                if (got < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                if (got < 0)
                        return error_set(err, REASON_UNREACHABLE, "%s", strerror(errno));
                /* A stray answer to an earlier try is no answer to this one: go on waiting. */
                if (sntp_read(answer, (size_t)got, nonce, sent_ms, received_ms, sample, err) == 0)
                        return 0;
                if (err->reason != REASON_PROTOCOL)
                        return -1;
        }
}

int
sntp_ask(const char *server, const struct deadline *deadline, struct sntp_sample *sample, struct error *err)
{
        struct resolved addresses[ADDRESSES_MOST];
        struct sntp_sample best = {.bound_ms = INFINITY}, now;
        char host[280], port[8];
        size_t count;

        server_part(server, host, sizeof host, port);
        if (resolve_name(host, deadline, addresses, ADDRESSES_MOST, &count, err) != 0)
                return error_wrap(err, "%s", server);
        for (size_t i = 0; i < count && isinf(best.bound_ms); i++) {
                scoped(scope_close) int fd = socket_to(addresses[i].address, port, err);
                for (int try = 0; fd >= 0 && try < TRIES && best.bound_ms > GOOD_ENOUGH_MS; try++) {
                        if (exchange(fd, deadline, &now, err) != 0) {
                                if (err->reason == REASON_INTERRUPTED || deadline_left_ms(deadline) == 0)
                                        break;
                                continue;
                        }
                        if (now.bound_ms < best.bound_ms) {
                                best = now;
                                snprintf(best.address, sizeof best.address, "%s", addresses[i].address);
                        }
                }
        }
        if (isinf(best.bound_ms)) {
                if (err->reason == REASON_TIMEOUT)
                        error_remedy(err, "check that UDP port %s is open to it, or name another server", port);
                return error_wrap(err, "%s", server);
        }
        *sample = best;
        snprintf(sample->server, sizeof sample->server, "%s", server);
        return 0;
}

/* --- the reference ------------------------------------------------------------------------------------------------ */

size_t
sntp_agree(const struct sntp_sample *samples, size_t count, double *offset_ms, double *bound_ms)
{
        size_t most = 0;

        /* Few servers: at each lower edge, how many intervals hold it, and where the first of them ends. */
        for (size_t i = 0; i < count; i++) {
                double low = samples[i].offset_ms - samples[i].bound_ms, high = INFINITY;
                size_t shared = 0;
                for (size_t k = 0; k < count; k++) {
                        double other_low = samples[k].offset_ms - samples[k].bound_ms,
                               other_high = samples[k].offset_ms + samples[k].bound_ms;
                        if (other_low > low || other_high < low)
                                continue;
                        shared++;
                        high = fmin(high, other_high);
                }
                if (shared > most || (shared == most && high - low < 2 * *bound_ms)) {
                        most = shared;
                        *offset_ms = (low + high) / 2;
                        *bound_ms = (high - low) / 2;
                }
        }
        return most;
}

static const struct target *
reference_target(const struct session *session)
{
        if (session->target->kind == &kind_ntp)
                return session->target;
        for (size_t i = 0; session->targets != NULL && session->targets[i] != NULL; i++) {
                if (session->targets[i]->kind == &kind_ntp)
                        return session->targets[i];
        }
        return NULL;
}

/* What the kernel keeps of how far its clock may be off (ntp_adjtime(2), reading only). */
static void
kernel_reference(json_t *out)
{
        struct timex state = {.modes = 0};
        int result = ntp_adjtime(&state);
        bool disciplined = result >= 0 && result != TIME_ERROR && !(state.status & STA_UNSYNC);

        json_put_text(out, "source", disciplined ? "kernel" : "none");
        json_put_real(out, "offset_ms", disciplined ? 0 : NAN);
        json_put_real(out, "bound_ms", disciplined ? (double)state.maxerror / 1000 : NAN);
}

static void
server_row(json_t *rows, const char *server, const struct sntp_sample *sample, const struct error *err)
{
        json_t *row = json_push(rows, json_object());

        json_put_text(row, "name", server);
        if (sample != NULL) {
                json_put_text(row, "address", sample->address);
                json_put_real(row, "offset_ms", sample->offset_ms);
                json_put_real(row, "bound_ms", sample->bound_ms);
                json_put_whole(row, "stratum", sample->stratum);
        } else {
                json_put_text(row, "reason", reason_name(err->reason));
                json_put_text(row, "text", err->text);
                json_put_text(row, "remedy", err->remedy);
        }
}

int
sntp_reference(struct session *session, json_t **out, struct error *err)
{
        const struct target *target = reference_target(session);
        const json_t *servers = target != NULL ? target_value(target, "servers") : NULL;
        scoped_json reference = json_object();
        json_t *rows = json_array();
        struct sntp_sample samples[SERVERS_MOST];
        size_t count = 0;

        if (json_put(reference, "servers", rows) != 0)
                return error_memory(err, "the reference clock");
        for (size_t i = 0; i < json_array_size(servers) && i < SERVERS_MOST; i++) {
                const char *server = json_string_value(json_array_get(servers, i));
                struct error failed = {0};
                if (server == NULL)
                        continue;
                bool told = sntp_ask(server, &session->deadline, &samples[count], &failed) == 0;
                server_row(rows, server, told ? &samples[count] : NULL, &failed);
                count += told;
                /* For another target's sake one answer is enough: time servers are asked sparingly. */
                if (told && target != session->target)
                        break;
        }
        json_put_text(reference, "target", target != NULL ? target->name : "");
        if (count > 0) {
                double offset_ms = 0, bound_ms = INFINITY;
                size_t agree = sntp_agree(samples, count, &offset_ms, &bound_ms);
                json_put_text(reference, "source", "ntp");
                json_put_real(reference, "offset_ms", offset_ms);
                json_put_real(reference, "bound_ms", bound_ms);
                json_put_whole(reference, "agree", (int64_t)agree);
                json_put_whole(reference, "of", (int64_t)count);
        } else {
                kernel_reference(reference);
        }
        *out = scope_keep(reference);
        return 0;
}

/* --- the kind ------------------------------------------------------------------------------------------------------
 */

static int
ntp_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const json_t *servers = target_value(session->target, "servers");
        struct sntp_sample sample = {.stratum = 0};

        for (size_t i = 0; i < json_array_size(servers); i++) {
                const char *name = json_string_value(json_array_get(servers, i));
                if (name != NULL && sntp_ask(name, &session->deadline, &sample, err) != 0)
                        return -1;
        }
        snprintf(server, size, "NTP, stratum %d", sample.stratum);
        return 0;
}

static const struct setting settings[] = {
        {.name = "servers",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .required = true,
         .words = "time servers, as host or host:port; several are better than one"},
        {.type = SETTING_END},
};

const struct target_kind kind_ntp = {
        .name = "ntp",
        .words = "time servers: the reference that all clocks are held against",
        .settings = settings,
        .connect = ntp_connect,
};
