/* Markdown: GitHub tables from templates/report.md.mustache, small enough to paste into an issue. */

#include "escape.h"
#include "page.h"

static const struct page page = {
        .template = "report.md.mustache",
        .extension = "md",
        .escape = escape_markdown,
        .html = false,
        .limits = {.head = 12, .shown = 12, .inventory_head = 10, .inventory_shown = 10, .text_runes = 300, .top = 5},
};

static int
markdown_write(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        return page_write(&page, view, options, stream, err);
}

const struct renderer renderer_markdown = {
        .name = "md",
        .extension = "md",
        .words = "Markdown with GitHub tables, small enough to paste",
        .write = markdown_write,
};
