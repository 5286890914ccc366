/* Error texts reduced to what they have in common. */

#include "error_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "utf8.h"

/* Words of this length and more that are hexadecimal throughout, or mix letters and digits, are ids. */
enum { HEX_ID = 12, MIXED_ID = 16 };

static bool
word_byte(unsigned char c)
{
        return isalnum(c) || c == '_' || c == '-' || c >= 0x80;
}

static bool
starts(const char *text, size_t left, const char *word)
{
        size_t length = strlen(word);

        return left >= length && strncmp(text, word, length) == 0;
}

/* Up to the next blank, or what closes a bracket around it. */
static size_t
unbroken(const char *text, size_t left)
{
        size_t length = 0;

        while (length < left && !isspace((unsigned char)text[length]) && strchr("\"'<>()[]{},", text[length]) == NULL)
                length++;
        return length;
}

static bool
is_address(const char *text, size_t length)
{
        const char *at = memchr(text, '@', length);

        return at != NULL && at != text && memchr(at, '.', length - (size_t)(at - text)) != NULL;
}

static bool
is_url(const char *text, size_t length)
{
        for (size_t i = 1; i + 3 < length; i++) {
                if (strncmp(text + i, "://", 3) == 0)
                        return true;
                if (!isalnum((unsigned char)text[i]) && text[i] != '+')
                        return false;
        }
        return false;
}

/* Letters, digits and dashes with enough of both, or hexadecimal throughout. */
static bool
is_id(const char *word, size_t length)
{
        size_t digits = 0, hex = 0, dashes = 0;

        for (size_t i = 0; i < length; i++) {
                digits += isdigit((unsigned char)word[i]) != 0;
                hex += isxdigit((unsigned char)word[i]) != 0;
                dashes += word[i] == '-' || word[i] == '_';
        }
        return digits > 0 && ((hex + dashes == length && hex >= HEX_ID) || (length >= MIXED_ID && digits >= 4));
}

struct writer {
        char *out;
        size_t length;
};

static void
put(struct writer *w, const char *bytes, size_t length)
{
        for (size_t i = 0; i < length && w->length + 1 < ERROR_TEXT; i++)
                w->out[w->length++] = bytes[i];
}

static void
put_text(struct writer *w, const char *text)
{
        put(w, text, strlen(text));
}

/* A word with its numbers replaced ("HTTP500" -> "HTTP<n>", "10.0.0.7" -> "<n>"). */
static void
put_word(struct writer *w, const char *word, size_t length)
{
        for (size_t i = 0; i < length;) {
                if (!isdigit((unsigned char)word[i])) {
                        put(w, word + i++, 1);
                        continue;
                }
                while (i < length && (isdigit((unsigned char)word[i]) ||
                                      (word[i] == '.' && i + 1 < length && isdigit((unsigned char)word[i + 1]))))
                        i++;
                put_text(w, "<n>");
        }
}

/* The end of a part in quotes; 0 when it is not closed on this line, or the quote is an apostrophe inside a word. */
static size_t
quoted(const char *text, size_t left, bool in_word)
{
        if (text[0] == '\'' && in_word)
                return 0;
        for (size_t i = 1; i < left; i++) {
                if (text[i] == text[0] && text[i - 1] != '\\')
                        return i + 1;
        }
        return 0;
}

static size_t
piece(struct writer *w, const char *text, size_t left, bool in_word)
{
        size_t whole = unbroken(text, left), length = 0;

        if (strchr("\"'`", text[0]) != NULL && (length = quoted(text, left, in_word)) > 0) {
                put_text(w, "<text>");
                return length;
        }
        if (!in_word && is_url(text, whole)) {
                put_text(w, "<url>");
                return whole;
        }
        if (!in_word && is_address(text, whole)) {
                put_text(w, "<email>");
                return whole;
        }
        if (!word_byte((unsigned char)text[0])) {
                put(w, text, 1);
                return 1;
        }
        while (length < left &&
               (word_byte((unsigned char)text[length]) ||
                (text[length] == '.' && length > 0 && length + 1 < left && isdigit((unsigned char)text[length - 1]) &&
                 isdigit((unsigned char)text[length + 1]))))
                length++;
        if (starts(text, length, "krn_"))
                put_text(w, "<key>");
        else if (is_id(text, length))
                put_text(w, "<id>");
        else
                put_word(w, text, length);
        return length;
}

/* Cuts a sequence that is not whole at the end, and replaces what is no UTF-8. */
static void
mend(struct writer *w)
{
        size_t at = 0;

        while (at < w->length) {
                size_t length = utf8_length(w->out + at, w->length - at);
                if (length == 0)
                        w->out[at] = '?';
                at += length > 0 ? length : 1;
        }
        while (w->length > 0 && w->out[w->length - 1] == ' ')
                w->length--;
        w->out[w->length] = '\0';
}

void
error_text_reduce(const char *text, size_t length, char reduced[ERROR_TEXT])
{
        struct writer w = {.out = reduced};
        bool in_word = false;
        size_t end = 0;

        while (length > 0 && isspace((unsigned char)*text)) {
                text++;
                length--;
        }
        while (end < length && text[end] != '\n' && text[end] != '\r' && text[end] != '\0')
                end++;
        for (size_t i = 0; i < end && w.length + 1 < ERROR_TEXT;) {
                unsigned char c = (unsigned char)text[i];
                if (isspace(c) || iscntrl(c)) {
                        if (w.length > 0 && reduced[w.length - 1] != ' ')
                                put(&w, " ", 1);
                        in_word = false;
                        i++;
                        continue;
                }
                i += piece(&w, text + i, end - i, in_word);
                in_word = word_byte((unsigned char)text[i - 1]);
        }
        mend(&w);
}

void
error_text_redact(char *text)
{
        for (char *at = text; (at = strstr(at, "krn_")) != NULL;) {
                at += 4;
                while (isalnum((unsigned char)*at) || *at == '_' || *at == '-')
                        *at++ = '*';
        }
}
