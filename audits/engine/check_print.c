/* The outcome of a check, for people. */

#include "check.h"
#include "json.h"

static void
print_remedy(const char *remedy, const char *indent, FILE *stream)
{
        if (*remedy != '\0')
                fprintf(stream, "%smend: %s\n", indent, remedy);
}

static void
print_audit(const json_t *asked, FILE *stream)
{
        const char *name = json_text(asked, "audit", ""), *skipped = json_text(asked, "skipped", ""),
                   *why = json_text(asked, "error", ""), *needs = json_text(asked, "needs", "");
        const json_t *rights = json_list(asked, "rights");
        size_t i;
        json_t *right;

        if (*skipped != '\0')
                fprintf(stream, "  %s: skipped: %s\n", name, skipped);
        else if (*why != '\0')
                fprintf(stream, "  %s: not known: %s\n", name, why);
        else if (json_flag(asked, "ok", false))
                fprintf(stream, "  %s: ok%s%s\n", name, *needs != '\0' ? ", needs " : "", needs);
        else
                fprintf(stream, "  %s: rights are missing\n", name);
        print_remedy(json_text(asked, "remedy", ""), "    ", stream);
        json_array_foreach((json_t *)rights, i, right)
        {
                if (json_flag(right, "held", false))
                        continue;
                fprintf(stream, "    missing: %s\n", json_text(right, "what", ""));
                print_remedy(json_text(right, "remedy", ""), "    ", stream);
        }
}

void
check_print(const json_t *checked, FILE *stream)
{
        size_t i, j;
        json_t *answer, *asked;

        json_array_foreach((json_t *)checked, i, answer)
        {
                const char *reason = json_text(answer, "reason", ""), *server = json_text(answer, "server", "");
                fprintf(stream, "%s (%s): ", json_text(answer, "target", ""), json_text(answer, "kind", ""));
                if (*reason != '\0')
                        fprintf(stream, "%s: %s\n", reason, json_text(answer, "error", ""));
                else
                        fprintf(stream, "%s, %lld ms\n", *server != '\0' ? server : "no connection needed",
                                (long long)json_whole(answer, "took_ms", 0));
                print_remedy(json_text(answer, "remedy", ""), "  ", stream);
                if (*json_text(answer, "sends", "") != '\0')
                        fprintf(stream, "  a run will send: %s\n", json_text(answer, "sends", ""));
                json_array_foreach((json_t *)json_list(answer, "audits"), j, asked) print_audit(asked, stream);
        }
}
