/* Headlines: what changed and what to begin with, in words. */

#include "headline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

void
count_format(size_t count, char text[COUNT_TEXT])
{
        char digits[COUNT_TEXT];
        int length = snprintf(digits, sizeof digits, "%zu", count);
        char *out = text;

        for (int i = 0; i < length; i++) {
                if (i > 0 && (length - i) % 3 == 0)
                        *out++ = ',';
                *out++ = digits[i];
        }
        *out = '\0';
}

void
percent_format(double percent, char text[16])
{
        double tenths = floor(percent * 10 + 1e-9);

        snprintf(text, 16, fmod(tenths, 10) == 0 ? "%.0f %%" : "%.1f %%", tenths / 10);
}

const char *
target_words(const char *target)
{
        return *target != '\0' ? target : "across targets";
}

void
place_format(const struct view_finding *finding, char text[PLACE_TEXT])
{
        const struct resource *r = &finding->resource;
        int space = (int)text_prefix(r->namespace_, 60), name = (int)text_prefix(r->name, 150);
        const char *cut = r->name[name] != '\0' ? "\xE2\x80\xA6" : "";

        snprintf(text, PLACE_TEXT, "%.60s%s%.*s%s%.*s%s", r->kind, *r->kind != '\0' && *r->name != '\0' ? " " : "",
                 space, r->namespace_, *r->namespace_ != '\0' && *r->name != '\0' ? "/" : "", name, r->name, cut);
        if (*text == '\0')
                snprintf(text, PLACE_TEXT, "%.600s", finding->target);
}

void
headline_severities(const struct view *view, char text[HEADLINE_TEXT])
{
        size_t at = 0;

        text[0] = '\0';
        for (enum severity s = SEV1; s <= SEV4; s++) {
                char count[COUNT_TEXT];
                if (view->figures.by_severity[s] == 0)
                        continue;
                count_format(view->figures.by_severity[s], count);
                at += (size_t)snprintf(text + at, HEADLINE_TEXT - at, "%s%s %s", at > 0 ? ", " : "", count,
                                       severity_name(s));
        }
}

static enum tone
tone_of(const struct view_figures *figures)
{
        if (figures->by_severity[SEV1] > 0 || figures->by_severity[SEV2] > 0)
                return TONE_BAD;
        if (figures->fail > 0)
                return TONE_WARNING;
        if (figures->error > 0 || figures->pass + figures->waived == 0)
                return TONE_UNKNOWN;
        return TONE_GOOD;
}

enum tone
headline_verdict(const struct view *view, char text[HEADLINE_TEXT])
{
        const struct view_figures *f = &view->figures;
        char fresh[COUNT_TEXT], worse[COUNT_TEXT], still[COUNT_TEXT], fail[COUNT_TEXT], error[COUNT_TEXT],
                fixed[COUNT_TEXT];

        count_format(f->fresh, fresh);
        count_format(f->worse, worse);
        count_format(f->fail - f->fresh - f->worse, still);
        count_format(f->fail, fail);
        count_format(f->error, error);
        count_format(f->fixed, fixed);
        /* ", 4 fixed": good news belongs into the first line, too. */
        char mended[COUNT_TEXT + 16] = "";
        if (f->fixed > 0)
                snprintf(mended, sizeof mended, ", %s fixed", fixed);
        const char *rest = f->fail > f->fresh + f->worse ? "; " : "";
        const char *still_text = *rest != '\0' ? still : "", *still_word = *rest != '\0' ? " failing as before" : "";
        if (f->pass + f->fail + f->waived == 0)
                snprintf(text, HEADLINE_TEXT, "Nothing could be assessed.");
        else if (f->fail == 0 && f->error > 0)
                snprintf(text, HEADLINE_TEXT, "Nothing fails, but %s %s could not be assessed.", error,
                         f->error == 1 ? "check" : "checks");
        else if (f->fail == 0)
                snprintf(text, HEADLINE_TEXT, f->fixed > 0 ? "All well. What failed before is fixed." : "All well.");
        else if (view->previous.id == 0)
                snprintf(text, HEADLINE_TEXT, "%s failing on the first round.", fail);
        else if (f->fresh > 0 && f->worse > 0)
                snprintf(text, HEADLINE_TEXT, "%s new and %s worse%s%s%s%s.", fresh, worse, mended, rest, still_text,
                         still_word);
        else if (f->fresh > 0)
                snprintf(text, HEADLINE_TEXT, "%s new%s%s%s%s.", fresh, mended, rest, still_text, still_word);
        else if (f->worse > 0)
                snprintf(text, HEADLINE_TEXT, "%s worse%s%s%s%s.", worse, mended, rest, still_text, still_word);
        else
                snprintf(text, HEADLINE_TEXT, "Nothing new%s; %s failing as before.", mended, fail);
        return tone_of(f);
}

static int
urgency(const struct view_finding *f)
{
        return f->change == CHANGE_NEW ? 0 : f->change == CHANGE_WORSE ? 1 : 2;
}

static int
by_urgency(const void *left, const void *right)
{
        const struct pick *a = left, *b = right;

        if (a->finding->severity != b->finding->severity)
                return a->finding->severity < b->finding->severity ? -1 : 1;
        if (urgency(a->finding) != urgency(b->finding))
                return urgency(a->finding) - urgency(b->finding);
        if (a->finding->first_seen_ms != b->finding->first_seen_ms)
                return a->finding->first_seen_ms < b->finding->first_seen_ms ? -1 : 1;
        return a->finding < b->finding ? -1 : a->finding > b->finding;
}

size_t
headline_first(const struct view *view, struct pick *picks, size_t most)
{
        enum { CONSIDERED = 500 };
        struct pick *all = calloc(CONSIDERED, sizeof *all);
        size_t count = 0;

        if (all == NULL)
                return 0;
        /* Fails come first, by severity, control and target: what belongs together stands together. */
        for (size_t i = 0; i < view->count && view->findings[i].status == STATUS_FAIL; i++) {
                const struct view_finding *f = &view->findings[i];
                struct pick *last = count > 0 ? &all[count - 1] : NULL;
                if (last != NULL && last->finding->severity == f->severity && last->finding->control == f->control &&
                    last->finding->target == f->target) {
                        last->more++;
                        if (urgency(f) < urgency(last->finding))
                                last->finding = f;
                        continue;
                }
                if (count == CONSIDERED)
                        break;
                all[count++] = (struct pick){.finding = f};
        }
        qsort(all, count, sizeof *all, by_urgency);
        if (count > most)
                count = most;
        memcpy(picks, all, count * sizeof *picks);
        free(all);
        return count;
}
