/* Columns on a terminal. */

#include "columns.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"

/* A column is padded to WIDE characters at most: one long cell moves its own line, not everybody's. */
enum { COLUMNS_MOST = 12, CELL = 512, WIDE = 44 };

/* A value as text, fit for one line. */
static const char *
cell(const json_t *value, char text[CELL])
{
        if (json_is_string(value))
                snprintf(text, CELL, "%s", json_string_value(value));
        else if (json_is_integer(value))
                snprintf(text, CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_real(value))
                snprintf(text, CELL, "%g", json_real_value(value));
        else if (json_is_boolean(value))
                snprintf(text, CELL, "%s", json_is_true(value) ? "yes" : "no");
        else
                snprintf(text, CELL, "%s", "");
        for (char *c = text; *c != '\0'; c++) {
                if ((unsigned char)*c < 0x20 || *c == 0x7F)
                        *c = '?';
        }
        return text;
}

/* Characters, not bytes: near enough to columns for names. */
static int
width_of(const char *text)
{
        int width = 0;

        for (; *text != '\0'; text++)
                width += ((unsigned char)*text & 0xC0) != 0x80;
        return width;
}

static void
row_print(const json_t *row, const char *const *keys, const int *widths, FILE *stream)
{
        char text[CELL];

        for (size_t i = 0; keys[i] != NULL; i++) {
                const char *shown = row != NULL ? cell(json_object_get(row, keys[i]), text) : keys[i];
                fputs(shown, stream);
                if (keys[i + 1] != NULL)
                        fprintf(stream, "%*s", widths[i] > width_of(shown) ? widths[i] - width_of(shown) + 2 : 2, "");
        }
        fputc('\n', stream);
}

void
columns_print(const json_t *rows, const char *const *keys, FILE *stream)
{
        int widths[COLUMNS_MOST] = {0};
        char text[CELL];
        size_t i;
        json_t *row;

        for (size_t k = 0; keys[k] != NULL && k < COLUMNS_MOST; k++) {
                widths[k] = width_of(keys[k]);
                json_array_foreach((json_t *)rows, i, row)
                {
                        int width = width_of(cell(json_object_get(row, keys[k]), text));
                        if (width > widths[k])
                                widths[k] = width < WIDE ? width : WIDE;
                }
        }
        row_print(NULL, keys, widths, stream);
        json_array_foreach((json_t *)rows, i, row) row_print(row, keys, widths, stream);
}
