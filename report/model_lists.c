/* Gaps, waivers, targets and inventories, as templates name them. */

#include <ctype.h>

#include <stdlib.h>
#include <string.h>

#include "headline.h"
#include "inventory.h"
#include "json.h"
#include "model.h"
#include "moment.h"

/* --- gaps ----------------------------------------------------------------------------------------------------- */

static bool
gap_reason(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, reason_name(((const struct view_gap *)self->at)->reason));
        return true;
}

static bool
gap_many(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        size_t count = ((const struct view_gap *)self->at)->count;

        (void)model;
        *found = model_count(count > 1 ? count : 0);
        return true;
}

static bool
gap_target(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        *found = model_text(model, target_words(((const struct view_gap *)self->at)->target));
        return true;
}

#define OF_GAP(member) offsetof(struct view_gap, member)

static const struct field gap_fields[] = {
        {"target", FIELD_MADE, .make = gap_target},
        {"text", FIELD_TEXT, OF_GAP(text)},
        {"remedy", FIELD_TEXT, OF_GAP(remedy)},
        {"controls", FIELD_TEXT, OF_GAP(controls)},
        {"resource", FIELD_TEXT, OF_GAP(resource)},
        {"count", FIELD_COUNT, OF_GAP(count)},
        {"many", FIELD_MADE, .make = gap_many},
        {"reason", FIELD_MADE, .make = gap_reason},
        {0},
};

static const struct mustache_type type_gap = {.find = model_find, .table = gap_fields};
const struct model_list model_gaps = {&type_gap, sizeof(struct view_gap), false};

/* --- waivers -------------------------------------------------------------------------------------------------- */

static bool
waiver_state(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        static const char *const names[] = {"in force", "expires soon", "expired"};

        *found = model_text(model, names[((const struct view_waiver *)self->at)->state]);
        return true;
}

static bool
waiver_class(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        static const char *const classes[] = {"waived", "s3", "s2"};

        *found = model_text(model, classes[((const struct view_waiver *)self->at)->state]);
        return true;
}

static bool
waiver_scope(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_waiver *w = self->at;

        if (*w->fingerprint != '\0')
                *found = model_text(model, model_format(model, "finding %.12s", w->fingerprint));
        else
                *found = model_text(model, model_format(model, "%s on %s%s%s", *w->control != '\0' ? w->control : "*",
                                                        *w->target != '\0' ? w->target : "*",
                                                        *w->resource != '\0' ? ", " : "", w->resource));
        return true;
}

#define OF_WAIVER(member) offsetof(struct view_waiver, member)

static const struct field waiver_fields[] = {
        {"id", FIELD_TEXT, OF_WAIVER(id)},
        {"reason", FIELD_TEXT, OF_WAIVER(reason)},
        {"owner", FIELD_TEXT, OF_WAIVER(owner)},
        {"approver", FIELD_TEXT, OF_WAIVER(approver)},
        {"ticket", FIELD_TEXT, OF_WAIVER(ticket)},
        {"expires", FIELD_DAY, OF_WAIVER(expires_ms)},
        {"matched", FIELD_COUNT, OF_WAIVER(matched)},
        {"unused", FIELD_TRUTH, OF_WAIVER(unused)},
        {"too_broad", FIELD_TRUTH, OF_WAIVER(too_broad)},
        {"state", FIELD_MADE, .make = waiver_state},
        {"class", FIELD_MADE, .make = waiver_class},
        {"scope", FIELD_MADE, .make = waiver_scope},
        {0},
};

static const struct mustache_type type_waiver = {.find = model_find, .table = waiver_fields};
const struct model_list model_waivers = {&type_waiver, sizeof(struct view_waiver), false};

/* --- targets -------------------------------------------------------------------------------------------------- */

static bool
target_worst(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_target *target = self->at;

        *found = model_text(model, target->worst == STATUS_FAIL ? severity_name(target->severity)
                                                                : status_name(target->worst));
        return true;
}

#define OF_TARGET(member) offsetof(struct view_target, member)

static const struct field target_fields[] = {
        {"name", FIELD_TEXT, OF_TARGET(name)},
        {"kind", FIELD_TEXT, OF_TARGET(kind)},
        {"owner", FIELD_TEXT, OF_TARGET(owner)},
        {"fail", FIELD_COUNT, OF_TARGET(counts[STATUS_FAIL])},
        {"error", FIELD_COUNT, OF_TARGET(counts[STATUS_ERROR])},
        {"waived", FIELD_COUNT, OF_TARGET(counts[STATUS_WAIVED])},
        {"skip", FIELD_COUNT, OF_TARGET(counts[STATUS_SKIP])},
        {"pass", FIELD_COUNT, OF_TARGET(counts[STATUS_PASS])},
        {"worst", FIELD_MADE, .make = target_worst},
        {0},
};

static const struct mustache_type type_target = {.find = model_find, .table = target_fields};
const struct model_list model_targets = {&type_target, sizeof(struct view_target), false};

/* --- inventories ---------------------------------------------------------------------------------------------- */

/* A table cell: its text in scratch. */
struct cell {
        const char *text, *name, *class_;
};

static const struct field cell_fields[] = {
        {"text", FIELD_TEXT, offsetof(struct cell, text)},
        {"name", FIELD_TEXT, offsetof(struct cell, name)},
        {"class", FIELD_TEXT, offsetof(struct cell, class_)},
        {0},
};

static const struct mustache_type type_cell = {.find = model_find, .table = cell_fields};
static const struct model_list model_cells = {&type_cell, sizeof(struct cell), false};

/* A row together with the table it stands in. */
struct table_row {
        const struct inventory_table *table;
        const struct view_row *row;
};

static bool
row_cells(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct table_row *row = self->at;
        size_t columns = row->table->column_count;
        struct cell *cells = model_room(model, columns * sizeof *cells);

        for (size_t i = 0; cells != NULL && i < columns; i++) {
                char text[INVENTORY_TEXT];
                const struct inventory_column *column = &row->table->columns[i];
                inventory_format(column, row->row, model->zone, text);
                cells[i] = (struct cell){model_format(model, "%s", text), column->title,
                                         inventory_is_number(column) ? "number" : ""};
        }
        *found = model_list_value(model, cells, cells != NULL ? columns : 0, &model_cells);
        return true;
}

static const struct field row_fields[] = {{"cells", FIELD_MADE, .make = row_cells}, {0}};

static const struct mustache_type type_row = {.find = model_find, .table = row_fields};
static const struct model_list model_rows = {&type_row, sizeof(struct table_row), false};

static const struct inventory_table *
table_of(struct model *model, const struct view_inventory *inventory)
{
        struct inventory_table *table = model_room(model, sizeof *table);
        const struct view_row **rows = model_room(model, (inventory->count + 1) * sizeof *rows);

        if (table == NULL || rows == NULL)
                return NULL;
        inventory_lay_out(inventory, rows, table);
        return table;
}

static bool
inventory_rows(struct model *model, const struct mustache_value *self, size_t from, size_t to,
               struct mustache_value *found)
{
        const struct view_inventory *inventory = self->at;
        const struct inventory_table *table = table_of(model, inventory);

        if (table == NULL)
                return false;
        to = to < inventory->count ? to : inventory->count;
        size_t count = to > from ? to - from : 0;
        struct table_row *rows = model_room(model, (count + 1) * sizeof *rows);
        for (size_t i = 0; rows != NULL && i < count; i++)
                rows[i] = (struct table_row){table, table->rows[from + i]};
        *found = model_list_value(model, rows, rows != NULL ? count : 0, &model_rows);
        return true;
}

static bool
inventory_head(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return inventory_rows(model, self, 0, model->limits->inventory_head, found);
}

static bool
inventory_tail(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        return inventory_rows(model, self, model->limits->inventory_head, model->limits->inventory_shown, found);
}

static size_t
shown_of(const struct model *model, const struct view_inventory *inventory)
{
        return inventory->count < model->limits->inventory_shown ? inventory->count : model->limits->inventory_shown;
}

static bool
inventory_tail_count(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        size_t shown = shown_of(model, self->at), head = model->limits->inventory_head;

        *found = model_count(shown > head ? shown - head : 0);
        return true;
}

static bool
inventory_rest(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_inventory *inventory = self->at;

        *found = model_count(inventory->count - shown_of(model, inventory));
        return true;
}

static bool
inventory_title(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_inventory *inventory = self->at;
        char text[64];

        snprintf(text, sizeof text, "%.60s", inventory->kind);
        for (char *c = text; *c != '\0'; c++)
                *c = *c == '_' ? ' ' : *c;
        text[0] = (char)toupper((unsigned char)text[0]);
        *found = model_text(model, model_format(model, "%s", text));
        return true;
}

static bool
inventory_headers(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct inventory_table *table = table_of(model, self->at);

        if (table == NULL)
                return false;
        struct cell *cells = model_room(model, (table->column_count + 1) * sizeof *cells);
        for (size_t i = 0; cells != NULL && i < table->column_count; i++)
                cells[i] = (struct cell){table->columns[i].title, table->columns[i].title,
                                         inventory_is_number(&table->columns[i]) ? "number" : ""};
        *found = model_list_value(model, cells, cells != NULL ? table->column_count : 0, &model_cells);
        return true;
}

static bool
inventory_chart(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_inventory *inventory = self->at;

        *found = model_markup(model, strcmp(inventory->kind, "certificates") == 0  ? model_expiry_line(model)
                                     : strcmp(inventory->kind, "projections") == 0 ? model_projection_plots(model)
                                                                                   : "");
        return true;
}

static bool
inventory_chart_words(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct view_inventory *inventory = self->at;

        *found = model_text(model, strcmp(inventory->kind, "certificates") == 0
                                           ? "Each dot is a certificate on the day it expires."
                                           : "What fills first: daily maxima, the trend, and its 95 % range.");
        return true;
}

static bool
inventory_more_columns(struct model *model, const struct mustache_value *self, struct mustache_value *found)
{
        const struct inventory_table *table = table_of(model, self->at);

        *found = mustache_truth(table != NULL && table->columns_left_out > 0);
        return true;
}

static const struct field inventory_fields[] = {
        {"kind", FIELD_TEXT, offsetof(struct view_inventory, kind)},
        {"count", FIELD_COUNT, offsetof(struct view_inventory, count)},
        {"title", FIELD_MADE, .make = inventory_title},
        {"headers", FIELD_MADE, .make = inventory_headers},
        {"head", FIELD_MADE, .make = inventory_head},
        {"tail", FIELD_MADE, .make = inventory_tail},
        {"tail_count", FIELD_MADE, .make = inventory_tail_count},
        {"rest", FIELD_MADE, .make = inventory_rest},
        {"chart", FIELD_MADE, .make = inventory_chart},
        {"chart_words", FIELD_MADE, .make = inventory_chart_words},
        {"more_columns", FIELD_MADE, .make = inventory_more_columns},
        {0},
};

static const struct mustache_type type_inventory = {.find = model_find, .table = inventory_fields};
const struct model_list model_inventories = {&type_inventory, sizeof(struct view_inventory), false};
