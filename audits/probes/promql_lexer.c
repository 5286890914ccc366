/* PromQL's words: numbers, durations, strings with Go's escapes, names, symbols, comments. */

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promql_parts.h"
#include "utf8.h"

static bool
is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The character `ahead` of the current one; NUL past the end (a NUL in the text is refused before). */
static char
peek(const struct lexer *lexer, size_t ahead)
{
        return lexer->at + ahead < lexer->length ? lexer->text[lexer->at + ahead] : '\0';
}

int
lexer_fail(struct lexer *lexer, size_t at, const char *format, ...)
{
        unsigned line = 1, column = 1;
        char text[600];
        va_list list;

        if (lexer->failed)
                return -1;
        lexer->failed = true;
        for (size_t i = 0; i < at && i < lexer->length; i++) {
                if (lexer->text[i] == '\n') {
                        line++;
                        column = 1;
                } else if (((unsigned char)lexer->text[i] & 0xC0) != 0x80) {
                        column++;
                }
        }
        va_start(list, format);
        vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        return error_set(lexer->err, REASON_PROTOCOL, "%u:%u: %s", line, column, text);
}

static struct token
bad(struct lexer *lexer, size_t at, const char *what)
{
        lexer_fail(lexer, at, "%s", what);
        return (struct token){.kind = TOKEN_BAD, .start = at, .end = at};
}

static void
skip_space(struct lexer *lexer)
{
        for (;;) {
                char c = peek(lexer, 0);

                if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
                        lexer->at++;
                } else if (c == '#') {
                        while (lexer->at < lexer->length && peek(lexer, 0) != '\n')
                                lexer->at++;
                } else {
                        return;
                }
        }
}

/* "1h30m": units from the longest to the shortest, each at most once.  A year has 365 days.  False when it is none. */
static bool
duration_read(const char *text, size_t length, double *seconds)
{
        static const struct {
                const char *unit;
                int64_t ms;
        } units[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
                     {"m", 60000},       {"s", 1000},      {"ms", 1}};
        size_t next = 0, at = 0;
        int64_t total = 0;

        while (at < length) {
                int64_t count = 0, part;
                size_t unit = at, size;

                while (unit < length && is_digit(text[unit])) {
                        if (count > INT64_MAX / 100)
                                return false;
                        count = count * 10 + (text[unit++] - '0');
                }
                size = unit + 1 < length && text[unit] == 'm' && text[unit + 1] == 's' ? 2 : 1;
                if (unit == at || unit + size > length)
                        return false;
                while (next < 7 &&
                       !(strlen(units[next].unit) == size && strncmp(units[next].unit, text + unit, size) == 0))
                        next++;
                /* Go counts nanoseconds in 64 bits: nothing beyond 292 years. */
                if (next == 7 || __builtin_mul_overflow(count, units[next].ms, &part) ||
                    __builtin_add_overflow(total, part, &total) || total > INT64_MAX / 1000000)
                        return false;
                next++;
                at = unit + size;
        }
        *seconds = (double)total / 1000.0;
        return length > 0;
}

/* A number as Go reads it: 0x1F, 017 (octal), 1_000, 1.5e3.  Too large for what it is written as is an error. */
static bool
number_read(const char *text, size_t length, double *number)
{
        char plain[400];
        size_t count = 0;
        bool hex = length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'), octal = text[0] == '0',
             whole = true;
        char *end;

        for (size_t i = 0; i < length; i++) {
                if (text[i] == '_') {
                        /* An underscore separates digits. */
                        if (i == 0 || i + 1 == length || !is_hex(text[i + 1]) ||
                            !(is_hex(text[i - 1]) || (hex && i == 2)))
                                return false;
                        continue;
                }
                if (count + 1 >= sizeof(plain))
                        return false;
                whole = whole && (hex || is_digit(text[i]));
                octal = octal && text[i] >= '0' && text[i] <= '7';
                plain[count++] = text[i];
        }
        plain[count] = '\0';
        if (whole && (hex || (octal && count > 1))) {
                long long value;

                errno = 0;
                value = strtoll(plain, &end, hex ? 16 : 8);
                *number = (double)value;
                if (*end == '\0' && errno == 0 && count > (hex ? 2U : 1U))
                        return true;
                if (hex)
                        return false;
        }
        *number = strtod(plain, &end);
        return end != plain && *end == '\0' && isfinite(*number);
}

static struct token
lex_number(struct lexer *lexer)
{
        size_t start = lexer->at, digits;
        struct token token = {.kind = TOKEN_NUMBER, .start = start};

        if (peek(lexer, 0) == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X')) {
                lexer->at += 2;
                while (is_hex(peek(lexer, 0)) || peek(lexer, 0) == '_')
                        lexer->at++;
        } else {
                while (is_digit(peek(lexer, 0)) || peek(lexer, 0) == '_')
                        lexer->at++;
                digits = lexer->at;
                if (digits > start && strchr("smhdwy", peek(lexer, 0)) != NULL && peek(lexer, 0) != '\0') {
                        while (is_digit(peek(lexer, 0)) || is_letter(peek(lexer, 0)))
                                lexer->at++;
                        token.kind = TOKEN_DURATION;
                        token.end = lexer->at;
                        if (!duration_read(lexer->text + start, lexer->at - start, &token.number))
                                return bad(lexer, start,
                                           "not a duration: units run from y, w, d, h, m, s to ms, each once");
                        return token;
                }
                if (peek(lexer, 0) == '.') {
                        lexer->at++;
                        while (is_digit(peek(lexer, 0)) || peek(lexer, 0) == '_')
                                lexer->at++;
                }
                if ((peek(lexer, 0) == 'e' || peek(lexer, 0) == 'E')) {
                        lexer->at++;
                        if (peek(lexer, 0) == '+' || peek(lexer, 0) == '-')
                                lexer->at++;
                        while (is_digit(peek(lexer, 0)) || peek(lexer, 0) == '_')
                                lexer->at++;
                }
        }
        token.end = lexer->at;
        if (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)) ||
            !number_read(lexer->text + start, lexer->at - start, &token.number))
                return bad(lexer, start, "not a number");
        lexer->since_3 = lexer->since_3 || memchr(lexer->text + start, '_', token.end - start) != NULL;
        return token;
}

/* The value of `count` digits of an escape, -1 when they are not there. */
static int64_t
escape_digits(struct lexer *lexer, int count, int base)
{
        int64_t value = 0;

        for (int i = 0; i < count; i++) {
                char c = peek(lexer, 0);
                int digit = is_digit(c) ? c - '0' : is_hex(c) ? (c | 0x20) - 'a' + 10 : 99;

                if (digit >= base)
                        return -1;
                value = value * base + digit;
                lexer->at++;
        }
        return value;
}

/* One escape after its backslash, as Go's strconv reads them; adds its bytes to `out`. */
static bool
escape_read(struct lexer *lexer, char quote, char *out, size_t *length)
{
        static const char plain[] = "abfnrtv\\", value[] = "\a\b\f\n\r\t\v\\";
        char c = peek(lexer, 0);
        const char *found = c != '\0' ? strchr(plain, c) : NULL;
        int64_t code;

        if (found != NULL || c == quote) {
                out[(*length)++] = found != NULL ? value[found - plain] : quote;
                lexer->at++;
                return true;
        }
        if (c >= '0' && c <= '7') {
                code = escape_digits(lexer, 3, 8);
                if (code < 0 || code > 255)
                        return false;
                out[(*length)++] = (char)code;
                return true;
        }
        lexer->at++;
        if (c == 'x') {
                code = escape_digits(lexer, 2, 16);
                if (code < 0)
                        return false;
                out[(*length)++] = (char)code;
                return true;
        }
        if (c != 'u' && c != 'U')
                return false;
        code = escape_digits(lexer, c == 'u' ? 4 : 8, 16);
        if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
                return false;
        *length += utf8_encode((uint32_t)code, out + *length);
        return true;
}

static struct token
lex_string(struct lexer *lexer)
{
        size_t start = lexer->at, length = 0;
        char quote = peek(lexer, 0);
        struct token token = {.kind = TOKEN_STRING, .start = start};
        char *out;

        lexer->at++;
        /* An escape is never shorter than what it stands for. */
        for (size_t end = lexer->at; end < lexer->length && lexer->text[end] != quote; end++)
                end += lexer->text[end] == '\\' && quote != '`' ? 1 : 0, length = end;
        out = promql_allocate(lexer->arena, (length > start ? length - start : 0) + 8);
        if (out == NULL)
                return bad(lexer, start, "too large");
        for (length = 0;;) {
                char c = peek(lexer, 0);

                if (lexer->at >= lexer->length || (c == '\n' && quote != '`'))
                        return bad(lexer, start, "a string that does not end");
                lexer->at++;
                if (c == quote)
                        break;
                if (c != '\\' || quote == '`')
                        out[length++] = c;
                else if (!escape_read(lexer, quote, out, &length))
                        return bad(lexer, lexer->at, "an unknown escape in a string");
        }
        out[length] = '\0';
        token.text = (struct promql_text){out, length};
        token.end = lexer->at;
        return token;
}

static struct token
lex_word(struct lexer *lexer)
{
        struct token token = {.kind = TOKEN_WORD, .start = lexer->at};
        bool colons = lexer->mode == LEXER_PLAIN;

        while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0)) || (colons && peek(lexer, 0) == ':')) {
                if (peek(lexer, 0) == ':')
                        token.kind = TOKEN_METRIC;
                lexer->at++;
        }
        token.end = lexer->at;
        token.text.length = token.end - token.start;
        token.text.bytes = promql_copy(lexer->arena, lexer->text + token.start, token.text.length);
        if (token.text.bytes == NULL)
                return bad(lexer, token.start, "too large");
        return token;
}

struct token
lexer_next(struct lexer *lexer)
{
        static const char *const pairs[] = {"==", "=~", "!=", "!~", "<=", ">=", "</", ">/"};
        struct token token = {.kind = TOKEN_SYMBOL};
        char c;

        if (lexer->failed)
                return (struct token){.kind = TOKEN_BAD};
        skip_space(lexer);
        token.start = lexer->at;
        token.end = token.start;
        if (lexer->at >= lexer->length)
                return (struct token){.kind = TOKEN_END, .start = token.start, .end = token.start};
        c = peek(lexer, 0);
        if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1))))
                return lex_number(lexer);
        if (c == '"' || c == '\'' || c == '`')
                return lex_string(lexer);
        if (is_letter(c) || (c == ':' && lexer->mode == LEXER_PLAIN))
                return lex_word(lexer);
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
                if (c == pairs[i][0] && peek(lexer, 1) == pairs[i][1]) {
                        memcpy(token.symbol, pairs[i], 3);
                        lexer->at += 2;
                        token.end = lexer->at;
                        return token;
                }
        }
        if (strchr("+-*/%^=<>(){}[],@:", c) == NULL)
                return bad(lexer, lexer->at, "a character that has no meaning here");
        token.symbol[0] = c;
        lexer->at++;
        token.end = lexer->at;
        return token;
}
