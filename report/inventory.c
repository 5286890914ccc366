/* Inventories laid out: known kinds begin with the columns that matter, the rest follows in the audit's own order. */

#include "inventory.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "json.h"
#include "moment.h"

static const struct {
        const char *kind;
        const char *first[INVENTORY_COLUMNS];
} layouts[] = {
        {"certificates", {"subject", "not_after", "days_left", "owner", "issuer", "where"}},
        {"duties", {"due", "control", "duty", "evidence", "state", "last", "owner"}},
        {"attestations", {"at", "who", "what", "covers", "outcome", "signature"}},
        {"databases", {"name", "size_bytes", "owner"}},
        {"projections", {"subject", "now", "limit", "full_on", "full_earliest", "verdict", "samples"}},
};

/* What tells rows apart comes first in every other inventory: the store keeps keys in the order of the alphabet. */
const char *const inventory_identity[] = {"kind",    "namespace",   "database", "schema", "name",
                                          "alert",   "queue",       "control",  "server", "client",
                                          "address", "application", "state",    NULL};

static const char *const *
first_keys(const char *kind)
{
        for (size_t k = 0; k < sizeof layouts / sizeof layouts[0]; k++) {
                if (strcmp(layouts[k].kind, kind) == 0)
                        return layouts[k].first;
        }
        return inventory_identity;
}

/* Identities and raw points are for programs; they stand in the JSON report. */
static bool
is_for_programs(const char *key)
{
        static const char *const keys[] = {"id", "target", "points", "sha256", "fingerprint"};

        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
                if (strcmp(key, keys[i]) == 0)
                        return true;
        }
        return false;
}

static size_t
unit_of(const char *key)
{
        static const char *const units[] = {"_bytes", "_at_ms", "_ms", "_percent", "_ratio"};
        size_t length = strlen(key);

        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
                size_t unit = strlen(units[i]);
                if (length > unit && strcmp(key + length - unit, units[i]) == 0)
                        return unit;
        }
        return 0;
}

static bool
has_unit(const char *key, const char *unit)
{
        size_t length = unit_of(key);

        return length > 0 && strcmp(key + strlen(key) - length, unit) == 0;
}

static void
column_add(struct inventory_table *table, const char *key)
{
        for (size_t i = 0; i < table->column_count; i++) {
                if (strcmp(table->columns[i].key, key) == 0)
                        return;
        }
        if (table->column_count + 1 >= INVENTORY_COLUMNS) { /* the last is kept for the target */
                table->columns_left_out++;
                return;
        }
        struct inventory_column *column = &table->columns[table->column_count++];
        column->key = key;
        if (strcmp(key, "not_after") == 0) {
                snprintf(column->title, sizeof column->title, "Expires");
                return;
        }
        snprintf(column->title, sizeof column->title, "%.*s", (int)(strlen(key) - unit_of(key)), key);
        for (char *c = column->title; *c != '\0'; c++)
                *c = *c == '_' ? ' ' : *c;
        column->title[0] = (char)toupper((unsigned char)column->title[0]);
}

int64_t
inventory_expiry(const json_t *row)
{
        int64_t moment;
        const char *text = json_text(row, "not_after", json_text(row, "expires", json_text(row, "due", "")));

        return moment_parse(text, &moment) ? moment : INT64_MAX;
}

static int
by_expiry(const void *left, const void *right)
{
        const struct view_row *a = *(const struct view_row *const *)left, *b = *(const struct view_row *const *)right;
        int64_t x = inventory_expiry(a->row), y = inventory_expiry(b->row);

        return x != y ? (x < y ? -1 : 1) : a < b ? -1 : a > b;
}

void
inventory_lay_out(const struct view_inventory *inventory, const struct view_row **rows, struct inventory_table *table)
{
        const char *key;
        json_t *value;

        *table = (struct inventory_table){.rows = rows, .row_count = inventory->count};
        for (size_t i = 0; i < inventory->count; i++)
                rows[i] = &inventory->rows[i];
        const char *const *first = first_keys(inventory->kind);
        for (size_t i = 0; i < INVENTORY_COLUMNS && first[i] != NULL; i++) {
                bool present = false;
                for (size_t row = 0; row < inventory->count && row < 100 && !present; row++)
                        present = json_has(rows[row]->row, first[i]);
                if (present)
                        column_add(table, first[i]);
        }
        if (inventory->count > 0) {
                json_object_foreach((json_t *)inventory->rows[0].row, key, value)
                {
                        if (!is_for_programs(key))
                                column_add(table, key);
                }
        }
        snprintf(table->columns[table->column_count++].title, sizeof table->columns[0].title, "Target");
        if ((strcmp(inventory->kind, "certificates") == 0 || strcmp(inventory->kind, "duties") == 0) &&
            inventory->count > 1)
                qsort(rows, inventory->count, sizeof(*rows), by_expiry);
}

bool
inventory_is_number(const struct inventory_column *column)
{
        return column->key != NULL && ((unit_of(column->key) > 0 && !has_unit(column->key, "_at_ms")) ||
                                       strcmp(column->key, "days_left") == 0);
}

static void
list_format(const json_t *list, char text[INVENTORY_TEXT])
{
        size_t index, at = 0, shown = 0, count = json_array_size(list);
        const json_t *item;

        text[0] = '\0';
        json_array_foreach((json_t *)list, index, item)
        {
                const char *word = json_is_string(item) ? json_string_value(item) : NULL;
                if (word == NULL || at + 250 > INVENTORY_TEXT)
                        break;
                at += (size_t)snprintf(text + at, INVENTORY_TEXT - at, "%s%.*s", shown > 0 ? ", " : "",
                                       (int)text_prefix(word, 60), word);
                shown++;
                if (shown == 3)
                        break;
        }
        if (shown < count)
                snprintf(text + at, INVENTORY_TEXT - at, "%s%zu more", shown > 0 ? " and " : "", count - shown);
}

static void
number_format(const char *key, const json_t *value, const struct zone *zone, char text[INVENTORY_TEXT])
{
        double number = json_number_value(value);

        if (has_unit(key, "_at_ms"))
                zone_moment(zone, (int64_t)number, text);
        else if (has_unit(key, "_ms"))
                duration_format((int64_t)number, text);
        else if (has_unit(key, "_bytes"))
                size_format(number, text);
        else if (has_unit(key, "_percent") || has_unit(key, "_ratio"))
                snprintf(text, INVENTORY_TEXT, "%.1f %%", has_unit(key, "_ratio") ? number * 100 : number);
        else if (json_is_integer(value))
                snprintf(text, INVENTORY_TEXT, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else
                snprintf(text, INVENTORY_TEXT, "%.6g", number);
}

void
inventory_format(const struct inventory_column *column, const struct view_row *row, const struct zone *zone,
                 char text[INVENTORY_TEXT])
{
        const json_t *value = column->key != NULL ? json_object_get(row->row, column->key) : NULL;
        const char *string = column->key != NULL ? json_string_value(value) : row->target;
        int64_t moment;

        text[0] = '\0';
        if (string != NULL && column->key != NULL && strlen(string) >= 20 && moment_parse(string, &moment))
                zone_day(zone, moment, text);
        else if (string != NULL)
                snprintf(text, INVENTORY_TEXT, "%.*s%s", (int)text_prefix(string, 90), string,
                         string[text_prefix(string, 90)] != '\0' ? "\xE2\x80\xA6" : "");
        else if (json_is_number(value))
                number_format(column->key, value, zone, text);
        else if (json_is_boolean(value))
                snprintf(text, INVENTORY_TEXT, "%s", json_is_true(value) ? "yes" : "no");
        else if (json_is_array(value))
                list_format(value, text);
}
