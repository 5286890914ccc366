/* A database's address, reduced to what may be known of it. */

#include "dsn.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const schemes[] = {"postgres", "postgresql", "prisma", "prisma+postgres", "jdbc:postgresql", NULL};

/* "postgresql+asyncpg" counts by what stands before the driver. */
static bool
scheme_read(const char *text, size_t length, struct dsn *dsn)
{
        if (length == 0 || length >= sizeof dsn->scheme)
                return false;
        snprintf(dsn->scheme, sizeof dsn->scheme, "%.*s", (int)length, text);
        for (char *c = dsn->scheme; *c != '\0'; c++)
                *c = (char)tolower((unsigned char)*c);
        for (size_t i = 0; schemes[i] != NULL; i++) {
                size_t size = strlen(schemes[i]);
                if (strncmp(dsn->scheme, schemes[i], size) == 0 &&
                    (dsn->scheme[size] == '\0' || dsn->scheme[size] == '+'))
                        return true;
        }
        return false;
}

/* The host after the last '@' of the authority; letters that no host has make it unknown, lest a part of a password
 * with a stray '/' or '@' passes for one. */
static void
host_read(const char *authority, size_t length, struct dsn *dsn)
{
        const char *start = authority;
        bool user = false;

        for (size_t i = 0; i < length; i++) {
                if (authority[i] == '@') {
                        start = authority + i + 1;
                        user = true;
                }
        }
        size_t size = (size_t)(authority + length - start);
        bool bracket = size > 0 && *start == '[';
        size_t end = bracket ? strcspn(start, "]") + 1 : strcspn(start, ":,/?#");
        end = end < size ? end : size;
        for (size_t i = 0; i < end; i++) {
                bool sound = isalnum((unsigned char)start[i]) || strchr("-._", start[i]) != NULL ||
                             (bracket && strchr("[]:", start[i]) != NULL);
                if (!sound)
                        return;
        }
        /* "postgresql://user:secret" without a host: what is there may be a name and a password. */
        if (end == 0 || end >= sizeof dsn->host ||
            (!user && start[end] == ':' && !isdigit((unsigned char)start[end + 1])))
                return;
        snprintf(dsn->host, sizeof dsn->host, "%.*s", (int)end, start);
}

static bool
number_read(const char *text, size_t length, double *number)
{
        char copy[32], *end;

        if (length == 0 || length >= sizeof copy)
                return false;
        snprintf(copy, sizeof copy, "%.*s", (int)length, text);
        double value = strtod(copy, &end);
        if (*end != '\0' || !isfinite(value) || value < 0 || isspace((unsigned char)copy[0]))
                return false;
        *number = value;
        return true;
}

static void
parameter_read(const char *name, size_t name_length, const char *value, size_t length, struct dsn *dsn)
{
        if (name_length == 16 && strncmp(name, "connection_limit", 16) == 0)
                dsn->limit_unsound = !number_read(value, length, &dsn->limit);
        else if (name_length == 12 && strncmp(name, "pool_timeout", 12) == 0)
                dsn->timeout_unsound = !number_read(value, length, &dsn->timeout_s);
        else if (name_length == 28 && strncmp(name, "max_idle_connection_lifetime", 28) == 0)
                number_read(value, length, &dsn->idle_s);
        else if (name_length == 9 && strncmp(name, "pgbouncer", 9) == 0)
                dsn->pgbouncer = length == 4 && strncasecmp(value, "true", 4) == 0;
}

bool
dsn_parse(const char *text, struct dsn *dsn)
{
        *dsn = (struct dsn){.limit = NAN, .timeout_s = NAN, .idle_s = NAN};
        while (isspace((unsigned char)*text) || *text == '"' || *text == '\'')
                text++;
        const char *colon = strstr(text, "://");
        if (colon == NULL || !scheme_read(text, (size_t)(colon - text), dsn))
                return false;
        const char *query = strchr(colon, '?'), *authority = colon + 3;
        const char *last = query != NULL ? query : authority + strlen(authority);
        /* The path begins at the first '/' after the last '@': an unescaped password may hold one. */
        const char *at = authority;
        for (const char *c = authority; c < last; c++)
                at = *c == '@' ? c : at;
        size_t length = (size_t)(at - authority) + strcspn(at, "/?#");
        host_read(authority, length < (size_t)(last - authority) ? length : (size_t)(last - authority), dsn);
        for (const char *next = query; next != NULL && *next != '\0' && *next != '#';) {
                const char *name = next + 1;
                size_t size = strcspn(name, "&#\"' \n");
                const char *equal = memchr(name, '=', size);
                if (equal != NULL)
                        parameter_read(name, (size_t)(equal - name), equal + 1, size - (size_t)(equal - name) - 1, dsn);
                next = name[size] == '&' ? name + size : NULL;
        }
        return true;
}
