/* The words before TLS under libFuzzer: the first byte chooses the protocol, the second how the rest is cut into
 * pieces. */

#include <stdint.h>
#include <stdlib.h>

#include "starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2)
                return 0;
        struct starttls state = {.protocol = (enum starttls_protocol)(data[0] % STARTTLS_UNKNOWN)};
        struct buffer in = BUFFER_INIT(64 * 1024), out = BUFFER_INIT(64 * 1024);
        size_t piece = data[1] % 16 + 1;
        struct error err = {0};
        enum starttls_result result = starttls_step(&state, &in, &out, &err);

        data += 2;
        size -= 2;
        while (result == STARTTLS_WAIT && size > 0) {
                size_t length = size < piece ? size : piece;
                if (buffer_add(&in, data, length) != 0)
                        break;
                data += length;
                size -= length;
                result = starttls_step(&state, &in, &out, &err);
        }
        if (result == STARTTLS_FAIL && err.text[0] == '\0')
                abort(); /* refused without a reason */
        buffer_free(&in);
        buffer_free(&out);
        return 0;
}
