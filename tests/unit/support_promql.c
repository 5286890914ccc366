/* See support_promql.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "support_promql.h"

#define CORPUS "tests/fixtures/promql"

static int
corpus_file(const struct dirent *entry)
{
        size_t length = strlen(entry->d_name);

        return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

void
corpus_read(struct corpus *corpus, const char *only)
{
        struct dirent **names;
        int files = scandir(CORPUS, &names, corpus_file, alphasort);
        size_t room = 0;

        for (int i = 0; i < files; i++) {
                char path[400], *line = NULL;
                size_t size = 0;
                ssize_t got;
                FILE *file;

                snprintf(path, sizeof(path), CORPUS "/%s", names[i]->d_name);
                file = only == NULL || strcmp(only, names[i]->d_name) == 0 ? fopen(path, "r") : NULL;
                while (file != NULL && (got = getline(&line, &size, file)) > 0) {
                        if (line[0] == '#')
                                continue;
                        line[strcspn(line, "\n")] = '\0';
                        if (corpus->count == room) {
                                room = room > 0 ? room * 2 : 256;
                                corpus->lines = realloc(corpus->lines, room * sizeof(*corpus->lines));
                        }
                        corpus->lines[corpus->count++] = strdup(line);
                }
                free(line);
                free(names[i]);
                if (file != NULL)
                        fclose(file);
        }
        if (files >= 0)
                free(names);
}

void
corpus_free(struct corpus *corpus)
{
        for (size_t i = 0; i < corpus->count; i++)
                free(corpus->lines[i]);
        free(corpus->lines);
}

struct promql *
promql_parsed(const char *text)
{
        struct promql *promql = NULL;
        struct error err;

        if (promql_parse(text, strlen(text), &promql, &err) != 0)
                fail_msg("%s: %s", text, err.text);
        return promql;
}

char *
promql_printed(const struct promql_node *node)
{
        struct buffer out = BUFFER_INIT(1 << 20);

        promql_print(node, &out);
        return buffer_take(&out);
}

void
promql_round_trip(const struct promql *promql)
{
        scoped_string text = promql_printed(promql->root);
        struct promql *again = NULL;
        struct error err;
        scoped_string text_again = NULL;

        assert_non_null(text);
        if (promql_parse(text, strlen(text), &again, &err) != 0)
                fail_msg("%s\nprints as %s\n%s", promql->text, text, err.text);
        if (!promql_equal(promql->root, again->root))
                fail_msg("%s\nprints as %s\nwhich is another tree", promql->text, text);
        text_again = promql_printed(again->root);
        assert_string_equal(text, text_again);
        promql_free(again);
}

uint32_t
chance(uint32_t *seed, uint32_t below)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 17;
        *seed ^= *seed << 5;
        return *seed % below;
}

/* Cuts a text into words, numbers, strings and single characters; returns how many parts. */
static size_t
parts_cut(const char *text, const char *starts[400], size_t lengths[400])
{
        size_t count = 0;

        for (const char *c = text; *c != '\0' && count < 300;) {
                size_t length = strspn(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:.");

                if (*c == '"' || *c == '\'')
                        length = strcspn(c + 1, *c == '"' ? "\"" : "'") + 2;
                if (length == 0)
                        length = 1;
                if (length > strlen(c))
                        length = strlen(c);
                starts[count] = c;
                lengths[count++] = length;
                c += length;
        }
        return count;
}

void
corpus_mutate(const char *text, uint32_t *seed, struct buffer *out)
{
        static const char *const pool[] = {"(",           ")",       "{",
                                           "}",           "[",       "]",
                                           ",",           "5m",      "1",
                                           "\"x\"",       "foo",     "sum",
                                           "by",          "(a)",     "on",
                                           "offset",      "@",       "-",
                                           "+",           "==",      "bool",
                                           "and",         "or",      "^",
                                           "*",           "/",       "%",
                                           "unless",      "=~",      "!~",
                                           "=",           "!=",      "[5m]",
                                           "[5m:]",       "rate",    "vector",
                                           "time()",      "start()", "group_left",
                                           "ignoring(a)", "1e3",     ".5",
                                           "5.",          "0x1f",    "08",
                                           "Inf",         "1s1m",    "5x",
                                           "1m30s",       "atan2",   "count_values",
                                           "quantile",    "without", "{a=\"b\"}",
                                           ">",           "<=",      "topk(1,"};
        const char *starts[400];
        size_t lengths[400], count = parts_cut(text, starts, lengths);

        for (uint32_t n = 1 + chance(seed, 3); n > 0 && count > 0; n--) {
                size_t at = chance(seed, (uint32_t)count), other = chance(seed, (uint32_t)count);
                const char *word = pool[chance(seed, sizeof(pool) / sizeof(pool[0]))];

                switch (chance(seed, 4)) {
                case 0:
                        lengths[at] = 0;
                        break;
                case 1:
                        starts[at] = word;
                        lengths[at] = strlen(word);
                        break;
                case 2:
                        starts[at] = starts[other];
                        lengths[at] = lengths[other];
                        break;
                default:
                        memmove(starts + at + 1, starts + at, (count - at) * sizeof(*starts));
                        memmove(lengths + at + 1, lengths + at, (count - at) * sizeof(*lengths));
                        starts[at] = word;
                        lengths[at] = strlen(word);
                        count++;
                }
        }
        buffer_clear(out);
        for (size_t i = 0; i < count; i++) {
                if (i > 0 && chance(seed, 8) == 0)
                        buffer_char(out, ' ');
                buffer_add(out, starts[i], lengths[i]);
        }
}
