/* Escaping: one walk over the characters, one small table of what is dangerous where. */

#include "escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "utf8.h"

/* Characters that are invisible or that turn the direction of writing (Unicode 15: Bidi_Control, and Default_Ignorable
 * ones that occur in the wild), and the line breaks that only some programs break at. */
static bool
is_invisible(uint32_t rune)
{
        return rune == 0xAD || rune == 0x61C || rune == 0x180E || (rune >= 0x200B && rune <= 0x200F) ||
               (rune >= 0x2028 && rune <= 0x202E) || (rune >= 0x2060 && rune <= 0x206F) || rune == 0xFEFF ||
               (rune >= 0xFFF9 && rune <= 0xFFFB) || (rune >= 0xE0000 && rune <= 0xE007F);
}

/* The visible form of a character that must not stand as it is: into `text` (at least 16 bytes), its length; 0 when it
 * may stand. */
static size_t
visible(uint32_t rune, char text[16])
{
        size_t length;

        if (rune < 0x20 || rune == 0x7F) {
                length = utf8_encode(rune == 0x7F ? 0x2421 : 0x2400 + rune, text);
                text[length] = '\0';
                return length;
        }
        if ((rune >= 0x80 && rune < 0xA0) || is_invisible(rune))
                return (size_t)snprintf(text, 16, "[U+%04X]", (unsigned)rune);
        if (rune == UTF8_REPLACEMENT_RUNE) {
                memcpy(text, UTF8_REPLACEMENT, sizeof UTF8_REPLACEMENT);
                return sizeof UTF8_REPLACEMENT - 1;
        }
        return 0;
}

/* What begins markup in HTML, and in Markdown as well; NULL: nothing does. */
static const char *
entity_of(uint32_t rune)
{
        switch (rune) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        default:
                return NULL;
        }
}

void
escape_html(FILE *stream, const char *text, size_t length)
{
        size_t taken;

        for (size_t i = 0; i < length; i += taken) {
                char shown[16];
                uint32_t rune = utf8_decode(text + i, length - i, &taken);
                size_t size = rune == '\n' || rune == '\t' ? 0 : visible(rune, shown);

                if (size > 0)
                        fwrite_unlocked(shown, 1, size, stream);
                else if (entity_of(rune) != NULL)
                        fputs_unlocked(entity_of(rune), stream);
                else if (rune == '"')
                        fputs_unlocked("&quot;", stream);
                else if (rune == '\'')
                        fputs_unlocked("&#39;", stream);
                else
                        fwrite_unlocked(text + i, 1, taken, stream);
        }
}

static bool
is_word(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c & 0x80) != 0;
}

/* Which ASCII characters need a backslash in GitHub's Markdown; an underscore within a word is none of them. */
static bool
is_markup(const char *text, size_t i, size_t length)
{
        if (text[i] == '_')
                return !(i > 0 && is_word(text[i - 1]) && i + 1 < length && is_word(text[i + 1]));
        if (text[i] == '#' || text[i] == '+' || text[i] == '-') /* a heading, a list, a rule: at the beginning alone */
                return i == 0 && (i + 1 == length || text[i + 1] == ' ' || text[i + 1] == text[i]);
        return text[i] != '\0' && strchr("\\`*[]|~$", text[i]) != NULL;
}

void
escape_markdown(FILE *stream, const char *text, size_t length)
{
        size_t taken;

        for (size_t i = 0; i < length; i += taken) {
                char shown[16];
                uint32_t rune = utf8_decode(text + i, length - i, &taken);
                size_t size = visible(rune, shown);

                if (rune == '\n' || rune == '\t')
                        putc_unlocked(' ', stream);
                else if (size > 0)
                        fwrite_unlocked(shown, 1, size, stream);
                else if (entity_of(rune) != NULL)
                        fputs_unlocked(entity_of(rune), stream);
                else if (rune == '@') /* a name in a pasted report must not call people */
                        fputs_unlocked("<span>@</span>", stream);
                else if (taken == 1 && is_markup(text, i, length))
                        fprintf(stream, "\\%c", text[i]);
                else
                        fwrite_unlocked(text + i, 1, taken, stream);
        }
}

/* Columns of one character, by the common East Asian Wide ranges and combining marks: independent of the locale. */
static size_t
columns_of(uint32_t rune)
{
        if ((rune >= 0x300 && rune <= 0x36F) || (rune >= 0x1AB0 && rune <= 0x1AFF) ||
            (rune >= 0x20D0 && rune <= 0x20FF) || (rune >= 0xFE00 && rune <= 0xFE0F) ||
            (rune >= 0xFE20 && rune <= 0xFE2F))
                return 0;
        if ((rune >= 0x1100 && rune <= 0x115F) || (rune >= 0x2E80 && rune <= 0xA4CF) ||
            (rune >= 0xAC00 && rune <= 0xD7A3) || (rune >= 0xF900 && rune <= 0xFAFF) ||
            (rune >= 0xFE30 && rune <= 0xFE6F) || (rune >= 0xFF00 && rune <= 0xFF60) ||
            (rune >= 0xFFE0 && rune <= 0xFFE6) || (rune >= 0x1F300 && rune <= 0x1FAFF) ||
            (rune >= 0x20000 && rune <= 0x3FFFD))
                return 2;
        return 1;
}

/* One character as a terminal gets it: a line break or tab becomes a space. */
static size_t
terminal_rune(const char *text, size_t left, char shown[16], size_t *taken, size_t *columns)
{
        uint32_t rune = utf8_decode(text, left, taken);
        size_t size;

        if (rune == '\n' || rune == '\t') {
                shown[0] = ' ';
                *columns = 1;
                return 1;
        }
        size = visible(rune, shown);
        if (size > 0) {
                *columns = shown[0] == '[' ? size : 1;
                return size;
        }
        memcpy(shown, text, *taken);
        *columns = columns_of(rune);
        return *taken;
}

void
escape_terminal(FILE *stream, const char *text, size_t length)
{
        size_t taken, columns;
        char shown[16];

        for (size_t i = 0; i < length; i += taken) {
                size_t size = terminal_rune(text + i, length - i, shown, &taken, &columns);
                fwrite_unlocked(shown, 1, size, stream);
        }
}

size_t
escape_columns(const char *text)
{
        size_t total = 0, taken, columns, length = strlen(text);
        char shown[16];

        for (size_t i = 0; i < length; i += taken) {
                terminal_rune(text + i, length - i, shown, &taken, &columns);
                total += columns;
        }
        return total;
}

size_t
escape_terminal_cut(FILE *stream, const char *text, size_t columns)
{
        size_t used = 0, taken, width, length = strlen(text);
        bool whole = escape_columns(text) <= columns;
        size_t room = whole ? columns : columns > 0 ? columns - 1 : 0;
        char shown[16];

        for (size_t i = 0; i < length; i += taken) {
                size_t size = terminal_rune(text + i, length - i, shown, &taken, &width);
                if (used + width > room)
                        break;
                fwrite_unlocked(shown, 1, size, stream);
                used += width;
        }
        if (!whole && columns > 0) {
                fputs_unlocked("\xE2\x80\xA6", stream);
                used++;
        }
        return used;
}

size_t
text_prefix(const char *text, size_t runes)
{
        size_t length = strlen(text), i = 0, taken;

        while (i < length && runes-- > 0) {
                utf8_decode(text + i, length - i, &taken);
                i += taken;
        }
        return i;
}
