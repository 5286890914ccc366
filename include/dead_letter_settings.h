/* What targets' settings say about where dead letters lie: the rows of `dead_letters`, one table per kind of target. */
#ifndef ROUNDS_DEAD_LETTER_SETTINGS_H
#define ROUNDS_DEAD_LETTER_SETTINGS_H

#include "settings.h"

extern const struct setting dead_letter_redis_fields[];
extern const struct setting dead_letter_sql_fields[];
extern const struct setting dead_letter_http_fields[];

#endif
