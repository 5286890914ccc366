/* Values in files, and texts as documents: JSON, YAML, NAME=value lines, plain text. */

#include "value_sources.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buffer.h"
#include "json.h"
#include "scope.h"
#include "yaml_text.h"

enum { FILE_LARGEST = 4 * 1024 * 1024 };

/* --- documents ---------------------------------------------------------------------------------------------------- */

/* The value of one line of a .env file: quotes taken off, \n and friends undone in double ones, a comment cut behind an
 * unquoted one.  Source: the rules that Docker Compose and dotenv share. */
static json_t *
env_value(const char *at, size_t length)
{
        scoped_buffer text = BUFFER_INIT(length + 1);
        char quote = length > 0 && (*at == '"' || *at == '\'') ? *at : '\0';

        for (size_t i = quote != '\0'; i < length && at[i] != quote; i++) {
                char c = at[i];
                if (quote == '\0' && c == '#' && (i == 0 || isspace((unsigned char)at[i - 1])))
                        break;
                if (quote == '"' && c == '\\' && i + 1 < length) {
                        c = at[++i];
                        c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
                }
                buffer_char(&text, c);
        }
        while (quote == '\0' && text.length > 0 && isspace((unsigned char)text.data[text.length - 1]))
                text.length--;
        return text.failed ? NULL : json_bytes(text.data != NULL ? text.data : "", text.length);
}

static int
env_read(const char *bytes, size_t length, json_t *out, struct error *err)
{
        const char *end = bytes + length;

        for (const char *line = bytes; line < end;) {
                const char *stop = memchr(line, '\n', (size_t)(end - line));
                const char *next = stop != NULL ? stop + 1 : end;
                stop = stop != NULL ? stop : end;
                while (line < stop && isspace((unsigned char)*line))
                        line++;
                if (stop - line > 7 && strncmp(line, "export ", 7) == 0)
                        line += 7;
                while (stop > line && isspace((unsigned char)stop[-1]))
                        stop--;
                const char *equals = memchr(line, '=', (size_t)(stop - line));
                if (line < stop && *line != '#' && equals != NULL) {
                        scoped_string name = strndup(line, (size_t)(equals - line));
                        const char *from = equals + 1;
                        while (from < stop && isspace((unsigned char)*from))
                                from++;
                        if (name != NULL)
                                name[strcspn(name, " \t")] = '\0';
                        if (name == NULL || json_put(out, name, env_value(from, (size_t)(stop - from))) != 0)
                                return error_memory(err, "variables");
                }
                line = next;
        }
        return 0;
}

int
value_document(const char *bytes, size_t length, const char *format, json_t **out, struct error *err)
{
        json_error_t mistake;

        *out = NULL;
        if (strcmp(format, "yaml") == 0)
                return yaml_read_bytes(bytes, length, "text", out, err);
        if (strcmp(format, "json") == 0) {
                *out = json_loadb(bytes, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &mistake);
                /* jansson quotes what stands "near" the mistake, which may be the very secret. */
                return *out != NULL ? 0
                                    : error_set(err, REASON_CONFIGURATION, "line %d: this is not JSON", mistake.line);
        }
        if (strcmp(format, "env") == 0) {
                *out = json_object();
                return *out != NULL ? env_read(bytes, length, *out, err) : error_memory(err, "variables");
        }
        while (length > 0 && isspace((unsigned char)bytes[length - 1]))
                length--;
        *out = json_bytes(bytes, length);
        return *out != NULL ? 0 : error_memory(err, "text");
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int
file_open(const char *path, struct error *err)
{
        struct stat status;
        /* A named pipe must not keep us waiting for its writer. */
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0) {
                enum reason reason = errno == EACCES ? REASON_DENIED : REASON_CONFIGURATION;
                error_set(err, reason, "%s: %s", path, strerror(errno));
                error_remedy(err, reason == REASON_DENIED ? "let the user that runs rounds read the file"
                                                          : "check the name of the file");
                return -1;
        }
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
                return fd;
        close(fd);
        return error_set(err, REASON_CONFIGURATION, "%s is no plain file", path);
}

static int
file_bytes(const char *path, struct buffer *content, struct error *err)
{
        int fd = file_open(path, err);
        scoped(scope_fclose) FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
        char chunk[16384];
        size_t got;

        if (fd < 0)
                return -1;
        if (file == NULL) {
                close(fd);
                return error_memory(err, path);
        }
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
                if (buffer_add(content, chunk, got) != 0)
                        return error_set(err, REASON_CONFIGURATION, "%s: larger than %d bytes", path, FILE_LARGEST);
        }
        return ferror(file) ? error_set(err, REASON_CONFIGURATION, "%s: cannot be read", path) : 0;
}

static const char *
format_of(const json_t *source, const char *path)
{
        const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
        const char *name = slash != NULL ? slash + 1 : path;

        if (json_text(source, "format", NULL) != NULL)
                return json_text(source, "format", NULL);
        if (strncmp(name, ".env", 4) == 0 || (dot != NULL && strcmp(dot, ".env") == 0))
                return "env";
        if (dot != NULL && strcmp(dot, ".json") == 0)
                return "json";
        return dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0) ? "yaml" : "text";
}

int
value_from_file(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const char *path = json_text(source, "file", ""), *key = json_text(source, "key", NULL);
        const char *format = format_of(source, path);
        scoped_buffer content = BUFFER_INIT(FILE_LARGEST);

        (void)session;
        snprintf(value->place, sizeof value->place, "%s%s%.150s", path, key != NULL ? ": " : "",
                 key != NULL ? key : "");
        if (file_bytes(path, &content, err) != 0)
                return -1;
        int result = value_document(content.data != NULL ? content.data : "", content.length, format, &value->json,
                                    err);
        if (content.data != NULL)
                explicit_bzero(content.data, content.length);
        if (result != 0)
                return error_wrap(err, "%s", path);
        if (key == NULL)
                return 0;
        if (!json_is_object(value->json))
                return error_set(err, REASON_CONFIGURATION, "%s holds no keys: say its format (json, yaml or env)",
                                 path);
        json_t *part = json_incref(json_object_get(value->json, key));
        if (part == NULL)
                snprintf(value->absence, sizeof value->absence, "the file has no %.200s", key);
        json_decref(value->json);
        value->json = part;
        value->secret = value_name_is_secret(key);
        return 0;
}
