/* Control pages: one section found, and rendered by cmark in safe mode. */

#include "prose.h"

#include <cmark.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "templates.h"

/* The next line that begins with "## " at or after `from`, outside of fenced code; NULL at the end. */
static const char *
heading_next(const char *from)
{
        bool fenced = false;

        for (const char *line = from; line != NULL && *line != '\0';) {
                if (strncmp(line, "```", 3) == 0 || strncmp(line, "~~~", 3) == 0)
                        fenced = !fenced;
                else if (!fenced && strncmp(line, "## ", 3) == 0)
                        return line;
                line = strchr(line, '\n');
                line = line != NULL ? line + 1 : NULL;
        }
        return NULL;
}

char *
prose_section(const char *page, const char *heading)
{
        size_t length = strlen(heading);

        for (const char *at = heading_next(page); at != NULL; at = heading_next(at + 1)) {
                const char *name = at + 3;
                size_t line = strcspn(name, "\r\n");
                if (line < length || strncasecmp(name, heading, length) != 0 ||
                    name[length + strspn(name + length, " \t")] != name[line])
                        continue;
                const char *from = name + line + strspn(name + line, "\r\n");
                const char *to = heading_next(from);
                return strndup(from, to != NULL ? (size_t)(to - from) : strlen(from));
        }
        return NULL;
}

char *
prose_html(const char *text)
{
        return cmark_markdown_to_html(text, strlen(text), CMARK_OPT_VALIDATE_UTF8);
}

/* An id makes a file name: nothing but what ids are made of gets there. */
static bool
is_id(const char *control)
{
        return *control != '\0' && strlen(control) < 64 &&
               control[strspn(control, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

int
prose_control(const char *directory, const char *control, const char *heading, bool html, char **out, struct error *err)
{
        scoped_string page = NULL;
        char name[96];
        size_t size;
        struct error none;

        *out = NULL;
        if (!is_id(control))
                return 0;
        snprintf(name, sizeof name, "controls/%s.md", control);
        if (template_read(directory, name, &page, &size, &none) != 0)
                return 0; /* a control of the user's own has no page */
        *out = prose_section(page, heading);
        if (*out != NULL && html) {
                char *made = prose_html(*out);
                free(*out);
                *out = made;
                if (made == NULL)
                        return error_memory(err, name);
        }
        return 0;
}
