/* A view built by hand, for tests of renderers: every kind of row, and strings that try to break each format. */
#ifndef ROUNDS_SUPPORT_VIEW_H
#define ROUNDS_SUPPORT_VIEW_H

#include "view.h"

/* What stands in the observed values, names and subjects of the view's rows, in turn; NULL-terminated. */
extern const char *const support_hostile[];

/* `findings` rows (at least 8 for one of each status); freed with support_view_free(). */
struct view *support_view(size_t findings);
void support_view_free(struct view *view);

#endif
