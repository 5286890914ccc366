/* The audits of a cadence, from what the catalogue says of their controls. */

#include "cadence.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "audit.h"
#include "catalogue.h"
#include "json.h"

/* The cadences that a job of this name covers: what is looked at every night is looked at in the weekly rounds too. */
static unsigned
covered_by(const char *word)
{
        if (strcmp(word, "nightly") == 0)
                return JOB_NIGHTLY;
        if (strcmp(word, "weekly") == 0)
                return JOB_NIGHTLY | JOB_WEEKLY;
        return strcmp(word, "monthly") == 0 ? JOB_NIGHTLY | JOB_WEEKLY | JOB_MONTHLY : 0;
}

static bool
ships_in(const struct audit *audit, unsigned cadences)
{
        /* Controls of the user's own have no cadence: they are looked at as often as there are rounds. */
        if (audit->control_of != NULL)
                return true;
        for (size_t i = 0; i < sizeof audit->controls / sizeof *audit->controls && audit->controls[i] != NULL; i++) {
                const struct control *control = control_find(audit->controls[i]);
                if (control != NULL && (control->cadence & cadences) != 0)
                        return true;
        }
        return false;
}

json_t *
cadence_audits(const char *word)
{
        unsigned cadences = word != NULL ? covered_by(word) : 0;
        json_t *names = cadences != 0 ? json_array() : NULL;

        for (size_t i = 0; names != NULL && audits[i] != NULL; i++) {
                if (ships_in(audits[i], cadences))
                        json_push(names, json_string(audits[i]->name));
        }
        return names;
}
