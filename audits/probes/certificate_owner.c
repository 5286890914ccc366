/* Owners and places of certificates. */

#include "certificate_owner.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { PLACES_MOST = 1000 };

const struct setting certificate_owner_rule[] = {
        {.name = "match",
         .type = SETTING_GLOB,
         .required = true,
         .words = "against the certificate's names and the places where it was seen"},
        {.name = "owner", .type = SETTING_TEXT, .required = true, .words = "who renews it"},
        {.type = SETTING_END},
};

/* Globs over a certificate's common name, its names and its places. */
static bool
certificate_fits(const json_t *certificate, const char *glob)
{
        static const char *const lists[] = {"names", "places"};
        const char *common = json_text(certificate, "common_name", "");
        size_t i;
        json_t *one;

        if (common[0] != '\0' && fnmatch(glob, common, FNM_CASEFOLD) == 0)
                return true;
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
                json_array_foreach((json_t *)json_list(certificate, lists[k]), i, one)
                {
                        if (json_is_string(one) && fnmatch(glob, json_string_value(one), FNM_CASEFOLD) == 0)
                                return true;
                }
        }
        return false;
}

static void
claim(json_t *certificate, const struct target *target)
{
        const char *owner = json_text(certificate, "owner", "");
        bool managed = json_flag(certificate, "managed", false);
        size_t i;
        json_t *one;

        if (*owner == '\0')
                owner = target->owner;
        json_array_foreach((json_t *)target_value(target, "owners"), i, one)
        {
                if (certificate_fits(certificate, json_text(one, "match", ""))) {
                        owner = json_text(one, "owner", owner);
                        break;
                }
        }
        json_array_foreach((json_t *)target_value(target, "managed"), i, one)
        {
                managed = managed || (json_is_string(one) && certificate_fits(certificate, json_string_value(one)));
        }
        json_put(certificate, "owner", json_string(owner));
        json_put_flag(certificate, "managed", managed);
}

void
certificate_place(json_t *certificates, const char *id, const char *place)
{
        json_t *certificate = json_object_get(certificates, id);
        json_t *places = json_object_get(certificate, "places");

        if (certificate == NULL)
                return;
        if (places == NULL) {
                places = json_array();
                json_put(certificate, "places", places);
        }
        if (!json_holds(places, place) && json_array_size(places) < PLACES_MOST)
                json_push(places, json_bytes(place, strlen(place)));
}

static int
by_text(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *
certificates_claim(json_t *certificates, const struct target *target)
{
        size_t count = json_object_size(certificates), at = 0;
        const char **ids = calloc(count + 1, sizeof *ids);
        json_t *all = ids != NULL ? json_array() : NULL, *certificate;
        const char *key;

        json_object_foreach(certificates, key, certificate)
        {
                if (all != NULL)
                        ids[at++] = key;
        }
        if (at > 1)
                qsort(ids, at, sizeof *ids, by_text);
        for (size_t i = 0; i < at; i++) {
                certificate = json_object_get(certificates, ids[i]);
                claim(certificate, target);
                json_push(all, json_incref(certificate));
        }
        free(ids);
        return all;
}
