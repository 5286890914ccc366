/* Prose: control pages and their sections, Markdown made into HTML in cmark's safe mode. */
#ifndef ROUNDS_PROSE_H
#define ROUNDS_PROSE_H

#include <stdbool.h>

#include "error.h"

/* The text under "## HEADING" of a page, up to the next heading of that level: malloc'd; NULL when there is none. */
char *prose_section(const char *page, const char *heading);

/* CommonMark to HTML, malloc'd; raw HTML and dangerous links are left out.  NULL when memory ran out. */
char *prose_html(const char *text);

/* The section of a control's page (from `directory` or built in), as HTML or as it is: malloc'd into *out, NULL there
 * when the control has no page or no such section. */
int prose_control(const char *directory, const char *control, const char *heading, bool html, char **out,
                  struct error *err) __attribute__((warn_unused_result));

#endif
