/* Bounds of partitions under libFuzzer: a range that is read is none backwards, and its next period lies ahead. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "partition_bounds.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
range_try(const struct partition_range *range)
{
        enum partition_period period = partition_period_of(range);

        if (range->from_ms >= range->until_ms || *partition_period_name(period) == '\0')
                abort();
        if (period != PERIOD_OTHER && partition_is_coarse(range) != (period > PERIOD_MONTH))
                abort();
        for (period = PERIOD_OTHER; range->until_ms != PARTITION_OPEN_END && period <= PERIOD_YEAR; period++) {
                if (partition_period_end(range->until_ms, period) < range->until_ms)
                        abort();
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_string text = strndup((const char *)data, size);
        struct partition_range range;
        enum partition_unit unit;
        int64_t at_ms;

        if (text == NULL)
                return 0;
        if (partition_range_parse(text, &range))
                range_try(&range);
        if (partition_check_parse(text, &range))
                range_try(&range);
        if (partition_moment_parse(text, &at_ms, &unit) && unit == PARTITION_NO_UNIT)
                abort();
        return 0;
}
