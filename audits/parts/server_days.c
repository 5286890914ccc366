/* Days that a server remembers, and those that earlier runs stored, as one history. */

#include "server_days.h"

#include <stdlib.h>

#include "scope.h"

int
server_days_fit(const json_t *days, const struct series *own, double value, const struct trend_question *question,
                struct trend *out)
{
        size_t kept = own != NULL ? own->count : 0, count = 0, i;
        scoped(scope_free) struct sample *samples = calloc(json_array_size(days) + kept + 1, sizeof *samples);
        json_t *day;

        if (samples == NULL)
                return -1;
        json_array_foreach((json_t *)days, i, day)
        {
                int64_t at = (int64_t)json_number_value(json_array_get(day, 0));
                if (json_is_number(json_array_get(day, 1)) && at < question->now_ms)
                        samples[count++] = (struct sample){at, json_number_value(json_array_get(day, 1))};
        }
        int64_t newest = count > 0 ? samples[count - 1].at_ms : INT64_MIN, oldest = count > 0 ? samples[0].at_ms : 0;
        for (i = 0; i < kept; i++) {
                if (own->samples[i].at_ms < oldest || own->samples[i].at_ms > newest)
                        samples[count++] = own->samples[i];
        }
        samples[count++] = (struct sample){question->now_ms, value};
        return trend_fit(samples, count, question, out);
}
