/* Settings of an application as a target: single values, each read from where it stands and each for one duty. */

#include "settings_target.h"

#include <stdio.h>

#include "json.h"
#include "setting_duty.h"
#include "value.h"

static const struct setting item[] = {
        {.name = "name",
         .type = SETTING_TEXT,
         .required = true,
         .words = "what it is called; part of its findings' identity"},
        {.name = "is",
         .type = SETTING_CHOICE,
         .choices = SETTING_DUTIES,
         .required = true,
         .words = "what it is for, which says the control and the bound (LAT-2, RED-6, WRK-2, WRK-3, API-5, ATH-1 to "
                  "ATH-3)"},
        {.name = "of", .type = SETTING_TEXT, .words = "whose: the job type, the dependency, the endpoint"},
        {.name = "from",
         .type = SETTING_OBJECT,
         .fields = value_source_settings,
         .required = true,
         .words = "where the value stands"},
        {.name = "unit",
         .type = SETTING_CHOICE,
         .choices = "ms|s|m|h",
         .words = "unit of a duration that is a bare number"},
        {.name = "per", .type = SETTING_DURATION, .fallback = "1m", .min = 1, .words = "what a bare rate counts in"},
        {.name = "bound",
         .type = SETTING_TEXT,
         .words = "instead of the policy's bound; a value in a Secret needs it: it is compared while it is read, and "
                  "not kept"},
        {.name = "owner", .type = SETTING_TEXT, .words = "who owns it; default: the target's owner"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "settings",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = item,
         .required = true,
         .words = "the settings that are looked at"},
        {.type = SETTING_END},
};

static void
settings_review(const struct target *target, const struct target *const *targets, target_mistake *tell, void *context)
{
        const json_t *list = target_value(target, "settings");
        size_t i;
        json_t *row;
        double bound;

        json_array_foreach((json_t *)list, i, row)
        {
                const struct setting_duty *duty = setting_duty_find(json_text(row, "is", ""));
                const char *own = json_text(row, "bound", NULL);
                char text[600];
                if (json_repeats(list, i, "name"))
                        tell(context, "settings", i, "there is another setting of that name");
                value_source_review("settings", i, row, targets, tell, context);
                if (duty == NULL)
                        continue;
                if (duty->subject != NULL && json_text(row, "of", NULL) == NULL) {
                        snprintf(text, sizeof text, "%s needs `of`: which %s", duty->is, duty->subject);
                        tell(context, "settings", i, text);
                }
                if (own != NULL && !setting_bound(duty, own, &bound)) {
                        snprintf(text, sizeof text, "bound: \"%.60s\" is none that %s could be held to", own, duty->is);
                        tell(context, "settings", i, text);
                }
        }
}

static int
settings_connect(struct session *session, char *server, size_t size, struct error *err)
{
        (void)err;
        snprintf(server, size, "%zu settings", json_array_size(target_value(session->target, "settings")));
        return 0;
}

const struct target_kind kind_settings = {
        .name = "settings",
        .words = "single settings of an application, wherever they stand",
        .settings = settings,
        .review = settings_review,
        .connect = settings_connect,
};
