/* The XLSX report, taken apart: typed cells, tables, frozen headers, no formula whatever a text begins with. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <expat.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "scope.h"
#include "sheet.h"
#include "support_view.h"

struct part {
        char name[120];
        char *text; /* NUL-terminated */
        size_t size;
};

struct parts {
        struct part list[80];
        size_t count;
        char *bytes;
        size_t size;
};

static void
parts_unpack(struct parts *parts)
{
        struct archive *archive = archive_read_new();
        struct archive_entry *entry;

        archive_read_support_format_zip_seekable(archive);
        assert_int_equal(archive_read_open_memory(archive, parts->bytes, parts->size), ARCHIVE_OK);
        while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
                struct part *part = &parts->list[parts->count++];

                assert_true(parts->count < 80);
                snprintf(part->name, sizeof(part->name), "%s", archive_entry_pathname(entry));
                part->size = (size_t)archive_entry_size(entry);
                part->text = calloc(1, part->size + 1);
                assert_int_equal(archive_read_data(archive, part->text, part->size), part->size);
                assert_true(archive_entry_mtime(entry) < 320000000); /* 1980: no clock in the bytes */
        }
        archive_read_free(archive);
}

static void
parts_render(const struct view *view, struct parts *parts)
{
        struct report_options options = {.formats = "xlsx"};
        struct error err;
        FILE *stream;

        memset(parts, 0, sizeof(*parts));
        stream = open_memstream(&parts->bytes, &parts->size);
        if (renderer_xlsx.write(view, &options, stream, &err) != 0)
                fail_msg("%s", err.text);
        fclose(stream);
        parts_unpack(parts);
}

static void
parts_free(struct parts *parts)
{
        for (size_t i = 0; i < parts->count; i++)
                free(parts->list[i].text);
        free(parts->bytes);
}

static const char *
part_text(const struct parts *parts, const char *name)
{
        for (size_t i = 0; i < parts->count; i++) {
                if (strcmp(parts->list[i].name, name) == 0)
                        return parts->list[i].text;
        }
        fail_msg("no part %s", name);
        return "";
}

/* The XML of the sheet with this title: sheets are numbered in the workbook's order. */
static const char *
sheet_text_of(const struct parts *parts, const char *title)
{
        const char *at = part_text(parts, "xl/workbook.xml");
        char wanted[80], name[60];

        snprintf(wanted, sizeof(wanted), "<sheet name=\"%s\"", title);
        for (unsigned number = 1; (at = strstr(at, "<sheet name=")) != NULL; at++, number++) {
                if (strncmp(at, wanted, strlen(wanted)) == 0) {
                        snprintf(name, sizeof(name), "xl/worksheets/sheet%u.xml", number);
                        return part_text(parts, name);
                }
        }
        fail_msg("no sheet %s", title);
        return "";
}

static void
check_well_formed(const struct parts *parts)
{
        for (size_t i = 0; i < parts->count; i++) {
                XML_Parser parser = XML_ParserCreate("UTF-8");

                if (XML_Parse(parser, parts->list[i].text, (int)parts->list[i].size, XML_TRUE) != XML_STATUS_OK)
                        fail_msg("%s line %lu: %s", parts->list[i].name, XML_GetCurrentLineNumber(parser),
                                 XML_ErrorString(XML_GetErrorCode(parser)));
                XML_ParserFree(parser);
        }
}

static void
check_inert(const struct parts *parts)
{
        for (size_t i = 0; i < parts->count; i++) {
                if (strncmp(parts->list[i].name, "xl/worksheets/sheet", 19) == 0) {
                        assert_null(strstr(parts->list[i].text, "<f>"));
                        assert_null(strstr(parts->list[i].text, "<f "));
                        assert_null(strstr(parts->list[i].text, "<hyperlink"));
                }
                assert_null(strstr(parts->list[i].text, "TargetMode=\"External\""));
                assert_null(strstr(parts->list[i].text, "evil.example/\" "));
        }
}

static void
test_sheets_and_tables(void **state)
{
        static const char *const titles[] = {"Summary",
                                             "Findings",
                                             "Changes",
                                             "Not assessed",
                                             "Certificates",
                                             "Databases",
                                             "Volume_claims_ _of_ nodes_",
                                             "Projections",
                                             "Trends",
                                             "Targets",
                                             "Controls",
                                             "Waivers"};
        struct view *view = support_view(40);
        struct parts parts;
        unsigned tables = 0;

        (void)state;
        parts_render(view, &parts);
        check_well_formed(&parts);
        check_inert(&parts);
        for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
                const char *sheet = sheet_text_of(&parts, titles[i]);

                assert_non_null(strstr(sheet, "orientation=\"landscape\""));
                assert_non_null(strstr(sheet, "fitToHeight=\"0\""));
                if (i == 0)
                        continue;
                assert_non_null(strstr(
                        sheet, "<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>"));
                assert_non_null(strstr(sheet, "<tablePart "));
                assert_non_null(strstr(sheet, "<cols>"));
        }
        for (size_t i = 0; i < parts.count; i++) {
                if (strncmp(parts.list[i].name, "xl/tables/", 10) == 0) {
                        tables++;
                        assert_non_null(strstr(parts.list[i].text, "<autoFilter ref="));
                }
        }
        assert_int_equal(tables, sizeof(titles) / sizeof(titles[0]) - 1);
        assert_non_null(strstr(part_text(&parts, "xl/workbook.xml"), "_xlnm.Print_Titles"));
        assert_non_null(strstr(part_text(&parts, "xl/charts/chart1.xml"), "<c:barChart>"));
        assert_non_null(strstr(part_text(&parts, "xl/charts/chart3.xml"), "Days left"));
        assert_non_null(strstr(part_text(&parts, "xl/charts/chart4.xml"), "<c:scatterChart>"));
        assert_non_null(strstr(sheet_text_of(&parts, "Findings"), "<conditionalFormatting "));
        parts_free(&parts);
        support_view_free(view);
}

/* The cell's own XML ("<c r="C2" s="7"><v>46354</v></c>"), in a static buffer of the caller. */
static void
cell_read(const char *sheet, const char *reference, char cell[300])
{
        char wanted[40];
        const char *at, *end;

        snprintf(wanted, sizeof(wanted), "<c r=\"%s\"", reference);
        at = strstr(sheet, wanted);
        assert_non_null(at);
        end = strstr(at, "</c>");
        assert_non_null(end);
        snprintf(cell, 300, "%.*s", (int)(end - at), at);
}

/* The number format's code of the cell's style, by the numbers of styles.xml. */
static void
format_check(const struct parts *parts, const char *cell, const char *code)
{
        const char *styles = part_text(parts, "xl/styles.xml");
        const char *xf = strstr(styles, "<cellXfs"), *attribute = strstr(cell, " s=\"");
        char wanted[160];
        int number, format;

        assert_non_null(attribute);
        number = atoi(attribute + 4);
        for (int i = 0; i <= number; i++) {
                xf = strstr(xf + 1, "<xf ");
                assert_non_null(xf);
        }
        assert_int_equal(sscanf(xf, "<xf numFmtId=\"%d\"", &format), 1);
        snprintf(wanted, sizeof(wanted), "<numFmt numFmtId=\"%d\" formatCode=\"%s\"", format, code);
        if (strstr(styles, wanted) == NULL)
                fail_msg("%s: not %s", cell, code);
}

static void
test_cells_are_typed(void **state)
{
        struct view *view = support_view(40);
        struct parts parts;
        char cell[300];

        (void)state;
        parts_render(view, &parts);
        /* Certificates: owner, subject, expires, days left ...; the first expires 4 days after the run. */
        cell_read(sheet_text_of(&parts, "Certificates"), "C2", cell);
        assert_null(strstr(cell, "t=\"s\""));
        assert_int_equal(atoi(strstr(cell, "<v>") + 3), 46350 + 4); /* 2026-11-24 is day 46350 */
        format_check(&parts, cell, "yyyy-mm-dd_)");
        cell_read(sheet_text_of(&parts, "Certificates"), "D2", cell);
        assert_non_null(strstr(cell, "<v>4"));
        format_check(&parts, cell, "#,##0_)");
        cell_read(sheet_text_of(&parts, "Certificates"), "G2", cell); /* bytes */
        assert_non_null(strstr(cell, "<v>1500000"));
        cell_read(sheet_text_of(&parts, "Certificates"), "H2", cell);
        assert_non_null(strstr(cell, "t=\"b\""));
        cell_read(sheet_text_of(&parts, "Certificates"), "I2", cell);
        assert_non_null(strstr(cell, "<v>0.125"));
        format_check(&parts, cell, "0.0%_)");
        /* Findings: first seen */
        cell_read(sheet_text_of(&parts, "Findings"), "N2", cell);
        assert_int_equal(atoi(strstr(cell, "<v>") + 3), 46347);
        format_check(&parts, cell, "yyyy-mm-dd hh:mm_)");
        /* A key that differs in case only gets a title of its own. */
        assert_non_null(strstr(part_text(&parts, "xl/tables/table5.xml"), "name=\"Name 2\""));
        parts_free(&parts);
        support_view_free(view);
}

static void
test_hostile_texts(void **state)
{
        static const char *const wanted[] = {
                "<t>=HYPERLINK(\"http://evil.example/\",\"click\")</t>",
                "<t>+1+1</t>",
                "<t>@SUM(A1:A9)</t>",
                "<t xml:space=\"preserve\">\t=1+1</t>",
                "<t>http://evil.example/</t>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
                "a|b\nc|d\ne",
                "not UTF-8: \xEF\xBF\xBD\xEF\xBF\xBD( ",
                "right-to-left [U+202E]gnp.exe",
                "control \xE2\x90\x81\xE2\x90\x88\xE2\x90\x8B\xE2\x90\x9B[31m\xE2\x90\xA1 end",
                "_x005F_x0041_ is not A",
                "\xEF\xBF\xBD\xEF\xBF\xBD noncharacters",
        };
        static const size_t sizes[] = {40, 20001};

        (void)state;
        for (size_t k = 0; k < 2; k++) {
                struct view *view = support_view(sizes[k]);
                struct parts parts;
                const char *text;

                parts_render(view, &parts);
                check_well_formed(&parts);
                check_inert(&parts);
                /* The large workbook keeps strings in the cells. */
                text = k == 0 ? part_text(&parts, "xl/sharedStrings.xml") : sheet_text_of(&parts, "Findings");
                for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
                        if (strstr(text, wanted[i]) == NULL)
                                fail_msg("%zu findings: %s is missing", sizes[k], wanted[i]);
                }
                if (k == 1) {
                        assert_non_null(strstr(text, "<autoFilter ref=\"A1:T20002\"/>"));
                        assert_non_null(strstr(text, "state=\"frozen\""));
                        assert_null(strstr(text, "<tablePart "));
                }
                parts_free(&parts);
                support_view_free(view);
        }
}

static void
test_same_bytes(void **state)
{
        static const size_t sizes[] = {0, 40, 20001};

        (void)state;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                struct view *view = support_view(sizes[i]), *again = support_view(sizes[i]);
                struct parts parts, parts_again;

                parts_render(view, &parts);
                parts_render(again, &parts_again);
                assert_int_equal(parts.size, parts_again.size);
                assert_memory_equal(parts.bytes, parts_again.bytes, parts.size);
                assert_non_null(strstr(part_text(&parts, "docProps/core.xml"), ">2026-11-24T03:12:44Z<"));
                parts_free(&parts);
                parts_free(&parts_again);
                support_view_free(view);
                support_view_free(again);
        }
}

static void
book_render(struct book *book, struct parts *parts)
{
        struct error err;
        FILE *stream;

        memset(parts, 0, sizeof(*parts));
        stream = open_memstream(&parts->bytes, &parts->size);
        if (book_write(book, stream, &err) != 0)
                fail_msg("%s", err.text);
        fclose(stream);
        book_free(book);
        parts_unpack(parts);
        check_well_formed(parts);
}

static void
test_bounds_of_a_sheet(void **state)
{
        static const struct column columns[] = {{"Text", CELL_WRAPPED, COLOURS_NONE, 0},
                                                {"TEXT", CELL_WHOLE, COLOURS_NONE, 0}};
        struct book_options options = {.title = "bounds", .largest_row = 6};
        struct parts parts;
        struct error err;
        struct book *book;
        struct sheet *sheet;
        const char *text, *cut;
        char *huge = malloc(70001);

        (void)state;
        memset(huge, 'x', 70000);
        huge[70000] = '\0';
        assert_int_equal(book_open(&options, &book, &err), 0);
        sheet = sheet_add(book, "Bounds");
        sheet_columns(sheet, columns, 2);
        for (int i = 0; i < 10; i++) {
                sheet_text(sheet, i == 0 ? huge : "row");
                sheet_number(sheet, i);
                sheet_text(sheet, "a third cell has no column");
                sheet_row_end(sheet);
        }
        sheet_end(sheet, "");
        book_render(book, &parts);
        text = part_text(&parts, "xl/sharedStrings.xml");
        assert_non_null(strstr(text, "6 more rows did not fit: a sheet holds 6."));
        assert_null(strstr(text, "third cell"));
        cut = strstr(text, "xxx");
        assert_int_equal(strspn(cut, "x"), 32767 - 15);
        assert_memory_equal(cut + 32767 - 15, "…</t>", strlen("…</t>"));
        assert_non_null(strstr(part_text(&parts, "xl/worksheets/sheet1.xml"), "<row r=\"6\""));
        assert_null(strstr(part_text(&parts, "xl/worksheets/sheet1.xml"), "<row r=\"7\""));
        parts_free(&parts);
        free(huge);
}

static void
test_sheet_names(void **state)
{
        static const char *const cases[][2] = {
                {"Plain", "Plain"},
                {"plain", "plain (2)"},
                {"a/b\\c:d*e?f[g]h'", "a_b_c_d_e_f_g_h_"},
                {"", "Sheet"},
                {"History", "History_"},
                {"a very long name of more than thirty-one characters", "a very long name of more than t"},
                {"a very long name of more than thirty-one characters!", "a very long name of more th (2)"},
                {"bad \xFF byte", "bad \xEF\xBF\xBD byte"},
        };
        struct book_options options = {.title = "names"};
        struct parts parts;
        struct error err;
        struct book *book;

        (void)state;
        assert_int_equal(book_open(&options, &book, &err), 0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(sheet_name(sheet_add(book, cases[i][0])), cases[i][1]);
        book_render(book, &parts);
        parts_free(&parts);
}

static void
test_a_full_disk_is_an_error(void **state)
{
        struct rlimit before, low = {.rlim_cur = 200000, .rlim_max = RLIM_INFINITY};
        struct report_options options = {.formats = "xlsx"};
        struct view *view = support_view(5000);
        struct error err = {.text = ""};
        char *bytes = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&bytes, &size);

        (void)state;
        /* Every write past 200 kB of a file fails, as on a full disk: the library would not notice. */
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        low.rlim_max = before.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        assert_int_equal(renderer_xlsx.write(view, &options, stream, &err), -1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(err.reason, REASON_INTERNAL);
        assert_non_null(strstr(err.text, "workbook: "));
        fclose(stream);
        assert_int_equal(size, 0);
        free(bytes);
        support_view_free(view);
}

static void
test_a_missing_folder_is_an_error(void **state)
{
        struct book_options options = {.title = "t", .folder = "/nonexistent/folder"};
        struct book *book = NULL;
        struct error err;

        (void)state;
        assert_int_equal(book_open(&options, &book, &err), -1);
        assert_non_null(strstr(err.text, "/nonexistent/folder"));
        assert_non_null(strstr(err.remedy, "TMPDIR"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sheets_and_tables),       cmocka_unit_test(test_cells_are_typed),
                cmocka_unit_test(test_hostile_texts),           cmocka_unit_test(test_same_bytes),
                cmocka_unit_test(test_bounds_of_a_sheet),       cmocka_unit_test(test_sheet_names),
                cmocka_unit_test(test_a_full_disk_is_an_error), cmocka_unit_test(test_a_missing_folder_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
