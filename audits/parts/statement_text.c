/* SQL without its values: a lexer just large enough to know what is a value. */

#include "statement_text.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- the length of a token at `s` --------------------------------------------------------------------------------- */

static bool
is_name(char c)
{
        return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Comments nest. */
static size_t
comment_length(const char *s)
{
        size_t at = 0, depth = 0;

        if (s[0] == '-' && s[1] == '-')
                return strcspn(s, "\n");
        if (s[0] != '/' || s[1] != '*')
                return 0;
        while (s[at] != '\0') {
                if (s[at] == '/' && s[at + 1] == '*') {
                        depth++;
                        at += 2;
                } else if (s[at] == '*' && s[at + 1] == '/') {
                        at += 2;
                        if (--depth == 0)
                                return at;
                } else {
                        at++;
                }
        }
        return at;
}

/* From one quote to the next that is not doubled, nor after a backslash where that means something. */
static size_t
quoted_length(const char *s, bool backslash)
{
        char quote = *s;
        size_t at = 1;

        while (s[at] != '\0') {
                if (backslash && s[at] == '\\' && s[at + 1] != '\0')
                        at += 2;
                else if (s[at] != quote)
                        at++;
                else if (s[at + 1] == quote)
                        at += 2;
                else
                        return at + 1;
        }
        return at;
}

/* $tag$ ... $tag$; 0 for $1 and for a dollar that opens nothing. */
static size_t
dollar_length(const char *s)
{
        size_t tag = 1;

        if (isdigit((unsigned char)s[1]))
                return 0;
        while (s[tag] != '$' && is_name(s[tag]))
                tag++;
        if (s[tag] != '$')
                return 0;
        tag++;
        for (const char *end = strchr(s + tag, '$'); end != NULL; end = strchr(end + 1, '$')) {
                if (strncmp(end, s, tag) == 0)
                        return (size_t)(end - s) + tag;
        }
        return strlen(s);
}

/* A string constant of any kind, its prefix included. */
static size_t
string_length(const char *s)
{
        if (*s == '\'')
                return quoted_length(s, false);
        if (*s == '$')
                return dollar_length(s);
        if (strchr("eE", *s) != NULL && *s != '\0' && s[1] == '\'')
                return 1 + quoted_length(s + 1, true);
        if (strchr("bBxXnN", *s) != NULL && *s != '\0' && s[1] == '\'')
                return 1 + quoted_length(s + 1, false);
        if ((*s == 'u' || *s == 'U') && s[1] == '&' && s[2] == '\'')
                return 2 + quoted_length(s + 2, false);
        return 0;
}

/* 42, 3.5, .5, 1e-9, 0x1F, 1_000, $1. */
static size_t
number_length(const char *s)
{
        size_t at = *s == '$' ? 1 : 0;

        if (!isdigit((unsigned char)s[at]) && !(s[at] == '.' && isdigit((unsigned char)s[at + 1])))
                return 0;
        while (isalnum((unsigned char)s[at]) || s[at] == '.' || s[at] == '_' ||
               ((s[at] == '-' || s[at] == '+') && (s[at - 1] == 'e' || s[at - 1] == 'E') &&
                isdigit((unsigned char)s[at + 1])))
                at++;
        return at;
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

/* What was put last: lists of values, and lists of such lists, are one value however long they are. */
static bool
ends_with(const struct buffer *text, size_t start, const char *end)
{
        size_t length = strlen(end);

        return text->length - start >= length && memcmp(text->data + text->length - length, end, length) == 0;
}

static void
cut(struct buffer *text, size_t length)
{
        text->length -= length;
        text->data[text->length] = '\0';
}

static void
shorten(struct buffer *text, size_t start)
{
        static const char *const twice[] = {"?, ?", "(?), (?)"};

        for (size_t i = 0; i < 2; i++) {
                if (ends_with(text, start, twice[i]))
                        cut(text, strlen(twice[i]) / 2 + 1);
        }
}

/* A blank where the statement had one or a comment, but none beside what needs none: so "a=1" and "a = 1" meet. */
static void
put(struct buffer *text, size_t start, const char *token, size_t length)
{
        bool first = text->length == start;
        char last = first ? '\0' : text->data[text->length - 1];
        bool tight = first || strchr(",;).", token[0]) != NULL || last == '(' || last == '.' ||
                     (token[0] == '(' && is_name(last)) || strncmp(token, "::", 2) == 0 || ends_with(text, start, "::");

        if (!tight)
                buffer_char(text, ' ');
        buffer_add(text, token, length);
}

static void
put_word(struct buffer *text, size_t start, const char *s, size_t length)
{
        put(text, start, s, length);
        if (text->failed)
                return;
        for (size_t i = text->length - length; i < text->length; i++)
                text->data[i] = (char)tolower((unsigned char)text->data[i]);
}

static size_t
operator_length(const char *s)
{
        size_t at = 0;

        if (s[0] == ':' && s[1] == ':')
                return 2;
        while (s[at] != '\0' && strchr("+-*/<>=~!@#%^&|`?", s[at]) != NULL && comment_length(s + at) == 0)
                at++;
        return at > 0 ? at : 1;
}

int
statement_text(const char *sql, struct buffer *text)
{
        size_t start = text->length, length;

        for (const char *s = sql; *s != '\0' && !text->failed; s += length) {
                if (isspace((unsigned char)*s) || *s == ';') {
                        length = strspn(s, " \t\r\n\f\v;");
                } else if ((length = comment_length(s)) > 0) {
                        continue;
                } else if ((length = string_length(s)) > 0 || (length = number_length(s)) > 0) {
                        put(text, start, "?", 1);
                        shorten(text, start);
                } else if (*s == '"') {
                        length = quoted_length(s, false);
                        put(text, start, s, length);
                } else if (is_name(*s)) {
                        for (length = 1; is_name(s[length]); length++)
                                ;
                        put_word(text, start, s, length);
                } else {
                        length = operator_length(s);
                        put(text, start, s, length);
                        if (*s == ')')
                                shorten(text, start);
                }
        }
        return text->failed ? -1 : 0;
}

bool
statement_has_plan(const char *text)
{
        static const char *const words[] = {"select", "insert", "update", "delete", "merge", "with", "values", "table"};

        text += strspn(text, "( ");
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                size_t length = strlen(words[i]);
                if (strncasecmp(text, words[i], length) == 0 && !is_name(text[length]))
                        return true;
        }
        return false;
}

void
statement_id(const char *text, char id[STATEMENT_ID])
{
        unsigned char digest[EVP_MAX_MD_SIZE] = {0};

        if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
                digest[0] =
                        0; /* one id for all is wrong and visible; memory for SHA-256 does not run out in practice */
        for (size_t i = 0; i < (STATEMENT_ID - 1) / 2; i++)
                snprintf(id + 2 * i, 3, "%02x", digest[i]);
}
