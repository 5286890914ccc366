/* Documents on their way into the store and back: canonical JSON under zstd, without remembered secrets. */

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "scope.h"
#include "secret.h"
#include "store_parts.h"

#define LARGEST_TEXT ((size_t)256 << 20)
#define LEVEL        3 /* facts are read rarely and written every night: zstd's own default */

int
pack_text(const json_t *value, char **text, struct error *err)
{
        scoped_json clean = json_deep_copy(value);

        if (clean == NULL)
                return error_memory(err, "a document for the store");
        secret_redact(clean);
        *text = json_dumps(clean, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        return *text != NULL ? 0 : error_memory(err, "a document for the store");
}

int
pack_json(const json_t *value, void **bytes, size_t *size, struct error *err)
{
        scoped_string text = NULL;

        if (pack_text(value, &text, err) != 0)
                return -1;
        size_t length = strlen(text), room = ZSTD_compressBound(length);
        if (length > LARGEST_TEXT)
                return error_set(err, REASON_INTERNAL, "a document of %zu MiB is too large for the store",
                                 length >> 20);
        scoped_string packed = malloc(room);
        if (packed == NULL)
                return error_memory(err, "a document for the store");
        size_t used = ZSTD_compress(packed, room, text, length, LEVEL);
        if (ZSTD_isError(used))
                return error_set(err, REASON_INTERNAL, "zstd: %s", ZSTD_getErrorName(used));
        *bytes = scope_keep(packed);
        *size = used;
        return 0;
}

int
unpack_json(const void *bytes, size_t size, json_t **value, struct error *err)
{
        unsigned long long length = bytes != NULL ? ZSTD_getFrameContentSize(bytes, size) : ZSTD_CONTENTSIZE_ERROR;

        if (length == ZSTD_CONTENTSIZE_ERROR || length == ZSTD_CONTENTSIZE_UNKNOWN || length > LARGEST_TEXT)
                return error_set(err, REASON_INTERNAL, "a stored document is damaged: no zstd frame");
        scoped_string text = malloc((size_t)length + 1);
        if (text == NULL)
                return error_memory(err, "a stored document");
        size_t used = ZSTD_decompress(text, (size_t)length, bytes, size);
        if (ZSTD_isError(used))
                return error_set(err, REASON_INTERNAL, "a stored document is damaged: %s", ZSTD_getErrorName(used));
        json_error_t why;
        *value = json_loadb(text, used, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        return *value != NULL ? 0 : error_set(err, REASON_INTERNAL, "a stored document is damaged: %s", why.text);
}

const char *
pack_clean(const char *text, struct buffer *scratch)
{
        if (text == NULL)
                return NULL;
        scratch->length = 0; /* a failure before stays noted */
        if (buffer_text(scratch, text) != 0 || scratch->data == NULL)
                return ""; /* never the text itself: it may hold a secret */
        secret_redact_text(scratch->data);
        return scratch->data;
}
