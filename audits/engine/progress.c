/* Progress on a terminal: one line, drawn over itself. */

#include "progress.h"

#include <string.h>
#include <sys/ioctl.h>

#include "moment.h"

#define REDRAW_MS 100

int
progress_columns(FILE *stream)
{
        struct winsize size;

        return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Cuts after `columns` characters (bytes that do not continue one), replaces control characters. */
static void
tame(char *text, int columns)
{
        for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
                if ((*c & 0xC0) != 0x80 && columns-- == 0) {
                        *c = '\0';
                        return;
                }
                if (*c < 0x20 || *c == 0x7f)
                        *c = '?';
        }
}

void
progress_text(const struct run_progress *progress, const char *noun, int columns, char *text, size_t size)
{
        char waited[DURATION_TEXT], left[DURATION_TEXT];
        int64_t left_ms = progress->left_ms;
        int used = snprintf(text, size, "%zu of %zu %s", progress->done, progress->total, noun);

        if (used >= 0 && (size_t)used < size && progress->slowest != NULL && progress->slowest_ms >= SECOND_MS) {
                duration_format(progress->slowest_ms, waited);
                used += snprintf(text + used, size - (size_t)used, ", waiting for %.80s (%s)", progress->slowest,
                                 waited);
        }
        /* What is left at the pace so far, never more than the run's own limit. */
        if (progress->done > 0 && progress->done < progress->total && used >= 0 && (size_t)used < size) {
                int64_t pace_ms = progress->elapsed_ms / (int64_t)progress->done *
                                  (int64_t)(progress->total - progress->done);
                duration_format(pace_ms < left_ms ? pace_ms : left_ms, left);
                snprintf(text + used, size - (size_t)used, ", about %s left", left);
        }
        tame(text, columns);
}

void
progress_show(void *context, const struct run_progress *progress)
{
        struct progress *line = context;
        char text[sizeof line->shown];
        int64_t now_ms = monotonic_ms();

        if (now_ms < line->drawn_ms + REDRAW_MS)
                return;
        progress_text(progress, line->noun, progress_columns(line->stream) - 1, text, sizeof text);
        if (strcmp(text, line->shown) == 0)
                return;
        fprintf(line->stream, "\r%s\033[K", text);
        fflush(line->stream);
        memcpy(line->shown, text, sizeof text);
        line->drawn_ms = now_ms;
}

void
progress_end(struct progress *progress)
{
        if (*progress->shown == '\0')
                return;
        fputs("\r\033[K", progress->stream);
        fflush(progress->stream);
        *progress->shown = '\0';
}
