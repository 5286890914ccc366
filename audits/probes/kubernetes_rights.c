/* What an audit may read in a cluster: the line it declares, and whether the server lets us. */

#include "kubernetes_rights.h"

#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "http.h"
#include "json.h"
#include "kubernetes.h"
#include "scope.h"

/* The next word up to one of `ends`, without blanks around it; *at moves on to the end character. */
static bool
word_take(const char **at, const char *ends, char *word, size_t size)
{
        const char *from = *at + strspn(*at, " ");
        size_t length = strcspn(from, ends);

        *at = from + length;
        while (length > 0 && from[length - 1] == ' ')
                length--;
        if (length == 0 || length >= size)
                return false;
        memcpy(word, from, length);
        word[length] = '\0';
        return true;
}

/* `resource[/subresource][.group][:namespace/name]` */
static bool
right_parse(char *word, struct kubernetes_right *right)
{
        char *named = strchr(word, ':'), *group, *slash;

        right->group[0] = right->namespace_[0] = right->name[0] = '\0';
        if (named != NULL) {
                *named++ = '\0';
                slash = strchr(named, '/');
                if (slash == NULL || slash == named || slash[1] == '\0')
                        return false;
                *slash++ = '\0';
                if (snprintf(right->namespace_, sizeof right->namespace_, "%s", named) >=
                            (int)sizeof right->namespace_ ||
                    snprintf(right->name, sizeof right->name, "%s", slash) >= (int)sizeof right->name)
                        return false;
        }
        group = strchr(word, '.');
        if (group != NULL) {
                *group++ = '\0';
                if (*group == '\0' ||
                    snprintf(right->group, sizeof right->group, "%s", group) >= (int)sizeof right->group)
                        return false;
        }
        return *word != '\0' && strchr(word, ' ') == NULL &&
               snprintf(right->resource, sizeof right->resource, "%s", word) < (int)sizeof right->resource;
}

int
kubernetes_rights_each(const char *needs, int (*visit)(void *context, const struct kubernetes_right *right),
                       void *context)
{
        static const char head[] = "RBAC:";
        struct kubernetes_right right;
        char word[256];
        int result;

        if (needs == NULL || strncmp(needs, head, sizeof head - 1) != 0)
                return -1;
        const char *at = needs + sizeof head - 1;
        do {
                if (!word_take(&at, " ", right.verb, sizeof right.verb) ||
                    (strcmp(right.verb, "get") != 0 && strcmp(right.verb, "list") != 0))
                        return -1;
                do {
                        if (!word_take(&at, ",;", word, sizeof word) || !right_parse(word, &right))
                                return -1;
                        result = visit(context, &right);
                        if (result != 0)
                                return result;
                } while (*at == ',' && *at++ != '\0');
        } while (*at == ';' && *at++ != '\0');
        return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

struct asking {
        struct kubernetes *kubernetes;
        const char *namespace_; /* the first of the target's own choice, or NULL */
        struct rights *rights;
        struct error *err;
};

/* The version that the server prefers: of these kinds any will do. */
static int
version_find(struct asking *asking, const struct kubernetes_right *right, const char **version, bool *serves)
{
        static const char *const versions[][4] = {{"v1", "v2", "v1beta1", "v1alpha1"},
                                                  {"v2beta2", "v1alpha2", "v1alpha3"}};
        int result = 0;

        *serves = false;
        for (size_t i = 0; result == 0 && !*serves && i < sizeof versions / sizeof versions[0]; i++)
                result = kubernetes_serves(asking->kubernetes, right->group, right->resource, versions[i], version,
                                           serves, asking->err);
        return result;
}

static int
right_ask(void *context, const struct kubernetes_right *right)
{
        struct asking *asking = context;
        scoped_buffer path = BUFFER_INIT(1024);
        scoped_buffer what = BUFFER_INIT(512);
        scoped_buffer remedy = BUFFER_INIT(1024);
        scoped_json answer = NULL;
        struct error refused = {0};
        const char *version = "v1";
        bool serves = true, named = right->name[0] != '\0';

        /* A subresource can be tried on an object alone, and which is not known here. */
        if (strchr(right->resource, '/') != NULL || (strcmp(right->verb, "get") == 0 && !named))
                return 0;
        if (version_find(asking, right, &version, &serves) != 0)
                return -1;
        buffer_format(&what, "%s %s%s%s%s%s", right->verb, right->resource, right->group[0] != '\0' ? "." : "",
                      right->group, named ? " " : "", right->name);
        buffer_format(&remedy,
                      "add to the role of rounds: {apiGroups: [\"%s\"], resources: [\"%s\"], verbs: [\"%s\"]%s%s%s}",
                      right->group, right->resource, right->verb, named ? ", resourceNames: [\"" : "", right->name,
                      named ? "\"]" : "");
        if (what.failed || remedy.failed)
                return error_memory(asking->err, right->resource);
        if (!serves) {
                rights_add(asking->rights, true, what.data, NULL);
                return 0;
        }
        buffer_format(&path, right->group[0] != '\0' ? "/apis/%s/%s" : "/api%s/%s", right->group, version);
        if (named || (asking->namespace_ != NULL && strcmp(right->resource, "nodes") != 0 &&
                      strcmp(right->resource, "namespaces") != 0)) {
                buffer_text(&path, "/namespaces/");
                http_escape(&path, named ? right->namespace_ : asking->namespace_);
        }
        buffer_format(&path, "/%s", right->resource);
        buffer_format(&path, named ? "/%s" : "%s?limit=1", right->name);
        if (path.failed)
                return error_memory(asking->err, right->resource);
        bool held = kubernetes_get(asking->kubernetes, path.data, &answer, &refused) == 0 ||
                    (named && refused.reason == REASON_UNSUPPORTED);
        if (!held && refused.reason != REASON_DENIED) {
                *asking->err = refused;
                return -1;
        }
        rights_add(asking->rights, held, what.data, remedy.data);
        return 0;
}

int
kubernetes_rights_check(struct session *session, const char *needs, struct rights *rights, struct error *err)
{
        struct asking asking = {
                .kubernetes = kubernetes_session(session, err),
                .namespace_ = json_string_value(json_array_get(target_value(session->target, "namespaces"), 0)),
                .rights = rights,
                .err = err,
        };

        if (asking.kubernetes == NULL)
                return -1;
        return kubernetes_rights_each(needs, right_ask, &asking);
}
