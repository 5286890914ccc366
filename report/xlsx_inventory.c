/* Inventories: one sheet a kind, whatever flat rows the audits gave; the unit stands at the end of a key's name. */

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "inventory.h"
#include "json.h"
#include "moment.h"
#include "scope.h"
#include "xlsx_parts.h"

enum { MOST_KEYS = 60 };

/* How a sheet of a known kind begins; keys that no row has are left out, keys not named here follow. */
static const struct {
        const char *kind, *none;
        const char *first[24];
} layouts[] = {
        {"certificates",
         "No certificate was seen in this run.",
         {"owner", "subject", "name", "not_after", "expires", "days_left", "issuer", "where", "seen_at", "endpoints",
          "names", "state", "not_before", "key", "signature", "serial"}},
        {"databases", "No database was seen in this run.", {"database", "name", "bytes", "size_bytes", "owner"}},
};

struct key {
        const char *name; /* borrowed from a row */
        bool seen_text, seen_whole, seen_real, seen_flag, seen_other;
        bool all_moments; /* every text reads as a time */
        enum cell cell;
        double factor; /* what a number is multiplied with */
        char title[80];
};

struct keys {
        struct key list[MOST_KEYS];
        size_t count;
};

static bool
ends_with(const char *text, const char *end)
{
        size_t length = strlen(text), tail = strlen(end);

        return length > tail && strcmp(text + length - tail, end) == 0;
}

static struct key *
key_find(struct keys *keys, const char *name)
{
        for (size_t i = 0; i < keys->count; i++) {
                if (strcmp(keys->list[i].name, name) == 0)
                        return &keys->list[i];
        }
        if (keys->count == MOST_KEYS)
                return NULL;
        keys->list[keys->count] = (struct key){.name = name, .all_moments = true, .factor = 1};
        return &keys->list[keys->count++];
}

static void
key_learn(struct key *key, const json_t *value)
{
        int64_t moment;

        if (json_is_string(value)) {
                key->seen_text = true;
                key->all_moments = key->all_moments && strlen(json_string_value(value)) >= 10 &&
                                   moment_parse(json_string_value(value), &moment);
        } else if (json_is_integer(value)) {
                key->seen_whole = true;
        } else if (json_is_real(value)) {
                /* Audits give counts as reals, too. */
                key->seen_real = key->seen_real || json_real_value(value) != floor(json_real_value(value));
                key->seen_whole = true;
        } else if (json_is_boolean(value)) {
                key->seen_flag = true;
        } else if (!json_is_null(value)) {
                key->seen_other = true;
        }
}

/* "days_left" -> "Days left"; the unit goes where the cell's format shows it. */
static void
key_title(struct key *key, size_t unit)
{
        size_t length = strlen(key->name) - unit;

        if (strcmp(key->name, "not_after") == 0) {
                strcpy(key->title, "Expires");
                return;
        }
        if (length >= sizeof(key->title))
                length = sizeof(key->title) - 1;
        for (size_t i = 0; i < length; i++)
                key->title[i] = key->name[i] == '_' ? ' ' : key->name[i];
        key->title[length] = '\0';
        key->title[0] = (char)toupper((unsigned char)key->title[0]);
}

static void
key_decide(struct key *key)
{
        size_t unit = 0;
        bool number = (key->seen_whole || key->seen_real) && !key->seen_text && !key->seen_other;

        key->cell = CELL_WRAPPED;
        if (key->seen_text && key->all_moments && !key->seen_other) {
                key->cell = ends_with(key->name, "_on") || strcmp(key->name, "not_after") == 0 ||
                                            strcmp(key->name, "not_before") == 0
                                    ? CELL_DATE
                                    : CELL_MOMENT;
        } else if (number && ends_with(key->name, "_at_ms")) {
                key->cell = CELL_MOMENT;
                unit = 3;
        } else if (number && ends_with(key->name, "_ms")) {
                key->cell = CELL_DURATION;
                unit = 3;
        } else if (number && (ends_with(key->name, "_bytes") || strcmp(key->name, "bytes") == 0)) {
                key->cell = CELL_BYTES;
                unit = ends_with(key->name, "_bytes") ? 6 : 0;
        } else if (number && ends_with(key->name, "_percent")) {
                key->cell = CELL_PERCENT;
                unit = 8;
        } else if (number && ends_with(key->name, "_ratio")) {
                key->cell = CELL_PERCENT;
                key->factor = 100;
                unit = 6;
        } else if (number) {
                key->cell = key->seen_real ? CELL_REAL : CELL_WHOLE;
        } else if (key->seen_flag && !key->seen_text && !key->seen_other) {
                key->cell = CELL_FLAG;
        }
        key_title(key, unit);
}

static void
list_text(const json_t *list, struct buffer *text)
{
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)(uintptr_t)list, i, item)
        {
                scoped_string dump = NULL;

                if (i > 0)
                        buffer_char(text, '\n');
                if (json_is_string(item))
                        buffer_text(text, json_string_value(item));
                else if ((dump = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS)) != NULL)
                        buffer_text(text, dump);
        }
}

static void
value_cell(struct sheet *sheet, const struct key *key, const json_t *value)
{
        scoped_buffer text = BUFFER_INIT(64 << 10);
        scoped_string dump = NULL;
        int64_t moment;

        if (value == NULL || json_is_null(value)) {
                sheet_empty(sheet);
        } else if (json_is_boolean(value)) {
                sheet_flag(sheet, json_is_true(value));
        } else if (json_is_number(value)) {
                enum cell cell = key->cell == CELL_WRAPPED ? json_is_integer(value) ? CELL_WHOLE : CELL_REAL
                                                           : key->cell;

                sheet_number_as(sheet, cell, json_number_value(value) * key->factor);
        } else if (json_is_string(value) && (key->cell == CELL_MOMENT || key->cell == CELL_DATE) &&
                   moment_parse(json_string_value(value), &moment)) {
                sheet_number(sheet, (double)moment);
        } else if (json_is_string(value)) {
                sheet_text_as(sheet, CELL_WRAPPED, json_string_value(value));
        } else if (json_is_array(value)) {
                list_text(value, &text);
                sheet_text_as(sheet, CELL_WRAPPED, text.data);
        } else {
                dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
                sheet_text_as(sheet, CELL_WRAPPED, dump);
        }
}

/* Every key of every row: the layout's first, the id last since it repeats what others say; points belong to charts. */
static void
keys_gather(struct keys *keys, const struct view_inventory *inventory, const char *const *first)
{
        bool present[24] = {false};
        const char *name;
        json_t *value;

        for (size_t i = 0; first != NULL && i < 24 && first[i] != NULL; i++) {
                for (size_t row = 0; row < inventory->count && !present[i]; row++)
                        present[i] = json_object_get(inventory->rows[row].row, first[i]) != NULL;
                if (present[i])
                        key_find(keys, first[i]);
        }
        for (size_t row = 0; row < inventory->count; row++) {
                json_object_foreach((json_t *)(uintptr_t)inventory->rows[row].row, name, value)
                {
                        struct key *key;

                        if (strcmp(name, "target") == 0 || strcmp(name, "points") == 0 || strcmp(name, "id") == 0)
                                continue;
                        key = key_find(keys, name);
                        if (key != NULL)
                                key_learn(key, value);
                }
        }
        for (size_t row = 0; row < inventory->count; row++) {
                const json_t *id = json_object_get(inventory->rows[row].row, "id");
                struct key *key = id != NULL ? key_find(keys, "id") : NULL;

                if (key != NULL)
                        key_learn(key, id);
        }
        for (size_t i = 0; i < keys->count; i++)
                key_decide(&keys->list[i]);
}

static int64_t
row_expiry(const json_t *row)
{
        int64_t moment;
        const char *text = json_text(row, "not_after", json_text(row, "expires", json_text(row, "due", "")));

        return moment_parse(text, &moment) ? moment : INT64_MAX;
}

static int
row_compare(const void *left, const void *right)
{
        const struct view_row *a = left, *b = right;
        int64_t x = row_expiry(a->row), y = row_expiry(b->row);
        int order = x < y ? -1 : x > y;

        if (order == 0)
                order = strcmp(a->target, b->target);
        return order != 0 ? order : strcmp(json_text(a->row, "id", ""), json_text(b->row, "id", ""));
}

/* Days left of the certificates that expire first, in the colours of the column. */
static void
expiry_chart(struct sheet *sheet, const struct view *view, const struct view_inventory *inventory, unsigned label,
             unsigned days, unsigned columns)
{
        enum { MOST = 25 };
        uint32_t rows = sheet_rows(sheet) < MOST ? sheet_rows(sheet) : MOST, colours[MOST];
        struct chart_plan plan = {.kind = CHART_BARS,
                                  .title = "Days left, the first to expire on top",
                                  .categories = label,
                                  .first_row = sheet_first_row(sheet),
                                  .last_row = sheet_first_row(sheet) + rows - 1,
                                  .series = {{.name = "Days left", .column = days, .colour = 0x2E75B6}},
                                  .count = 1,
                                  .point_colours = colours,
                                  .width = 640,
                                  .height = 120 + 28 * rows,
                                  .row = 1,
                                  .column = columns + 1};

        for (uint32_t i = 0; i < rows; i++) {
                double left = json_real_or(inventory->rows[i].row, "days_left",
                                           view_days_left(view, row_expiry(inventory->rows[i].row)));

                colours[i] = left < 0    ? 0x7F0000
                             : left < 7  ? 0xC00000
                             : left < 14 ? 0xE36C0A
                             : left < 30 ? 0xF2C037
                                         : 0x2E75B6;
        }
        if (rows > 0)
                sheet_chart(sheet, sheet, &plan);
}

static void
inventory_rows(struct sheet *sheet, const struct view *view, const struct view_inventory *inventory,
               const struct keys *keys, bool days_left)
{
        for (size_t i = 0; i < inventory->count; i++) {
                const json_t *row = inventory->rows[i].row;

                for (size_t k = 0; k < keys->count; k++) {
                        const struct key *key = &keys->list[k];

                        value_cell(sheet, key, json_object_get(row, key->name));
                        if (days_left && strcmp(key->title, "Expires") == 0) {
                                int64_t expiry = row_expiry(row);
                                sheet_number(sheet, expiry != INT64_MAX ? view_days_left(view, expiry) : NAN);
                        }
                }
                sheet_text(sheet, inventory->rows[i].target);
                sheet_row_end(sheet);
        }
}

/* The columns of one sheet; a certificate's days left are reckoned here when the audit gave none. */
static size_t
inventory_columns(const struct keys *keys, struct column *columns, bool days_left, int *label, int *days)
{
        size_t count = 0;

        *label = *days = -1;
        for (size_t k = 0; k < keys->count; k++) {
                const struct key *key = &keys->list[k];
                bool left = strcmp(key->name, "days_left") == 0;
                const char *name = key->name;

                if (*label < 0 && (strcmp(name, "subject") == 0 || strcmp(name, "name") == 0))
                        *label = (int)count;
                if (left)
                        *days = (int)count;
                columns[count++] = (struct column){key->title, key->cell,
                                                   left                          ? COLOURS_DAYS_LEFT
                                                   : strcmp(name, "status") == 0 ? COLOURS_STATUS
                                                                                 : COLOURS_NONE,
                                                   0};
                if (days_left && strcmp(key->title, "Expires") == 0) {
                        *days = (int)count;
                        columns[count++] = (struct column){"Days left", CELL_WHOLE, COLOURS_DAYS_LEFT, 0};
                }
        }
        columns[count++] = (struct column){"Target", CELL_TEXT, COLOURS_NONE, 40};
        return count;
}

static void
inventory_sheet(struct book *book, const struct view *view, const char *kind, const struct view_inventory *given)
{
        struct view_inventory inventory = given != NULL ? *given : (struct view_inventory){.kind = kind};
        struct column columns[MOST_KEYS + 2];
        scoped(scope_free) struct view_row *sorted = NULL;
        scoped(scope_free) struct keys *keys = calloc(1, sizeof(*keys));
        const char *none = "No rows.";
        const char *const *first = NULL;
        char name[64];
        bool days_left = true;
        int label, days;
        struct sheet *sheet;
        size_t count;

        snprintf(name, sizeof(name), "%.60s", kind);
        for (char *c = name; *c != '\0'; c++)
                *c = *c == '_' ? ' ' : *c;
        name[0] = (char)toupper((unsigned char)name[0]);
        sheet = sheet_add(book, name);
        for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
                if (strcmp(layouts[i].kind, kind) == 0) {
                        first = layouts[i].first;
                        none = layouts[i].none;
                }
        }
        sorted = inventory.count > 0 ? calloc(inventory.count, sizeof(*sorted)) : NULL;
        if (keys == NULL || (inventory.count > 0 && sorted == NULL)) {
                book_fail(book);
                return;
        }
        if (sorted != NULL) {
                memcpy(sorted, inventory.rows, inventory.count * sizeof(*sorted));
                if (strcmp(kind, "certificates") == 0 || strcmp(kind, "duties") == 0)
                        qsort(sorted, inventory.count, sizeof(*sorted), row_compare);
                inventory.rows = sorted;
        }
        keys_gather(keys, &inventory, first != NULL ? first : inventory_identity);
        for (size_t k = 0; k < keys->count; k++)
                days_left = days_left && strcmp(keys->list[k].name, "days_left") != 0;
        days_left = days_left && strcmp(kind, "certificates") == 0;
        count = inventory_columns(keys, columns, days_left, &label, &days);
        sheet_columns(sheet, columns, count);
        inventory_rows(sheet, view, &inventory, keys, days_left);
        sheet_end(sheet, none);
        sheet_print(sheet, (unsigned)count); /* without the chart, which would make the print small */
        if (strcmp(kind, "certificates") == 0 && label >= 0 && days >= 0)
                expiry_chart(sheet, view, &inventory, (unsigned)label, (unsigned)days, (unsigned)count);
}

void
xlsx_inventories(struct book *book, const struct view *view)
{
        static const char *const promised[] = {"certificates", "databases"};

        for (size_t i = 0; i < 2; i++) {
                const struct view_inventory *found = NULL;

                for (size_t k = 0; k < view->inventory_count; k++) {
                        if (strcmp(view->inventory[k].kind, promised[i]) == 0)
                                found = &view->inventory[k];
                }
                inventory_sheet(book, view, promised[i], found);
        }
        for (size_t k = 0; k < view->inventory_count; k++) {
                const char *kind = view->inventory[k].kind;

                if (strcmp(kind, promised[0]) != 0 && strcmp(kind, promised[1]) != 0)
                        inventory_sheet(book, view, kind, &view->inventory[k]);
        }
}
