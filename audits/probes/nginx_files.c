/* nginx's configuration: words, blocks, includes; which location serves a path. */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "nginx_files.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "scope.h"

enum { FILES_MOST = 500, DEPTH_MOST = 32, WORD_LARGEST = 16 * 1024, WORDS_MOST = 2000, FILE_LARGEST = 4 << 20 };

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct reading {
        char folder[600]; /* of the first file: what relative includes begin at */
        size_t files;
        unsigned depth; /* of includes */
};

struct source {
        const char *path, *text;
        size_t length, at;
        int line;
};

static int
broken(const struct source *source, const char *what, struct error *err)
{
        error_set(err, REASON_PROTOCOL, "%s:%d: %s", source->path, source->line, what);
        return error_remedy(err, "nginx -t tells what nginx thinks of it");
}

static void
space_skip(struct source *source)
{
        while (source->at < source->length) {
                char c = source->text[source->at];
                if (c == '#') {
                        while (source->at < source->length && source->text[source->at] != '\n')
                                source->at++;
                } else if (isspace((unsigned char)c)) {
                        source->line += c == '\n';
                        source->at++;
                } else {
                        return;
                }
        }
}

/* One word, quoted or not; "", 0 at the end of the text or at one of ; { } */
static int
word_read(struct source *source, struct buffer *word, bool *found, struct error *err)
{
        buffer_clear(word);
        *found = false;
        space_skip(source);
        if (source->at >= source->length || strchr(";{}", source->text[source->at]) != NULL)
                return 0;
        *found = true;
        char quote = source->text[source->at] == '"' || source->text[source->at] == '\'' ? source->text[source->at++]
                                                                                         : 0;
        while (source->at < source->length) {
                char c = source->text[source->at];
                if (c == '\\' && source->at + 1 < source->length) {
                        /* A backslash before a quote, a blank or one of its own kind goes; in a pattern it stays. */
                        char next = source->text[source->at + 1];
                        if (strchr("\"'\\ ;", next) == NULL)
                                buffer_char(word, c);
                        buffer_char(word, next);
                        source->line += next == '\n';
                        source->at += 2;
                        continue;
                }
                if (quote != 0 ? c == quote
                               : isspace((unsigned char)c) || c == ';' ||
                                         (c == '{' && (word->length == 0 || word->data[word->length - 1] != '$')))
                        break;
                source->line += c == '\n';
                buffer_char(word, c);
                source->at++;
        }
        if (quote != 0) {
                if (source->at >= source->length)
                        return broken(source, "a quote does not end", err);
                source->at++;
        }
        return word->failed ? broken(source, "a word is longer than words are", err) : 0;
}

static int file_read(struct reading *reading, const char *path, json_t *out, struct error *err);

static int
include_read(struct reading *reading, const struct source *source, const char *pattern, json_t *out, struct error *err)
{
        char whole[1300];
        glob_t found;
        int result = 0;

        snprintf(whole, sizeof whole, "%s%s%s", *pattern == '/' ? "" : reading->folder, *pattern == '/' ? "" : "/",
                 pattern);
        int globbed = glob(whole, 0, NULL, &found);
        if (globbed != 0) {
                globfree(&found);
                /* nginx is content when a pattern matches nothing, and not when a named file is missing. */
                if (globbed == GLOB_NOMATCH && strpbrk(pattern, "*?[") != NULL)
                        return 0;
                error_set(err, REASON_CONFIGURATION, "%s:%d: include %s: nothing there, or not readable", source->path,
                          source->line, pattern);
                return error_remedy(err,
                                    "let this user read the whole configuration, or give it the output of nginx -T");
        }
        for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
                result = file_read(reading, found.gl_pathv[i], out, err);
        globfree(&found);
        return result;
}

static int
block_read(struct reading *reading, struct source *source, unsigned depth, json_t *out, struct error *err)
{
        scoped_buffer word = BUFFER_INIT(WORD_LARGEST);

        if (depth > DEPTH_MOST)
                return broken(source, "blocks or includes nest too deeply", err);
        for (;;) {
                scoped_json words = json_array();
                bool found;
                if (words == NULL)
                        return error_memory(err, source->path);
                space_skip(source);
                int line = source->line;
                while (word_read(source, &word, &found, err) == 0 && found) {
                        if (json_array_size(words) >= WORDS_MOST)
                                return broken(source, "a directive has more words than directives have", err);
                        json_array_append_new(words, json_bytes(word.data != NULL ? word.data : "", word.length));
                }
                if (err->reason != REASON_NONE)
                        return -1;
                char end = source->at < source->length ? source->text[source->at] : '\0';
                if (json_array_size(words) == 0 && (end == '\0' || end == '}')) {
                        if ((end == '}') != (depth > 0))
                                return broken(source, end == '}' ? "a brace closes nothing" : "a block does not close",
                                              err);
                        source->at += end == '}';
                        return 0;
                }
                if (end == '\0' || end == '}')
                        return broken(source, "a directive does not end", err);
                source->at++;
                const char *name = json_string_value(json_array_get(words, 0));
                if (end == ';' && name != NULL && strcmp(name, "include") == 0 && json_array_size(words) == 2) {
                        if (include_read(reading, source, json_string_value(json_array_get(words, 1)), out, err) != 0)
                                return -1;
                        continue;
                }
                json_t *directive = json_push(out, json_object());
                json_put(directive, "words", scope_keep(words));
                json_put_text(directive, "file", source->path);
                if (json_put_whole(directive, "line", line) != 0)
                        return error_memory(err, source->path);
                if (end == '{') {
                        json_t *block = json_array();
                        if (json_put(directive, "block", block) != 0)
                                return error_memory(err, source->path);
                        /* What Lua does in its blocks is no directive. */
                        if (block_read(reading, source, depth + 1, block, err) != 0)
                                return -1;
                }
        }
}

static int
file_read(struct reading *reading, const char *path, json_t *out, struct error *err)
{
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        struct source source = {.path = path, .line = 1};

        if (file == NULL) {
                error_set(err, errno == EACCES ? REASON_DENIED : REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
                return error_remedy(err,
                                    "let this user read the whole configuration, or give it the output of nginx -T");
        }
        if (++reading->files > FILES_MOST)
                return error_set(err, REASON_TOO_LITTLE_DATA, "%s: more than %d files", path, FILES_MOST);
        if (reading->depth >= DEPTH_MOST)
                return broken(&source, "includes nest too deeply", err);
        scoped_string text = malloc(FILE_LARGEST + 1);
        /* An included file ends where it ends, not at a brace of the file around it. */
        scoped_json own = json_array();
        if (text == NULL || own == NULL)
                return error_memory(err, path);
        source.text = text;
        source.length = fread(text, 1, FILE_LARGEST + 1, file);
        if (source.length > FILE_LARGEST)
                return broken(&source, "larger than 4 MiB", err);
        reading->depth++;
        int result = block_read(reading, &source, 0, own, err);
        reading->depth--;
        return result == 0 ? json_array_extend(out, own) : result;
}

int
nginx_read(const char *path, json_t **out, struct error *err)
{
        struct reading reading = {.files = 0};
        scoped_json all = json_array();
        const char *slash = strrchr(path, '/');

        snprintf(reading.folder, sizeof reading.folder, "%.*s", slash != NULL ? (int)(slash - path) : 1,
                 slash != NULL ? path : ".");
        err->reason = REASON_NONE;
        if (all == NULL)
                return error_memory(err, path);
        if (file_read(&reading, path, all, err) != 0)
                return -1;
        *out = scope_keep(all);
        return 0;
}

/* --- the tree ----------------------------------------------------------------------------------------------------- */

static const char *
word_at(const json_t *directive, size_t index)
{
        return json_string_value(json_array_get(json_list(directive, "words"), index));
}

static bool
is_named(const json_t *directive, const char *name)
{
        const char *word = word_at(directive, 0);

        return word != NULL && strcmp(word, name) == 0;
}

/* --- which location serves a path --------------------------------------------------------------------------------- */

static bool
regex_fits(const char *pattern, bool caseless, const char *path)
{
        int number;
        PCRE2_SIZE offset;
        pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, caseless ? PCRE2_CASELESS : 0,
                                         &number, &offset, NULL);
        pcre2_match_data *data = code != NULL ? pcre2_match_data_create(1, NULL) : NULL;
        pcre2_match_context *limits = pcre2_match_context_create(NULL);
        bool fits = false;

        if (data != NULL && limits != NULL) {
                pcre2_set_match_limit(limits, 100000);
                fits = pcre2_match(code, (PCRE2_SPTR)path, strlen(path), 0, 0, data, limits) > 0;
        }
        pcre2_match_context_free(limits);
        pcre2_match_data_free(data);
        pcre2_code_free(code);
        return fits;
}

/* nginx's order: an exact one; the longest beginning, final when ^~; the first pattern; the longest beginning after
 * all. */
static const json_t *
location_of(const json_t *block, const char *path)
{
        const json_t *longest = NULL, *pattern = NULL;
        size_t best = 0, i;
        bool final = false;
        json_t *directive;

        json_array_foreach((json_t *)block, i, directive)
        {
                const char *first = word_at(directive, 1), *second = word_at(directive, 2);
                if (!is_named(directive, "location") || first == NULL)
                        continue;
                if (strcmp(first, "=") == 0) {
                        if (second != NULL && strcmp(second, path) == 0)
                                return directive;
                } else if (strcmp(first, "~") == 0 || strcmp(first, "~*") == 0) {
                        if (pattern == NULL && second != NULL && regex_fits(second, first[1] == '*', path))
                                pattern = directive;
                } else {
                        bool stops = strcmp(first, "^~") == 0;
                        const char *prefix = stops ? second : first;
                        if (prefix == NULL || *prefix == '@' || strncmp(path, prefix, strlen(prefix)) != 0 ||
                            strlen(prefix) < best)
                                continue;
                        best = strlen(prefix);
                        longest = directive;
                        final = stops;
                }
        }
        return final || pattern == NULL ? longest : pattern;
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

/* "10r/m" -> 10, "2r/s" -> 120; NAN for anything else. */
static double
rate_of(const char *text)
{
        char *end;
        double rate = strtod(text, &end);

        if (end == text || strncmp(end, "r/", 2) != 0)
                return NAN;
        return end[2] == 's' ? rate * 60 : end[2] == 'm' ? rate : NAN;
}

static const char *
parameter(const json_t *directive, const char *name)
{
        size_t length = strlen(name);

        for (size_t i = 1; i < json_array_size(json_list(directive, "words")); i++) {
                const char *word = word_at(directive, i);
                if (word != NULL && strncmp(word, name, length) == 0 && word[length] == '=')
                        return word + length + 1;
        }
        return NULL;
}

static const json_t *
zone_find(const json_t *block, const char *zone)
{
        size_t i, length = strlen(zone);
        json_t *directive;

        json_array_foreach((json_t *)block, i, directive)
        {
                const char *own = parameter(directive, "zone");
                if (is_named(directive, "limit_req_zone") && own != NULL && strncmp(own, zone, length) == 0 &&
                    (own[length] == ':' || own[length] == '\0'))
                        return directive;
        }
        return NULL;
}

/* Directives of the innermost level that has any, as nginx inherits limit_req; dry_run by the same rule. */
struct level {
        const json_t *blocks[DEPTH_MOST + 3]; /* http, server, location ... */
        size_t count;
};

static const json_t *
innermost(const struct level *level, const char *name)
{
        for (size_t k = level->count; k > 0; k--) {
                size_t i;
                json_t *directive;
                json_array_foreach((json_t *)level->blocks[k - 1], i, directive)
                {
                        if (is_named(directive, name))
                                return level->blocks[k - 1];
                }
        }
        return NULL;
}

static void
limits_add(const struct level *level, const json_t *http, json_t *limits)
{
        const json_t *block = innermost(level, "limit_req"), *dry = innermost(level, "limit_req_dry_run");
        bool dry_run = false;
        size_t i;
        json_t *directive;

        json_array_foreach((json_t *)dry, i, directive)
        {
                if (is_named(directive, "limit_req_dry_run"))
                        dry_run = word_at(directive, 1) != NULL && strcmp(word_at(directive, 1), "on") == 0;
        }
        json_array_foreach((json_t *)block, i, directive)
        {
                const char *zone = parameter(directive, "zone"), *burst = parameter(directive, "burst");
                if (!is_named(directive, "limit_req") || zone == NULL)
                        continue;
                const json_t *declared = zone_find(http, zone);
                const char *key = declared != NULL ? word_at(declared, 1) : NULL,
                           *rate = declared != NULL ? parameter(declared, "rate") : NULL;
                json_t *limit = json_push(limits, json_object());
                char what[300];
                snprintf(what, sizeof what, "limit_req zone=%.200s", zone);
                json_put_text(limit, "what", what);
                json_put_real(limit, "per_minute", rate != NULL ? rate_of(rate) : NAN);
                json_put_flag(limit, "per_address",
                              key != NULL && (strstr(key, "remote_addr") != NULL || strstr(key, "realip") != NULL ||
                                              strstr(key, "x_forwarded_for") != NULL));
                json_put_whole(limit, "burst", burst != NULL ? strtol(burst, NULL, 10) : 0);
                json_put_flag(limit, "dry_run", dry_run);
        }
}

static void
server_name(const json_t *block, char *text, size_t size)
{
        size_t i;
        json_t *directive;

        snprintf(text, size, "_");
        json_array_foreach((json_t *)block, i, directive)
        {
                if (is_named(directive, "server_name") && word_at(directive, 1) != NULL)
                        snprintf(text, size, "%s", word_at(directive, 1));
        }
}

static int
server_limits(const json_t *http, const json_t *server, const char *path, const json_t *names, json_t *routes)
{
        const json_t *block = json_list(server, "block"), *location = NULL;
        struct level level = {.blocks = {http, block}, .count = 2};
        char name[300], place[700];

        server_name(block, name, sizeof name);
        if (json_array_size(names) > 0 && !json_globs_match(names, name))
                return 0;
        for (const json_t *inner = location_of(block, path); inner != NULL && level.count < DEPTH_MOST;
             inner = location_of(json_list(inner, "block"), path)) {
                location = inner;
                level.blocks[level.count++] = json_list(inner, "block");
        }
        const json_t *where = location != NULL ? location : server;
        json_t *row = json_push(routes, json_object()), *limits = json_array();
        snprintf(place, sizeof place, "%s:%lld", json_text(where, "file", "?"),
                 (long long)json_whole(where, "line", 0));
        json_put_text(row, "kind", "server");
        json_put_text(row, "name", name);
        json_put_text(row, "path", path);
        json_put_text(row, "location",
                      location == NULL               ? ""
                      : word_at(location, 2) != NULL ? word_at(location, 2)
                                                     : word_at(location, 1));
        json_put_text(row, "place", place);
        limits_add(&level, http, limits);
        return json_put(row, "limits", limits);
}

/* True for a server that only sends people elsewhere: it takes no password. */
static bool
only_redirects(const json_t *server)
{
        size_t i;
        json_t *directive;

        json_array_foreach((json_t *)json_list(server, "block"), i, directive)
        {
                if (is_named(directive, "return") && word_at(directive, 1) != NULL && word_at(directive, 1)[0] == '3')
                        return true;
        }
        return false;
}

int
nginx_limits(const json_t *configuration, const char *path, const json_t *names, json_t *routes)
{
        size_t i, k;
        json_t *top, *server;

        json_array_foreach((json_t *)configuration, i, top)
        {
                const json_t *http = json_list(top, "block");
                if (!is_named(top, "http"))
                        continue;
                json_array_foreach((json_t *)http, k, server)
                {
                        if (is_named(server, "server") && json_list(server, "block") != NULL &&
                            !only_redirects(server) && server_limits(http, server, path, names, routes) != 0)
                                return -1;
                }
        }
        return 0;
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
nginx_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const json_t *files = target_value(session->target, "files");
        scoped_json read = NULL;

        for (size_t i = 0; i < json_array_size(files); i++) {
                json_decref(read);
                read = NULL;
                if (nginx_read(json_string_value(json_array_get(files, i)), &read, err) != 0)
                        return -1;
        }
        snprintf(server, size, "%zu configuration%s of nginx", json_array_size(files),
                 json_array_size(files) == 1 ? "" : "s");
        return 0;
}

static const struct setting settings[] = {
        {.name = "files",
         .type = SETTING_LIST,
         .item = SETTING_PATH,
         .required = true,
         .words = "nginx.conf, whose includes are followed, or the output of nginx -T"},
        {.name = "servers",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"*\"]",
         .words = "server blocks by their first server_name: those that take sign-ins"},
        {.type = SETTING_END},
};

const struct target_kind kind_nginx = {
        .name = "nginx",
        .words = "configuration files of nginx",
        .settings = settings,
        .connect = nginx_connect,
};
