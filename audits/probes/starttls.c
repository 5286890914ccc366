/* The plain words before TLS. */

#include "starttls.h"

#include <string.h>
#include <strings.h>

enum { LINE_LONGEST = 4096 };

enum starttls_protocol
starttls_find(const char *name)
{
        static const struct {
                const char *name;
                enum starttls_protocol protocol;
        } rows[] = {{"postgres", STARTTLS_POSTGRES}, {"postgresql", STARTTLS_POSTGRES},
                    {"mysql", STARTTLS_MYSQL},       {"smtp", STARTTLS_SMTP},
                    {"imap", STARTTLS_IMAP},         {"pop3", STARTTLS_POP3},
                    {"ldap", STARTTLS_LDAP},         {"ftp", STARTTLS_FTP},
                    {"redis", STARTTLS_NONE},        {"https", STARTTLS_NONE},
                    {"tls", STARTTLS_NONE}};

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (strcasecmp(rows[i].name, name) == 0)
                        return rows[i].protocol;
        }
        return STARTTLS_UNKNOWN;
}

static enum starttls_result
refused(struct error *err, const char *line)
{
        error_set(err, REASON_TLS, "the server refuses to begin TLS: %.100s", line);
        error_remedy(err, "switch TLS on at the server, or sweep another port");
        return STARTTLS_FAIL;
}

static enum starttls_result
stranger(struct error *err, const char *wanted)
{
        error_set(err, REASON_PROTOCOL, "the server does not speak %s", wanted);
        error_remedy(err, "check port and protocol of the endpoint");
        return STARTTLS_FAIL;
}

/* --- one byte, one packet ------------------------------------------------------------------------------------------
 */

static enum starttls_result
postgres_step(struct starttls *state, struct buffer *in, struct buffer *out, struct error *err)
{
        static const char request[8] = {0, 0, 0, 8, 0x04, (char)0xD2, 0x16, 0x2F};

        if (state->step++ == 0) {
                buffer_add(out, request, sizeof request);
                return STARTTLS_WAIT;
        }
        if (in->length == 0)
                return STARTTLS_WAIT;
        if (in->data[0] == 'N')
                return refused(err, "ssl is off in postgresql.conf");
        if (in->data[0] != 'S' || in->length > 1) /* bytes after the S were injected before the handshake */
                return stranger(err, "PostgreSQL");
        buffer_drop(in, 1);
        return STARTTLS_DONE;
}

static enum starttls_result
mysql_step(struct starttls *state, struct buffer *in, struct buffer *out, struct error *err)
{
        /* Capabilities: PROTOCOL_41, SSL, SECURE_CONNECTION; largest packet; utf8mb4; 23 zero bytes. */
        static const char request[36] = {32, 0, 0, 1, 0x00, (char)0x8A, 0x00, 0x00, 0, 0, 0, 1, 45};

        if (state->step == 0) {
                state->step = 1;
                return STARTTLS_WAIT;
        }
        if (in->length < 5)
                return STARTTLS_WAIT;
        size_t length = (unsigned char)in->data[0] | (size_t)(unsigned char)in->data[1] << 8 |
                        (size_t)(unsigned char)in->data[2] << 16;
        if (length > 1024 || in->data[3] != 0)
                return stranger(err, "MySQL");
        if (in->length < length + 4)
                return STARTTLS_WAIT;
        if ((unsigned char)in->data[4] == 0xFF)
                return refused(err, in->length > 7 ? in->data + 7 : "the server answers with an error");
        const char *version = in->data + 5;
        size_t end = strnlen(version, length - 1);
        /* After the version: thread id, salt, filler, then the low half of the capabilities; 0x0800 is SSL. */
        size_t flags = 5 + end + 1 + 4 + 8 + 1;
        if (in->data[4] != 10 || flags + 2 > length + 4)
                return stranger(err, "MySQL");
        if (((unsigned char)in->data[flags + 1] & 0x08) == 0)
                return refused(err, "the server offers no SSL");
        buffer_drop(in, length + 4);
        buffer_add(out, request, sizeof request);
        return STARTTLS_DONE;
}

static enum starttls_result
ldap_step(struct starttls *state, struct buffer *in, struct buffer *out, struct error *err)
{
        /* LDAPMessage { 1, ExtendedRequest { requestName 1.3.6.1.4.1.1466.20037 } } */
        static const char request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                                      "1.3.6.1.4.1.1466.20037";

        if (state->step++ == 0) {
                buffer_add(out, request, sizeof request - 1);
                return STARTTLS_WAIT;
        }
        if (in->length < 2)
                return STARTTLS_WAIT;
        const unsigned char *bytes = (const unsigned char *)in->data;
        size_t header = bytes[1] < 0x80 ? 2 : 2 + (bytes[1] & 0x7Fu), length = bytes[1];
        if (bytes[0] != 0x30 || header > 6)
                return stranger(err, "LDAP");
        if (in->length < header)
                return STARTTLS_WAIT;
        for (size_t i = 2, length_so_far = 0; i < header; i++)
                length = length_so_far = length_so_far << 8 | bytes[i];
        if (length > 4096)
                return stranger(err, "LDAP");
        if (in->length < header + length)
                return STARTTLS_WAIT;
        /* messageID (02 01 01), ExtendedResponse (78 len), resultCode (0a 01 code) */
        const unsigned char *body = bytes + header;
        if (length < 8 || body[0] != 0x02 || body[3] != 0x78)
                return stranger(err, "LDAP");
        size_t skip = body[4] < 0x80 ? 5 : 5 + (body[4] & 0x7Fu);
        if (skip + 3 > length || body[skip] != 0x0A)
                return stranger(err, "LDAP");
        if (body[skip + 2] != 0)
                return refused(err, "LDAP result is not success");
        buffer_drop(in, header + length);
        return STARTTLS_DONE;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

/* A line without its end, or NULL when it is not all there; *used is what it takes. */
static const char *
line_of(struct buffer *in, size_t *used)
{
        char *end = in->length > 0 ? memchr(in->data, '\n', in->length) : NULL;

        if (end == NULL)
                return NULL;
        *used = (size_t)(end - in->data) + 1;
        *end = '\0';
        if (end > in->data && end[-1] == '\r')
                end[-1] = '\0';
        return in->data;
}

struct words {
        const char *name;
        const char *greeting; /* beginning of the server's first line */
        const char *hello;    /* then this is said; NULL: nothing */
        const char *begin;    /* then this */
        const char *good;     /* and TLS begins when the answer begins so */
        bool coded;           /* replies of several lines: "250-..." until "250 " */
};

static const struct words *
words_of(enum starttls_protocol protocol)
{
        static const struct words smtp = {"SMTP", "220", "EHLO rounds.invalid\r\n", "STARTTLS\r\n", "220", true};
        static const struct words ftp = {"FTP", "220", NULL, "AUTH TLS\r\n", "234", true};
        static const struct words imap = {"IMAP", "* ", NULL, "a1 STARTTLS\r\n", "a1 OK", false};
        static const struct words pop3 = {"POP3", "+OK", NULL, "STLS\r\n", "+OK", false};

        return protocol == STARTTLS_SMTP   ? &smtp
               : protocol == STARTTLS_FTP  ? &ftp
               : protocol == STARTTLS_IMAP ? &imap
                                           : &pop3;
}

enum { GREETING = 1, HELLO, BEGIN };

static enum starttls_result
line_step(struct starttls *state, const struct words *words, const char *line, struct buffer *out, struct error *err)
{
        bool more = words->coded && strlen(line) > 3 && line[3] == '-';

        if (words->coded && (strspn(line, "0123456789") < 3 && state->step == GREETING))
                return stranger(err, words->name);
        if (more)
                return STARTTLS_WAIT;
        switch (state->step) {
        case GREETING:
                if (strncasecmp(line, words->greeting, strlen(words->greeting)) != 0)
                        return words->coded && line[0] >= '4' && line[0] <= '5' ? refused(err, line)
                                                                                : stranger(err, words->name);
                buffer_text(out, words->hello != NULL ? words->hello : words->begin);
                state->step = words->hello != NULL ? HELLO : BEGIN;
                return STARTTLS_WAIT;
        case HELLO:
                if (line[0] != '2')
                        return refused(err, line);
                buffer_text(out, words->begin);
                state->step = BEGIN;
                return STARTTLS_WAIT;
        default:
                if (line[0] == '*')
                        return STARTTLS_WAIT; /* IMAP may say other things in between */
                return strncasecmp(line, words->good, strlen(words->good)) == 0 ? STARTTLS_DONE : refused(err, line);
        }
}

static enum starttls_result
lines_step(struct starttls *state, struct buffer *in, struct buffer *out, struct error *err)
{
        const struct words *words = words_of(state->protocol);
        const char *line;
        size_t used;

        if (state->step == 0)
                state->step = GREETING;
        while ((line = line_of(in, &used)) != NULL) {
                enum starttls_result result = line_step(state, words, line, out, err);
                buffer_drop(in, used);
                if (result == STARTTLS_DONE && in->length > 0)
                        return stranger(err, words->name); /* injected before the handshake */
                if (result != STARTTLS_WAIT)
                        return result;
        }
        return in->length > LINE_LONGEST ? stranger(err, words->name) : STARTTLS_WAIT;
}

enum starttls_result
starttls_step(struct starttls *state, struct buffer *in, struct buffer *out, struct error *err)
{
        switch (state->protocol) {
        case STARTTLS_POSTGRES:
                return postgres_step(state, in, out, err);
        case STARTTLS_MYSQL:
                return mysql_step(state, in, out, err);
        case STARTTLS_LDAP:
                return ldap_step(state, in, out, err);
        case STARTTLS_SMTP:
        case STARTTLS_IMAP:
        case STARTTLS_POP3:
        case STARTTLS_FTP:
                return lines_step(state, in, out, err);
        default:
                return STARTTLS_DONE;
        }
}
