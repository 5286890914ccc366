/* Is a finished workbook whole?  Every part is unpacked and must end with its root element's closing tag. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sheet_parts.h"

enum { EDGE = 256 };

struct edges {
        char head[EDGE + 1], tail[EDGE + 1];
        size_t head_length, tail_length;
};

static void
edges_add(struct edges *edges, const char *bytes, size_t length)
{
        size_t keep = length < EDGE ? length : EDGE;

        if (edges->head_length < EDGE) {
                size_t take = EDGE - edges->head_length < length ? EDGE - edges->head_length : length;

                memcpy(edges->head + edges->head_length, bytes, take);
                edges->head_length += take;
        }
        if (edges->tail_length + keep > EDGE) {
                size_t drop = edges->tail_length + keep - EDGE;

                memmove(edges->tail, edges->tail + drop, edges->tail_length - drop);
                edges->tail_length -= drop;
        }
        memcpy(edges->tail + edges->tail_length, bytes + length - keep, keep);
        edges->tail_length += keep;
}

static bool
edges_match(struct edges *edges)
{
        const char *root;
        size_t name;

        edges->head[edges->head_length] = edges->tail[edges->tail_length] = '\0';
        if (strncmp(edges->head, "<?xml", 5) != 0)
                return false;
        for (root = edges->head; (root = strchr(root, '<')) != NULL && (root[1] == '?' || root[1] == '!');)
                root++;
        if (root == NULL)
                return false;
        name = strcspn(++root, " />\r\n");
        while (edges->tail_length > 0 && edges->tail[edges->tail_length - 1] == '\n')
                edges->tail_length--;
        return edges->tail_length >= name + 3 && edges->tail[edges->tail_length - 1] == '>' &&
               strncmp(edges->tail + edges->tail_length - 1 - name, root, name) == 0 &&
               strncmp(edges->tail + edges->tail_length - 3 - name, "</", 2) == 0;
}

static int
part_verify(struct archive *archive, const char *name, struct error *err)
{
        struct edges edges = {.head_length = 0};
        const void *block;
        size_t length;
        la_int64_t offset;
        int status;

        while ((status = archive_read_data_block(archive, &block, &length, &offset)) == ARCHIVE_OK) {
                if (length > 0)
                        edges_add(&edges, block, length);
        }
        if (status == ARCHIVE_EOF && edges_match(&edges))
                return 0;
        error_set(err, REASON_INTERNAL, "workbook: %s was cut short: is the folder of temporary files full?", name);
        return error_remedy(err, "free space in $TMPDIR, or set it to a folder with more");
}

int
book_verify(int fd, struct error *err)
{
        struct archive *archive = archive_read_new();
        struct archive_entry *entry;
        int status, result = 0;
        size_t parts = 0;

        if (archive == NULL)
                return error_memory(err, "workbook");
        if (lseek(fd, 0, SEEK_SET) != 0 || archive_read_support_format_zip_seekable(archive) != ARCHIVE_OK ||
            archive_read_open_fd(archive, fd, 1 << 18) != ARCHIVE_OK) {
                archive_read_free(archive);
                return error_set(err, REASON_INTERNAL, "workbook: cannot be read back: %s", strerror(errno));
        }
        while (result == 0 && (status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
                result = part_verify(archive, archive_entry_pathname(entry), err);
                parts++;
        }
        if (result == 0 && (status != ARCHIVE_EOF || parts == 0))
                result = error_set(err, REASON_INTERNAL, "workbook: cannot be read back: %s",
                                   archive_error_string(archive) != NULL ? archive_error_string(archive) : "empty");
        archive_read_free(archive);
        return result;
}
