/* Charts: numbers to SVG, two decimals, texts escaped. */

#include "chart.h"

#include <math.h>
#include <string.h>

#include "escape.h"

static void
text_write(FILE *stream, const char *text)
{
        escape_html(stream, text, strlen(text));
}

void
chart_begin(const struct chart *chart, const char *title, const char *description)
{
        fprintf(chart->stream, "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" role=\"img\"><title>", chart->width,
                chart->height);
        text_write(chart->stream, title);
        fputs("</title><desc>", chart->stream);
        text_write(chart->stream, description);
        fputs("</desc>", chart->stream);
}

void
chart_end(const struct chart *chart)
{
        fputs("</svg>\n", chart->stream);
}

static double
scaled(double value, double from, double to, double low, double high)
{
        double share = to > from ? (value - from) / (to - from) : 0;

        if (!isfinite(share))
                share = 0;
        return low + fmin(fmax(share, 0), 1) * (high - low);
}

double
chart_x(const struct chart *chart, double x)
{
        return scaled(x, chart->x_from, chart->x_to, chart->left, chart->right);
}

double
chart_y(const struct chart *chart, double y)
{
        return scaled(y, chart->y_from, chart->y_to, chart->bottom, chart->top);
}

void
chart_text(const struct chart *chart, double x, double y, const char *anchor, const char *class_, const char *text)
{
        fprintf(chart->stream, "<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, class_);
        text_write(chart->stream, text);
        fputs("</text>", chart->stream);
}

void
chart_axis(const struct chart *chart, const double *at, const char *const *labels, size_t count)
{
        fprintf(chart->stream, "<path class=\"axis\" d=\"M%.2f %.2fH%.2f", chart->left, chart->bottom, chart->right);
        for (size_t i = 0; i < count; i++)
                fprintf(chart->stream, "M%.2f %.2fv4", chart_x(chart, at[i]), chart->bottom);
        fputs("\"/>", chart->stream);
        for (size_t i = 0; i < count; i++) {
                double x = chart_x(chart, at[i]);
                const char *anchor = x < chart->left + 12 ? "start" : x > chart->right - 12 ? "end" : "middle";
                chart_text(chart, x, chart->bottom + 16, anchor, "tick", labels[i]);
        }
}

void
chart_limit(const struct chart *chart, double y, const char *label)
{
        double at = chart_y(chart, y);

        fprintf(chart->stream, "<path class=\"limit\" d=\"M%.2f %.2fH%.2f\"/>", chart->left, at, chart->right);
        chart_text(chart, chart->right, at - 4, "end", "tick", label);
}

void
chart_point(const struct chart *chart, double x, double y, double radius, const char *class_, const char *title)
{
        fprintf(chart->stream, "<circle class=\"%s\" cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\"><title>", class_,
                chart_x(chart, x), chart_y(chart, y), radius);
        text_write(chart->stream, title);
        fputs("</title></circle>", chart->stream);
}

void
chart_line(const struct chart *chart, const double *x, const double *y, size_t count, const char *class_)
{
        if (count == 0)
                return;
        fprintf(chart->stream, "<path class=\"line %s\" d=\"", class_);
        for (size_t i = 0; i < count; i++)
                fprintf(chart->stream, "%c%.2f %.2f", i == 0 ? 'M' : 'L', chart_x(chart, x[i]), chart_y(chart, y[i]));
        fputs("\"/>", chart->stream);
}

void
chart_band(const struct chart *chart, const double *x, const double *low, const double *high, size_t count,
           const char *class_)
{
        if (count == 0)
                return;
        fprintf(chart->stream, "<path class=\"band %s\" d=\"", class_);
        for (size_t i = 0; i < count; i++)
                fprintf(chart->stream, "%c%.2f %.2f", i == 0 ? 'M' : 'L', chart_x(chart, x[i]), chart_y(chart, low[i]));
        for (size_t i = count; i-- > 0;)
                fprintf(chart->stream, "L%.2f %.2f", chart_x(chart, x[i]), chart_y(chart, high[i]));
        fputs("Z\"/>", chart->stream);
}

void
chart_stripe(const struct chart *chart, double from, double to, const char *class_)
{
        double x = chart_x(chart, from), end = chart_x(chart, to);

        fprintf(chart->stream, "<rect class=\"stripe %s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
                class_, x, chart->top, fmax(end - x, 0), chart->bottom - chart->top);
}

void
chart_shares(FILE *stream, const size_t *counts, const char *const *classes, const char *const *names, size_t count,
             const char *title)
{
        double total = 0, at = 0;

        for (size_t i = 0; i < count; i++)
                total += (double)counts[i];
        fputs("<svg class=\"shares\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" role=\"img\"><title>", stream);
        text_write(stream, title);
        fputs("</title>", stream);
        for (size_t i = 0; i < count && total > 0; i++) {
                double width = 100 * (double)counts[i] / total;
                if (counts[i] == 0)
                        continue;
                fprintf(stream,
                        "<rect class=\"%s\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"4\"><title>%zu "
                        "%s</title></rect>",
                        classes[i], at, fmax(width - 0.4, 0.4), counts[i], names[i]);
                at += width;
        }
        fputs("</svg>", stream);
}
