/* Rights that a check looked for, and whether they are held. */

#include "rights.h"

#include <stdio.h>

void
rights_add(struct rights *rights, bool held, const char *what, const char *remedy)
{
        if (rights->count == sizeof rights->rows / sizeof rights->rows[0])
                return;
        struct right *right = &rights->rows[rights->count++];
        right->held = held;
        snprintf(right->what, sizeof right->what, "%s", what);
        snprintf(right->remedy, sizeof right->remedy, "%s", held || remedy == NULL ? "" : remedy);
}
