/* Texts made fit for a worksheet: what XML or Excel cannot hold is made visible, never dropped and never obeyed. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sheet_parts.h"
#include "utf8.h"

static bool
is_hex(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* "_x0041_" in a cell means "A" to Excel (ECMA-376 part 1, 22.9.2.19 ST_Xstring). */
static bool
is_escape(const char *text, size_t left)
{
        return left >= 7 && text[0] == '_' && text[1] == 'x' && is_hex(text[2]) && is_hex(text[3]) && is_hex(text[4]) &&
               is_hex(text[5]) && text[6] == '_';
}

/* Marks that reorder the text around them: a certificate's subject must not be able to turn a line round. */
static bool
is_bidi_control(uint32_t rune)
{
        return rune == 0x061C || rune == 0x200E || rune == 0x200F || (rune >= 0x202A && rune <= 0x202E) ||
               (rune >= 0x2066 && rune <= 0x2069);
}

/* Roughly the width of a character in a proportional font's digits. */
static unsigned
rune_width(uint32_t rune)
{
        return (rune >= 0x1100 && rune <= 0x115F) || (rune >= 0x2E80 && rune <= 0xA4CF) ||
                               (rune >= 0xAC00 && rune <= 0xD7A3) || (rune >= 0xF900 && rune <= 0xFAFF) ||
                               (rune >= 0xFE30 && rune <= 0xFE6F) || (rune >= 0xFF00 && rune <= 0xFF60) ||
                               (rune >= 0x1F300 && rune <= 0x1FAFF)
                       ? 2
                       : 1;
}

/* Most texts are short printable ASCII and pass as they are. */
static bool
is_plain(const char *text, unsigned *characters)
{
        size_t length = 0, line = 0, longest = 0;

        for (const unsigned char *s = (const unsigned char *)text; *s != '\0'; s++, length++) {
                if (*s == '\n') {
                        longest = line > longest ? line : longest;
                        line = 0;
                        continue;
                }
                if (*s < ' ' || *s > '~' || (*s == '_' && s[1] == 'x') || length >= SHEET_CELL_LIMIT)
                        return false;
                line++;
        }
        *characters = (unsigned)(line > longest ? line : longest);
        return true;
}

/* Adds one character in the form a cell may hold and returns how many UTF-16 units it takes there. */
static unsigned
clean_add(struct buffer *out, uint32_t rune)
{
        char bytes[4];

        if (rune < ' ' && rune != '\n' && rune != '\t')
                rune += 0x2400; /* control pictures: U+241B is a visible ESC */
        else if (rune == 0x7F)
                rune = 0x2421;
        else if ((rune >= 0x80 && rune <= 0x9F) || rune == 0xFFFE || rune == 0xFFFF)
                rune = UTF8_REPLACEMENT_RUNE;
        if (is_bidi_control(rune)) {
                buffer_format(out, "[U+%04X]", rune);
                return 8;
        }
        buffer_add(out, bytes, utf8_encode(rune, bytes));
        return rune > 0xFFFF ? 2 : 1;
}

const char *
sheet_clean(struct book *book, const char *text, unsigned *characters)
{
        size_t left, units = 0, line = 0, longest = 0, taken;
        struct buffer *out = &book->clean;

        if (is_plain(text, characters))
                return text;
        buffer_clear(out);
        left = strlen(text);
        for (size_t at = 0; at < left; at += taken) {
                uint32_t rune = utf8_decode(text + at, left - at, &taken);

                if (units > SHEET_CELL_LIMIT - 16) { /* room for the longest replacement and for the ellipsis */
                        buffer_text(out, "…");
                        break;
                }
                if (rune == '\r' && at + 1 < left && text[at + 1] == '\n')
                        continue;
                if (rune == '_' && is_escape(text + at, left - at)) {
                        buffer_text(out, "_x005F_");
                        units += 7;
                        line++;
                        continue;
                }
                units += clean_add(out, rune);
                if (rune == '\n') {
                        longest = line > longest ? line : longest;
                        line = 0;
                } else {
                        line += is_bidi_control(rune) ? 8 : rune_width(rune);
                }
        }
        if (out->failed) {
                book->failed = true;
                return "";
        }
        *characters = (unsigned)(line > longest ? line : longest);
        return out->data != NULL ? out->data : "";
}

unsigned
sheet_lines(const char *text, unsigned width)
{
        unsigned lines = 1, line = 0;

        if (width > 10)
                width -= width / 10; /* words do not break where the line ends */
        for (const char *c = text; *c != '\0' && lines < SHEET_LINES; c++) {
                if (((unsigned char)*c & 0xC0) == 0x80)
                        continue;
                if (*c == '\n' || line == width) {
                        lines++;
                        line = *c == '\n' ? 0 : 1;
                } else {
                        line++;
                }
        }
        return lines;
}

static bool
name_taken(const struct book *book, const char *name)
{
        for (const struct sheet *sheet = book->first; sheet != NULL; sheet = sheet->next) {
                if (strcasecmp(sheet->name, name) == 0)
                        return true;
        }
        return false;
}

void
sheet_name_fit(const struct book *book, const char *wanted, char name[SHEET_NAME * 4 + 1])
{
        size_t left = strlen(wanted), taken, length = 0, units = 0, body, body_units;

        for (size_t at = 0; at < left; at += taken) {
                uint32_t rune = utf8_decode(wanted + at, left - at, &taken);
                size_t more = rune > 0xFFFF ? 2 : 1;

                if (rune < ' ' || rune == 0x7F || (rune < 0x80 && strchr("[]:*?/\\'", (int)rune) != NULL) ||
                    is_bidi_control(rune))
                        rune = '_';
                if (units + more > SHEET_NAME)
                        break;
                length += utf8_encode(rune, name + length);
                units += more;
        }
        if (length == 0) {
                memcpy(name, "Sheet", 5);
                length = units = 5;
        }
        name[length] = '\0';
        if (strcasecmp(name, "history") == 0) { /* Excel keeps this one for itself */
                name[length++] = '_';
                name[length] = '\0';
                units++;
        }
        body = length;
        body_units = units;
        for (unsigned n = 2; name_taken(book, name) && n < 10000; n++) {
                char suffix[16];
                size_t size = (size_t)snprintf(suffix, sizeof(suffix), " (%u)", n);

                while (body > 0 && body_units + size > SHEET_NAME) {
                        while (body > 0 && ((unsigned char)name[--body] & 0xC0) == 0x80)
                                ;
                        body_units--;
                }
                memcpy(name + body, suffix, size + 1);
        }
}
