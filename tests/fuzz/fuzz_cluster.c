/* What a cluster can put before us, under libFuzzer: cron schedules, JSON texts that are thinned before parsing, the
 * status of its autoscaler.  The first byte chooses. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "autoscaler_status.h"
#include "cron.h"
#include "json_slim.h"
#include "moment.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Starts are within what was asked for, and in order. */
static void
schedule(const char *text)
{
        static const int64_t from = 1795489200000;
        struct cron cron;
        char why[64];
        int64_t starts[200];
        scoped_zone zone = NULL;
        struct error err;

        if (!cron_parse(text, &cron, why, sizeof why) || zone_open(NULL, &zone, &err) != 0)
                return;
        size_t count = cron_starts(&cron, zone, from, from + 40 * DAY_MS, starts, 200);
        for (size_t i = 0; i < count; i++) {
                if (starts[i] < from || starts[i] >= from + 40 * DAY_MS || (i > 0 && starts[i] <= starts[i - 1]))
                        abort();
        }
}

/* What was JSON stays JSON. */
static void
thinned(char *text, size_t length)
{
        static const char *const keys[] = {"env", "a", "", NULL};
        scoped_json before = json_loadb(text, length, JSON_DECODE_ANY, NULL);
        size_t left = json_without(text, length, keys);

        if (left > length)
                abort();
        scoped_json after = json_loadb(text, left, JSON_DECODE_ANY, NULL);
        if (before != NULL && after == NULL)
                abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_string text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;
        scoped_json status = NULL;
        struct error err;

        if (text == NULL)
                return 0;
        if (data[0] % 3 == 0) {
                schedule(text);
        } else if (data[0] % 3 == 1) {
                scoped_string copy = malloc(size);
                if (copy != NULL) {
                        memcpy(copy, data + 1, size - 1);
                        thinned(copy, size - 1);
                }
        } else if (autoscaler_status_read(text, &status, &err) == 0 && !json_is_object(status)) {
                abort();
        }
        return 0;
}
