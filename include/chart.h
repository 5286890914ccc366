/* Small charts as inline SVG: an axis, points, a band, a line, bars.  No script, no style sheet but the report's
 * classes, so that they follow light, dark and print.  Everything is written to a stream, in viewBox units (about CSS
 * pixels). */
#ifndef ROUNDS_CHART_H
#define ROUNDS_CHART_H

#include <stddef.h>
#include <stdio.h>

struct chart {
        FILE *stream;
        double width, height;              /* of the whole */
        double left, right, top, bottom;   /* edges of the plot */
        double x_from, x_to, y_from, y_to; /* data at those edges */
};

/* Opens <svg> with a title and a description for those who cannot see it. */
void chart_begin(const struct chart *chart, const char *title, const char *description);
void chart_end(const struct chart *chart);

/* Data to viewBox units. */
double chart_x(const struct chart *chart, double x);
double chart_y(const struct chart *chart, double y);

/* The line at the bottom, and ticks of `count` labels on it (`labels[i]` at x `at[i]`). */
void chart_axis(const struct chart *chart, const double *at, const char *const *labels, size_t count);

/* A horizontal line at y with a label at its right end (a limit). */
void chart_limit(const struct chart *chart, double y, const char *label);

/* `class_` is a class of the style sheet ("s1", "pass", "trend"). */
void chart_point(const struct chart *chart, double x, double y, double radius, const char *class_, const char *title);
void chart_line(const struct chart *chart, const double *x, const double *y, size_t count, const char *class_);
/* The area between two lines over the same x. */
void chart_band(const struct chart *chart, const double *x, const double *low, const double *high, size_t count,
                const char *class_);
/* A vertical stripe from x to x. */
void chart_stripe(const struct chart *chart, double from, double to, const char *class_);
void chart_text(const struct chart *chart, double x, double y, const char *anchor, const char *class_,
                const char *text);

/* One bar of shares side by side, as wide as its container: `counts[i]` drawn in `classes[i]`; zero counts are left
 * out. */
void chart_shares(FILE *stream, const size_t *counts, const char *const *classes, const char *const *names,
                  size_t count, const char *title);

#endif
