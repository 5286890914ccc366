/* Lists of Kubernetes objects: pages, continue tokens that expire, several lists side by side. */

#include "kubernetes_client.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "json_slim.h"
#include "scope.h"

static const unsigned PAGE = 500;
enum { SIDE_BY_SIDE = 8, RESTARTS_MOST = 3, URL_LARGEST = 16 * 1024 };

/* A server that cannot make the short form sends the whole objects. */
static const char *const accept_metadata[] = {
        "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json", NULL};

/* One list in one place: the whole cluster, or one namespace of the target's own choice. */
struct cursor {
        struct kubernetes_list *list;
        const char *namespace_; /* NULL: all */
        char *next;             /* continue token */
        char *last;             /* "namespace/name" of the newest item visited: where a restart goes on */
        bool skipping;          /* restarted: items up to `last` were visited already */
        int restarts;
        bool done;
};

static void
cursors_free(struct cursor *cursors, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                free(cursors[i].next);
                free(cursors[i].last);
        }
        free(cursors);
}

static int
cursor_url(const struct kubernetes *kubernetes, const struct cursor *cursor, struct buffer *url)
{
        const struct kubernetes_list *list = cursor->list;

        buffer_text(url, kubernetes->access.server);
        if (*list->group == '\0')
                buffer_format(url, "/api/%s", list->version);
        else
                buffer_format(url, "/apis/%s/%s", list->group, list->version);
        if (cursor->namespace_ != NULL) {
                buffer_text(url, "/namespaces/");
                http_escape(url, cursor->namespace_);
        }
        buffer_format(url, "/%s?limit=%u", list->resource, list->page != 0 ? list->page : PAGE);
        if (list->query != NULL)
                buffer_format(url, "&%s", list->query);
        if (cursor->next != NULL) {
                buffer_text(url, "&continue=");
                http_escape(url, cursor->next);
        }
        return url->failed ? -1 : 0;
}

static void
forbidden(const struct kubernetes *kubernetes, const struct cursor *cursor, struct error *err)
{
        const struct kubernetes_list *list = cursor->list;

        error_wrap(err, "%s", kubernetes->access.where);
        error_remedy(err, "add to the %s of rounds: {apiGroups: [\"%s\"], resources: [\"%s\"], verbs: [\"list\"]}",
                     cursor->namespace_ != NULL ? "Role" : "ClusterRole", list->group, list->resource);
}

static int
item_visit(struct cursor *cursor, const json_t *item, const struct kubernetes *kubernetes)
{
        const char *namespace_ = kubernetes_namespace(item), *name = kubernetes_name(item);
        scoped_buffer key = BUFFER_INIT(2048);

        if (buffer_format(&key, "%s/%s", namespace_, name) != 0)
                return 0; /* no such name can exist */
        if (cursor->skipping && cursor->last != NULL && strcmp(key.data, cursor->last) <= 0)
                return 0;
        cursor->skipping = false;
        free(cursor->last);
        cursor->last = buffer_take(&key);
        if (*namespace_ != '\0' && !cursor->list->cluster_scoped && !cursor->list->excluded_too &&
            !kubernetes_in_scope(kubernetes, namespace_))
                return 0;
        cursor->list->count++;
        return cursor->list->visit(cursor->list->context, item);
}

static void
page_visit(struct cursor *cursor, const json_t *page, const struct kubernetes *kubernetes)
{
        struct error *err = &cursor->list->error;
        const json_t *items = json_object_get(page, "items");
        size_t i;
        json_t *item;

        if (!json_is_object(page) || (items != NULL && !json_is_array(items) && !json_is_null(items))) {
                error_set(err, REASON_PROTOCOL, "%s: the answer is no list", cursor->list->resource);
                cursor->done = true;
                return;
        }
        json_array_foreach((json_t *)items, i, item)
        {
                if (item_visit(cursor, item, kubernetes) != 0) {
                        error_memory(err, cursor->list->resource);
                        cursor->done = true;
                        return;
                }
        }
        free(cursor->next);
        const char *next = json_text(json_object_get(page, "metadata"), "continue", "");
        cursor->next = *next != '\0' ? strdup(next) : NULL;
        cursor->done = cursor->next == NULL;
}

/* 410: the token grew old.  The answer may carry one that goes on from the same place in a newer state of the cluster;
 * otherwise the list begins again, and what was visited is passed over (lists come in the order of their keys). */
static bool
page_expired(struct cursor *cursor, const struct http_answer *answer)
{
        scoped_json status = json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.length, 0,
                                        NULL);
        const char *fresh = json_text(json_object_get(status, "metadata"), "continue", "");

        if (cursor->next == NULL || cursor->restarts++ == RESTARTS_MOST)
                return false;
        free(cursor->next);
        cursor->next = *fresh != '\0' ? strdup(fresh) : NULL;
        cursor->skipping = cursor->next == NULL;
        return true;
}

static void
page_take(struct kubernetes *kubernetes, struct cursor *cursor, struct http_answer *answer)
{
        struct error *err = &cursor->list->error;
        json_error_t mistake;

        kubernetes_count(kubernetes, answer);
        if (answer->error.reason != REASON_NONE) {
                *err = answer->error;
                error_wrap(err, "%s", cursor->list->resource);
        } else if (answer->status == 410 && page_expired(cursor, answer)) {
                return;
        } else if (answer->status != 200) {
                kubernetes_answer_error(kubernetes, answer, cursor->list->resource, err);
                if (answer->status == 403)
                        forbidden(kubernetes, cursor, err);
        } else {
                static const char *const nobodys[] = {"managedFields", NULL};
                if (answer->body.data != NULL)
                        answer->body.length = json_without(answer->body.data, answer->body.length,
                                                           cursor->list->without != NULL ? cursor->list->without
                                                                                         : nobodys);
                scoped_json page = json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.length,
                                              0, &mistake);
                if (page != NULL) {
                        page_visit(cursor, page, kubernetes);
                        return;
                }
                error_set(err, REASON_PROTOCOL, "%s: the answer is not JSON: %s", cursor->list->resource, mistake.text);
        }
        cursor->done = true;
}

/* One round: the next page of up to SIDE_BY_SIDE lists.  Returns how many were asked, -1 when the whole must end. */
static int
round_run(struct kubernetes *kubernetes, struct cursor *cursors, size_t count, struct error *err)
{
        struct cursor *asked[SIDE_BY_SIDE];
        struct http_request requests[SIDE_BY_SIDE];
        struct http_answer answers[SIDE_BY_SIDE];
        struct buffer urls[SIDE_BY_SIDE];
        int open = 0;

        for (size_t i = 0; i < count && open < SIDE_BY_SIDE; i++) {
                if (cursors[i].done || cursors[i].list->error.reason != REASON_NONE)
                        continue;
                urls[open] = BUFFER_INIT(URL_LARGEST);
                if (cursor_url(kubernetes, &cursors[i], &urls[open]) != 0) {
                        error_set(&cursors[i].list->error, REASON_PROTOCOL, "%s: the continue token is too long",
                                  cursors[i].list->resource);
                        buffer_free(&urls[open]);
                        continue;
                }
                requests[open] = (struct http_request){.url = urls[open].data,
                                                       .headers = cursors[i].list->metadata_only ? accept_metadata
                                                                                                 : kubernetes_accept};
                asked[open++] = &cursors[i];
        }
        if (open == 0)
                return 0;
        int result = kubernetes_fetch(kubernetes, requests, (size_t)open, answers, err);
        for (int i = 0; i < open; i++) {
                if (result == 0)
                        page_take(kubernetes, asked[i], &answers[i]);
                http_answer_free(&answers[i]);
                buffer_free(&urls[i]);
        }
        return result == 0 ? open : -1;
}

static int
cursors_make(struct kubernetes *kubernetes, struct kubernetes_list *lists, size_t count, struct cursor **out,
             size_t *made, struct error *err)
{
        const json_t *chosen = kubernetes->namespaces;
        size_t places = json_array_size(chosen) > 0 ? json_array_size(chosen) : 1, used = 0;
        struct cursor *cursors = calloc(count * places + 1, sizeof *cursors);

        if (cursors == NULL)
                return error_memory(err, "lists");
        for (size_t i = 0; i < count; i++) {
                struct kubernetes_list *list = &lists[i];
                bool serves = false;
                list->count = 0;
                list->version = NULL;
                list->error.reason = REASON_NONE;
                if (kubernetes_serves(kubernetes, list->group, list->resource, list->versions, &list->version, &serves,
                                      &list->error) != 0)
                        continue;
                if (!serves) {
                        error_set(&list->error, REASON_UNSUPPORTED, "%s is not installed: the cluster serves no %s%s%s",
                                  list->product != NULL ? list->product : list->group, list->resource,
                                  *list->group != '\0' ? "." : "", list->group);
                        continue;
                }
                for (size_t j = 0; j < (list->cluster_scoped ? 1 : places); j++)
                        cursors[used++] = (struct cursor){
                                .list = list,
                                .namespace_ = list->cluster_scoped ? NULL
                                                                   : json_string_value(json_array_get(chosen, j))};
        }
        *out = cursors;
        *made = used;
        return 0;
}

int
kubernetes_lists(struct kubernetes *kubernetes, struct kubernetes_list *lists, size_t count, struct error *err)
{
        struct cursor *cursors = NULL;
        size_t made = 0;
        int asked;

        if (cursors_make(kubernetes, lists, count, &cursors, &made, err) != 0)
                return -1;
        while ((asked = round_run(kubernetes, cursors, made, err)) > 0)
                ;
        cursors_free(cursors, made);
        return asked;
}

/* --- what was not read, as facts ---------------------------------------------------------------------------------- */

int
kubernetes_list_gap(const struct kubernetes_list *list, const char *controls, json_t *facts)
{
        const struct error *why = &list->error;

        return why->reason == REASON_NONE || why->reason == REASON_UNSUPPORTED
                       ? 0
                       : facts_gap(facts, list->resource, controls, NULL, why);
}

int
kubernetes_capped_gap(const char *whose, int most, const char *controls, json_t *facts)
{
        struct error many;

        error_set(&many, REASON_UNSUPPORTED, "%s more than %d objects of a kind; the rest is not judged", whose, most);
        error_remedy(&many, "make several targets of the cluster, each with its own namespaces");
        return facts_gap(facts, "objects", controls, NULL, &many);
}
