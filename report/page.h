/* A page: a view through its model (model.h) into one template and its partials. */
#ifndef ROUNDS_PAGE_H
#define ROUNDS_PAGE_H

#include "model.h"

struct page {
        const char *template;   /* "report.html.mustache" */
        const char *extension;  /* of its partials: "finding" names the file "finding.html.mustache" beside it */
        mustache_escape escape; /* of what the view holds */
        bool html;              /* prose becomes HTML */
        struct model_limits limits;
};

int page_write(const struct page *page, const struct view *view, const struct report_options *options, FILE *stream,
               struct error *err) __attribute__((warn_unused_result));

#endif
