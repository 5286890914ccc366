/* What the files of the XLSX renderer share. */
#ifndef ROUNDS_XLSX_PARTS_H
#define ROUNDS_XLSX_PARTS_H

#include "sheet.h"
#include "view.h"

void xlsx_summary(struct book *book, const struct view *view, const char *zone);
void xlsx_inventories(struct book *book, const struct view *view);
void xlsx_projections(struct book *book, const struct view *view);

/* Whole days from the run's start to a moment, rounded down: -1 is "yesterday or earlier today". */
double xlsx_days_left(const struct view *view, int64_t moment_ms);

#endif
