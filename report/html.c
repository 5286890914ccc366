/* HTML: one self-contained file from templates/report.html.mustache. */

#include "escape.h"
#include "page.h"

static const struct page page = {
        .template = "report.html.mustache",
        .extension = "html",
        .escape = escape_html,
        .html = true,
        .limits = {.head = 5, .shown = 60, .inventory_head = 12, .inventory_shown = 300, .text_runes = 600, .top = 5},
};

static int
html_write(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        return page_write(&page, view, options, stream, err);
}

const struct renderer renderer_html = {
        .name = "html",
        .extension = "html",
        .words = "one self-contained page, light and dark, printable",
        .write = html_write,
};
