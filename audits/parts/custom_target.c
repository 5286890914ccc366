/* Controls of the user's own as a target: rules, each with the source of its value. */

#include "custom.h"

#include <stdio.h>
#include <string.h>

#include "catalogue.h"
#include "json.h"
#include "session.h"
#include "value.h"

static const struct setting expect[] = {
        {.name = "at_most", .type = SETTING_TEXT, .words = "greatest: a number, a duration (30s) or a size (5GB)"},
        {.name = "at_least", .type = SETTING_TEXT, .words = "least"},
        {.name = "below", .type = SETTING_TEXT, .words = "less than this"},
        {.name = "above", .type = SETTING_TEXT, .words = "more than this"},
        {.name = "equals", .type = SETTING_TEXT, .words = "exactly this; numbers by their value"},
        {.name = "not_equals", .type = SETTING_TEXT, .words = "anything but this"},
        {.name = "matches", .type = SETTING_TEXT, .words = "POSIX extended regular expression"},
        {.name = "one_of", .type = SETTING_LIST, .item = SETTING_TEXT, .words = "one of these"},
        {.name = "newer_than",
         .type = SETTING_DURATION,
         .words = "the value is a time (RFC 3339, or seconds since the epoch) no longer ago"},
        {.type = SETTING_END},
};

static const struct setting rule[] = {
        {.name = "id",
         .type = SETTING_TEXT,
         .required = true,
         .words = "of the control: a prefix of its own in capitals, a dash, a number (MY-1)"},
        {.name = "title", .type = SETTING_TEXT, .required = true, .words = "the duty, one line"},
        {.name = "from",
         .type = SETTING_OBJECT,
         .fields = value_source_settings,
         .required = true,
         .words = "where the value stands"},
        {.name = "unit",
         .type = SETTING_CHOICE,
         .choices = "ms|s|m|h|d|B|KiB|MiB|GiB|KB|MB|GB",
         .words = "unit of a value that is a bare number"},
        {.name = "expect",
         .type = SETTING_OBJECT,
         .fields = expect,
         .required = true,
         .words = "what the value must fulfil, all of it"},
        {.name = "if_absent",
         .type = SETTING_CHOICE,
         .choices = "error|fail|pass",
         .fallback = "error",
         .words = "what it means that there is no value"},
        {.name = "severity",
         .type = SETTING_CHOICE,
         .choices = "SEV1|SEV2|SEV3|SEV4",
         .fallback = "SEV3",
         .words = "of a failing finding"},
        {.name = "owner", .type = SETTING_TEXT, .words = "who owns it"},
        {.name = "text", .type = SETTING_TEXT, .words = "what it means when it is not so, a sentence"},
        {.name = "remedy", .type = SETTING_TEXT, .words = "what to do then"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "controls",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = rule,
         .required = true,
         .words = "the rules; `custom` at the top level is the short way to write a target of this kind"},
        {.type = SETTING_END},
};

/* "MY-1": capitals and digits, a dash, a number; no prefix of the catalogue's. */
static bool
id_sound(const char *id, char *why, size_t size)
{
        size_t prefix = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), number;

        number = id[prefix] == '-' ? strspn(id + prefix + 1, "0123456789") : 0;
        if (prefix < 2 || prefix > 12 || (id[0] >= '0' && id[0] <= '9') || number == 0 || number > 6 ||
            id[prefix + 1 + number] != '\0') {
                snprintf(why, size, "\"%.40s\" is no id: capitals, a dash and a number, such as MY-1", id);
                return false;
        }
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                if (strlen(playbooks[i]->prefix) == prefix && strncmp(playbooks[i]->prefix, id, prefix) == 0) {
                        snprintf(why, size, "%.40s: the prefix %s belongs to the catalogue", id, playbooks[i]->prefix);
                        return false;
                }
        }
        return true;
}

static void
custom_review(const struct target *target, const struct target *const *targets, target_mistake *tell, void *context)
{
        const json_t *list = target_value(target, "controls");
        size_t i;
        json_t *row;
        char why[400];

        json_array_foreach((json_t *)list, i, row)
        {
                const char *id = json_text(row, "id", "");
                if (!id_sound(id, why, sizeof why))
                        tell(context, "controls", i, why);
                if (json_repeats(list, i, "id"))
                        tell(context, "controls", i, "there is another control of that id");
                value_source_review("controls", i, row, targets, tell, context);
                if (!custom_expect_sound(json_map(row, "expect"), why, sizeof why))
                        tell(context, "controls", i, why);
        }
}

static int
custom_connect(struct session *session, char *server, size_t size, struct error *err)
{
        (void)err;
        snprintf(server, size, "%zu controls of your own", json_array_size(target_value(session->target, "controls")));
        return 0;
}

const struct target_kind kind_custom = {
        .name = "custom",
        .words = "controls of your own: one value each, and what is expected of it",
        .settings = settings,
        .review = custom_review,
        .connect = custom_connect,
};
