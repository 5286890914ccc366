/* The catalogue: every playbook's controls, in the order of the catalogue. */

#include "catalogue.h"

#include <stdint.h>
#include <string.h>

extern const struct playbook playbook_latency;
extern const struct playbook playbook_workers;
extern const struct playbook playbook_connections;
extern const struct playbook playbook_redis;
extern const struct playbook playbook_api;
extern const struct playbook playbook_dead_letters;
extern const struct playbook playbook_certificates;
extern const struct playbook playbook_nodes;
extern const struct playbook playbook_disk;
extern const struct playbook playbook_authentication;
extern const struct playbook playbook_alerts;

const struct playbook *const playbooks[] = {
        &playbook_latency, &playbook_workers,        &playbook_connections,  &playbook_redis,
        &playbook_api,     &playbook_dead_letters,   &playbook_certificates, &playbook_nodes,
        &playbook_disk,    &playbook_authentication, &playbook_alerts,       NULL,
};

/* Where `id` stands: its playbook, its row, and its position in the whole catalogue. */
static const struct control *
locate(const char *id, const struct playbook **playbook, size_t *position)
{
        *position = 0;
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *control = playbooks[i]->controls; control->id != NULL;
                     control++, ++*position) {
                        if (strcmp(control->id, id) == 0) {
                                *playbook = playbooks[i];
                                return control;
                        }
                }
        }
        return NULL;
}

size_t
control_order(const char *id)
{
        const struct playbook *playbook;
        size_t position;

        return locate(id, &playbook, &position) != NULL ? position : SIZE_MAX;
}

const struct control *
control_find(const char *id)
{
        const struct playbook *playbook;
        size_t position;

        return locate(id, &playbook, &position);
}

const struct playbook *
control_playbook(const char *id)
{
        const struct playbook *playbook;
        size_t position;

        return locate(id, &playbook, &position) != NULL ? playbook : NULL;
}
