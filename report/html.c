/* HTML: one self-contained file from templates/report.html.mustache. */

#include "escape.h"
#include "model.h"

static const struct model_limits limits = {
        .head = 5, .shown = 60, .inventory_head = 12, .inventory_shown = 300, .text_runes = 600, .top = 5};

static int
html_write(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        struct model model;
        int result;

        if (model_open(&model, view, options, &limits, true, err) != 0)
                return -1;
        result = model_render(&model, "report.html.mustache", escape_html, stream, err);
        model_close(&model);
        return result;
}

const struct renderer renderer_html = {
        .name = "html",
        .extension = "html",
        .words = "one self-contained page, light and dark, printable",
        .write = html_write,
};
