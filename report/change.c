/* The public names of what became of a finding. */

#include "view.h"

const char *
change_name(enum change change)
{
        static const char *const names[] = {"", "new", "worse", "still", "fixed", "incomparable"};

        return (size_t)change < sizeof names / sizeof names[0] ? names[change] : "";
}
