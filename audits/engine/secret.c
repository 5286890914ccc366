/* Secrets: read late, wiped early, taken out of whatever is shown. */

#include "secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { SECRET_LARGEST = 64 * 1024, SHORTEST = 4 };

#define REDACTED "[redacted]"

/* What was read so far.  The one piece of state that outlives a call: redaction must know every secret of the process.
 */
static struct {
        pthread_mutex_t lock;
        char **values;
        size_t count;
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
secret_free(char *value)
{
        if (value == NULL)
                return;
        explicit_bzero(value, strlen(value));
        free(value);
}

void
secret_remember(const char *value)
{
        if (value == NULL || strlen(value) < SHORTEST)
                return;
        pthread_mutex_lock(&known.lock);
        bool there = false;
        for (size_t i = 0; i < known.count && !there; i++)
                there = strcmp(known.values[i], value) == 0;
        if (!there) {
                char **values = reallocarray(known.values, known.count + 1, sizeof *values);
                char *copy = strdup(value);
                if (values != NULL)
                        known.values = values;
                if (values != NULL && copy != NULL)
                        known.values[known.count++] = copy;
                else
                        free(copy);
        }
        pthread_mutex_unlock(&known.lock);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int
from_file(const char *path, const char *what, char **value, struct error *err)
{
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        char *text = calloc(1, SECRET_LARGEST + 2);

        if (text == NULL)
                return error_memory(err, what);
        size_t length = file != NULL ? fread(text, 1, SECRET_LARGEST + 1, file) : 0;
        if (file == NULL || ferror(file)) {
                free(text);
                error_set(err, REASON_CONFIGURATION, "%s: %s: %s", what, path, strerror(errno));
                return error_remedy(err, "make the file readable for the user that runs rounds, and for nobody else");
        }
        if (length > 0 && text[length - 1] == '\n')
                text[--length] = '\0';
        if (length > 0 && text[length - 1] == '\r')
                text[--length] = '\0';
        if (length == 0 || length > SECRET_LARGEST || strlen(text) != length) {
                explicit_bzero(text, length);
                free(text);
                return error_set(err, REASON_CONFIGURATION, "%s: %s: %s", what, path,
                                 length == 0 ? "the file is empty" : "this is no secret: too long, or binary");
        }
        *value = text;
        return 0;
}

int
secret_read_place(const json_t *place, const char *what, char **value, struct error *err)
{
        const char *file = json_text(place, "file", NULL), *name = json_text(place, "env", NULL);

        *value = NULL;
        if (file != NULL) {
                if (from_file(file, what, value, err) != 0)
                        return -1;
        } else if (name != NULL) {
                const char *text = getenv(name);
                if (text == NULL || *text == '\0')
                        return error_set(err, REASON_CONFIGURATION, "%s: the environment variable %s is not set", what,
                                         name);
                *value = strdup(text);
                if (*value == NULL)
                        return error_memory(err, what);
        }
        if (*value != NULL)
                secret_remember(*value);
        return 0;
}

int
secret_read(const struct target *target, const char *name, char **value, struct error *err)
{
        const json_t *place = target_value(target, name);

        *value = NULL;
        if (!json_is_object(place))
                return 0;
        return secret_read_place(place, name, value, err);
}

/* --- redaction ---------------------------------------------------------------------------------------------------- */

/* A text with every occurrence of `secret` replaced, malloc'd; NULL when there is none. */
static char *
without(const char *text, const char *secret)
{
        size_t length = strlen(secret), hits = 0;

        for (const char *at = text; (at = strstr(at, secret)) != NULL; at += length)
                hits++;
        if (hits == 0)
                return NULL;
        char *clean = malloc(strlen(text) + hits * strlen(REDACTED) + 1);
        if (clean == NULL)
                abort(); /* better no process than a secret in a report */
        char *to = clean;
        for (const char *hit; (hit = strstr(text, secret)) != NULL; text = hit + length) {
                memcpy(to, text, (size_t)(hit - text));
                to += hit - text;
                memcpy(to, REDACTED, strlen(REDACTED));
                to += strlen(REDACTED);
        }
        strcpy(to, text);
        return clean;
}

void
secret_redact_text(char *text)
{
        pthread_mutex_lock(&known.lock);
        for (size_t i = 0; i < known.count; i++) {
                size_t length = strlen(known.values[i]), word = strlen(REDACTED);
                for (char *hit = text; (hit = strstr(hit, known.values[i])) != NULL;) {
                        if (length < word) {
                                memset(hit, '*', length);
                                hit += length;
                        } else {
                                memcpy(hit, REDACTED, word);
                                memmove(hit + word, hit + length, strlen(hit + length) + 1);
                                hit += word;
                        }
                }
        }
        pthread_mutex_unlock(&known.lock);
}

static char *
redacted(const char *text)
{
        char *result = NULL;

        pthread_mutex_lock(&known.lock);
        for (size_t i = 0; i < known.count; i++) {
                char *clean = without(result != NULL ? result : text, known.values[i]);
                if (clean != NULL) {
                        free(result);
                        result = clean;
                }
        }
        pthread_mutex_unlock(&known.lock);
        return result;
}

static void
keys_redact(json_t *object)
{
        const char *key;
        json_t *value;
        void *next;

        json_object_foreach_safe(object, next, key, value)
        {
                scoped_string clean = redacted(key);
                if (clean == NULL)
                        continue;
                json_object_set(object, clean, value);
                json_object_del(object, key);
        }
}

void
secret_redact(json_t *document)
{
        const char *key;
        json_t *value;
        size_t i;

        if (json_is_string(document)) {
                scoped_string clean = redacted(json_string_value(document));
                if (clean != NULL)
                        json_string_set(document, clean);
        } else if (json_is_object(document)) {
                keys_redact(document);
                json_object_foreach(document, key, value) secret_redact(value);
        }
        json_array_foreach(document, i, value) secret_redact(value);
}
