/* A page: a view through its model into one template and its partials. */

#include "page.h"

#include <stdio.h>

#include "scope.h"
#include "templates.h"

struct partials {
        const struct page *page;
        const char *folder; /* templates of the user's own; may be NULL */
};

static int
partial_load(void *context, const char *name, char **source, size_t *size, struct error *err)
{
        const struct partials *partials = context;
        char file[128];

        snprintf(file, sizeof file, "%.80s.%s.mustache", name, partials->page->extension);
        return template_read(partials->folder, file, source, size, err);
}

static int
page_fill(const struct page *page, struct model *model, FILE *stream, struct error *err)
{
        struct partials partials = {page, model->options->templates};
        scoped_string source = NULL;
        struct mustache *template = NULL;
        struct mustache_value root = model_root(model);
        size_t size;

        if (template_read(partials.folder, page->template, &source, &size, err) != 0 ||
            mustache_compile(page->template, source, size, &template, err) != 0)
                return -1;
        int result = mustache_render(template, &root, page->escape, partial_load, &partials, stream, err);
        mustache_free(template);
        return model->failed ? -1 : result;
}

int
page_write(const struct page *page, const struct view *view, const struct report_options *options, FILE *stream,
           struct error *err)
{
        struct model model;

        if (model_open(&model, view, options, &page->limits, page->html, err) != 0)
                return -1;
        int result = page_fill(page, &model, stream, err);
        model_close(&model);
        return result;
}
