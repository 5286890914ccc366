/* Markdown: GitHub tables from templates/report.md.mustache, small enough to paste into an issue. */

#include "escape.h"
#include "model.h"

static const struct model_limits limits = {
        .head = 12, .shown = 12, .inventory_head = 10, .inventory_shown = 10, .text_runes = 300, .top = 5};

static int
markdown_write(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        struct model model;
        int result;

        if (model_open(&model, view, options, &limits, false, err) != 0)
                return -1;
        result = model_render(&model, "report.md.mustache", escape_markdown, stream, err);
        model_close(&model);
        return result;
}

const struct renderer renderer_markdown = {
        .name = "md",
        .extension = "md",
        .words = "Markdown with GitHub tables, small enough to paste",
        .write = markdown_write,
};
