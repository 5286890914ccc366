/* What the judges of vacuum share: counts for people, and the row of a database. */

#include "vacuum_judge.h"

#include <math.h>

#include "json.h"

const char *
vacuum_count(struct findings *out, double count)
{
        if (!isfinite(count))
                return "?";
        if (fabs(count) >= 1e9)
                return findings_text(out, "%.2f billion", count / 1e9);
        if (fabs(count) >= 1e6)
                return findings_text(out, "%.1f million", count / 1e6);
        return findings_text(out, "%.0f", count);
}

const json_t *
vacuum_database(const struct vacuum_judge *judge, const char *name)
{
        return json_find(json_list(judge->facts, "databases"), "name", name);
}
