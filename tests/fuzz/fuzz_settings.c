/* Words of settings under libFuzzer: lengths of time, sizes, moments, rates and bounds of duties, as files, variables
 * and documents have them. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "custom.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"
#include "setting_duty.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
duty_try(const struct setting_duty *duty, const char *text, const json_t *value)
{
        static const char *const units[] = {NULL, "ms", "s", "m", "h"};
        struct meaning meaning;
        double bound;

        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
                char why[200] = "";
                bool told = setting_meaning(duty, value, units[i], 1 / 60000.0, &meaning, why, sizeof why);
                if (!told && why[0] == '\0')
                        abort();
                if (told && meaning.kind == MEANS_NUMBER && isnan(meaning.number))
                        abort();
                if (told)
                        setting_holds(duty, &meaning, 5);
        }
        if (setting_bound(duty, text, &bound) && isnan(bound))
                abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_string text = strndup((const char *)data, size);
        scoped_json value = text != NULL ? json_string(text) : NULL;
        int64_t number;

        if (value == NULL) /* no UTF-8: no value of JSON */
                return 0;
        if (duration_parse(text, &number)) {
                char shown[DURATION_TEXT];
                if (number < 0)
                        abort();
                duration_format(number, shown);
        }
        if (size_parse(text, &number)) {
                char shown[SIZE_TEXT];
                if (number < 0)
                        abort();
                size_format((double)number, shown);
        }
        if (moment_parse(text, &number)) {
                char shown[MOMENT_TEXT];
                int64_t again;
                moment_format(number, shown);
                /* To the second: what is shown is read as it was, but for years that four digits do not hold. */
                if (strlen(shown) == 20 && shown[0] != '-' &&
                    (!moment_parse(shown, &again) || llabs(again - number) >= 1000))
                        abort();
        }
        custom_number(value, "s");
        double quantity = kubernetes_quantity(value);
        if (isinf(quantity))
                abort();
        for (const struct setting_duty *duty = setting_duties; duty->is != NULL; duty++)
                duty_try(duty, text, value);
        return 0;
}
