/* SNTP answers under libFuzzer: whatever a server sends is refused with words, or has an offset and a bound. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sntp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const double sent_ms = 1795489200000.0;
        struct sntp_sample samples[3] = {{"", "", 0, 0, 0}};
        struct error err = {0};
        uint64_t nonce = 0;
        size_t read = 0;

        /* The server heard the question: its nonce stands in the packet, big end first. */
        for (size_t i = 24; i < 32 && i < size; i++)
                nonce = nonce << 8 | data[i];
        for (; read < 3 && size > 0; read++) {
                size_t length = size < SNTP_PACKET ? size : SNTP_PACKET;
                if (sntp_read(data, length, nonce, sent_ms, sent_ms + 20, &samples[read], &err) != 0) {
                        if (err.text[0] == '\0')
                                abort();
                        break;
                }
                if (!isfinite(samples[read].offset_ms) || !(samples[read].bound_ms > 0) ||
                    !isfinite(samples[read].bound_ms))
                        abort();
                data += length;
                size -= length;
        }
        double offset_ms = 0, bound_ms = 0;
        if (read > 0 && (sntp_agree(samples, read, &offset_ms, &bound_ms) == 0 || !(bound_ms >= 0)))
                abort();
        return 0;
}
