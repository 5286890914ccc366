/* Shares seen in a sample. */

#include "share.h"

#include <math.h>

void
share_interval(double hits, double n, double *low, double *high)
{
        const double z = 1.96;

        if (!(n > 0)) {
                *low = 0;
                *high = 100;
                return;
        }
        double p = hits / n, centre = p + z * z / (2 * n), spread = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        *low = 100 * fmax(0, (centre - spread) / (1 + z * z / n));
        *high = 100 * fmin(1, (centre + spread) / (1 + z * z / n));
}

const char *
share_words(struct findings *findings, double hits, double n, double of)
{
        double low, high;

        if (!(n < of))
                return findings_text(findings, "%.0f of %.0f", hits, n);
        share_interval(hits, n, &low, &high);
        return findings_text(findings, "%.0f of a sample of %.0f (%.0f to %.0f %% of all)", hits, n, low, high);
}
