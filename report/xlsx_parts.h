/* What the files of the XLSX renderer share. */
#ifndef ROUNDS_XLSX_PARTS_H
#define ROUNDS_XLSX_PARTS_H

#include "sheet.h"
#include "view.h"

void xlsx_summary(struct book *book, const struct view *view, const char *zone);
void xlsx_inventories(struct book *book, const struct view *view);
void xlsx_projections(struct book *book, const struct view *view);

#endif
