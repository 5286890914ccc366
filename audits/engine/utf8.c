/* UTF-8 decoding that accepts well-formed sequences only: no overlong form, no surrogate, nothing past U+10FFFF. */

#include "utf8.h"

size_t
utf8_length(const char *bytes, size_t left)
{
        const unsigned char *s = (const unsigned char *)bytes;
        unsigned char low = 0x80, high = 0xBF;
        size_t length;

        if (left == 0)
                return 0;
        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xC2 && s[0] <= 0xDF)
                length = 2;
        else if (s[0] >= 0xE0 && s[0] <= 0xEF)
                length = 3;
        else if (s[0] >= 0xF0 && s[0] <= 0xF4)
                length = 4;
        else
                return 0;
        if (s[0] == 0xE0)
                low = 0xA0;
        else if (s[0] == 0xED)
                high = 0x9F;
        else if (s[0] == 0xF0)
                low = 0x90;
        else if (s[0] == 0xF4)
                high = 0x8F;
        if (length > left || s[1] < low || s[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++) {
                if ((s[i] & 0xC0) != 0x80)
                        return 0;
        }
        return length;
}

uint32_t
utf8_decode(const char *bytes, size_t left, size_t *taken)
{
        static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
        const unsigned char *s = (const unsigned char *)bytes;
        size_t length = utf8_length(bytes, left);
        uint32_t rune;

        if (length == 0) {
                *taken = 1;
                return UTF8_REPLACEMENT_RUNE;
        }
        rune = s[0] & lead[length];
        for (size_t i = 1; i < length; i++)
                rune = rune << 6 | (s[i] & 0x3F);
        *taken = length;
        return rune;
}

size_t
utf8_encode(uint32_t rune, char bytes[4])
{
        if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF))
                rune = UTF8_REPLACEMENT_RUNE;
        if (rune < 0x80) {
                bytes[0] = (char)rune;
                return 1;
        }
        if (rune < 0x800) {
                bytes[0] = (char)(0xC0 | rune >> 6);
                bytes[1] = (char)(0x80 | (rune & 0x3F));
                return 2;
        }
        if (rune < 0x10000) {
                bytes[0] = (char)(0xE0 | rune >> 12);
                bytes[1] = (char)(0x80 | (rune >> 6 & 0x3F));
                bytes[2] = (char)(0x80 | (rune & 0x3F));
                return 3;
        }
        bytes[0] = (char)(0xF0 | rune >> 18);
        bytes[1] = (char)(0x80 | (rune >> 12 & 0x3F));
        bytes[2] = (char)(0x80 | (rune >> 6 & 0x3F));
        bytes[3] = (char)(0x80 | (rune & 0x3F));
        return 4;
}
