/* SNTP packets read by the client, intervals that agree, Date headers that narrow each other. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "clock_readings.h"
#include "sntp.h"

static const uint64_t NONCE = 0x0123456789abcdefULL;

static void
word_put(unsigned char *packet, size_t at, uint32_t word)
{
        for (size_t i = 0; i < 4; i++)
                packet[at + i] = (unsigned char)(word >> (24 - 8 * i));
}

/* An answer that arrived there 0.5 s into second 3,990,000,000 of era 0 and left 0.25 s later. */
static void
packet_make(unsigned char packet[SNTP_PACKET])
{
        memset(packet, 0, SNTP_PACKET);
        packet[0] = 4 << 3 | 4;
        packet[1] = 2;
        word_put(packet, 4, 0x00008000); /* root delay 0.5 s */
        word_put(packet, 8, 0x00004000); /* root dispersion 0.25 s */
        word_put(packet, 24, (uint32_t)(NONCE >> 32));
        word_put(packet, 28, (uint32_t)NONCE);
        word_put(packet, 32, 3990000000U);
        word_put(packet, 36, 0x80000000U);
        word_put(packet, 40, 3990000000U);
        word_put(packet, 44, 0xc0000000U);
}

static const double BASE_MS = (3990000000.0 - 2208988800.0) * 1000;

static void
test_offset(void **state)
{
        unsigned char packet[SNTP_PACKET];
        struct sntp_sample sample;
        struct error err = {0};

        (void)state;
        packet_make(packet);
        /* Sent at base - 1 s, back at base + 1 s: there for 0.25 s, so 1.75 s on the way; the middle there is 0.625 s.
         */
        assert_int_equal(sntp_read(packet, sizeof packet, NONCE, BASE_MS - 1000, BASE_MS + 1000, &sample, &err), 0);
        assert_float_equal(sample.offset_ms, 625, 0.001);
        assert_float_equal(sample.bound_ms, 875 + 250 + 250, 0.001);
        assert_int_equal(sample.stratum, 2);
}

/* RFC 4330, section 3: times after 2036-02-07 begin with a 0 bit. */
static void
test_era(void **state)
{
        unsigned char packet[SNTP_PACKET];
        struct sntp_sample sample;
        struct error err = {0};
        double base = (4294967296.0 + 1000 - 2208988800.0) * 1000;

        (void)state;
        packet_make(packet);
        word_put(packet, 32, 1000);
        word_put(packet, 40, 1000);
        word_put(packet, 36, 0);
        word_put(packet, 44, 1);
        assert_int_equal(sntp_read(packet, sizeof packet, NONCE, base - 10, base + 10, &sample, &err), 0);
        assert_float_equal(sample.offset_ms, 0, 0.01);
}

static void
test_refused(void **state)
{
        static const struct {
                size_t at;
                unsigned char value;
                enum reason reason;
                const char *text;
        } cases[] = {
                {0, 4 << 3 | 3, REASON_PROTOCOL, "mode 3"},
                {0, 4 << 3 | 5, REASON_PROTOCOL, "mode 5"},
                {0, 0 << 3 | 4, REASON_PROTOCOL, "version 0"},
                {0, 7 << 3 | 4, REASON_PROTOCOL, "version 7"},
                {0, 3 << 6 | 4 << 3 | 4, REASON_UNREACHABLE, "not synchronised"},
                {1, 16, REASON_UNREACHABLE, "stratum 16"},
                {24, 0xff, REASON_PROTOCOL, "not to the question"},
                {31, 0, REASON_PROTOCOL, "not to the question"},
        };
        unsigned char packet[SNTP_PACKET];
        struct sntp_sample sample;

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct error err = {0};
                packet_make(packet);
                packet[cases[i].at] = cases[i].value;
                assert_int_equal(sntp_read(packet, sizeof packet, NONCE, BASE_MS, BASE_MS + 1, &sample, &err), -1);
                assert_int_equal(err.reason, cases[i].reason);
                assert_non_null(strstr(err.text, cases[i].text));
        }
        for (size_t length = 0; length < SNTP_PACKET; length++) {
                struct error err = {0};
                packet_make(packet);
                assert_int_equal(sntp_read(packet, length, NONCE, BASE_MS, BASE_MS + 1, &sample, &err), -1);
        }
        struct error err = {0};
        packet_make(packet);
        packet[1] = 0;
        memcpy(packet + 12, "RATE", 4);
        assert_int_equal(sntp_read(packet, sizeof packet, NONCE, BASE_MS, BASE_MS + 1, &sample, &err), -1);
        assert_non_null(strstr(err.text, "RATE"));
        assert_non_null(strstr(err.remedy, "less often"));
        packet_make(packet);
        memset(packet + 40, 0, 8);
        assert_int_equal(sntp_read(packet, sizeof packet, NONCE, BASE_MS, BASE_MS + 1, &sample, &err), -1);
}

static void
test_agree(void **state)
{
        static const struct {
                struct sntp_sample samples[4];
                size_t count, agree;
                double offset, bound;
        } cases[] = {
                {{{.offset_ms = 5, .bound_ms = 2}}, 1, 1, 5, 2},
                {{{.offset_ms = 0, .bound_ms = 4}, {.offset_ms = 2, .bound_ms = 4}}, 2, 2, 1, 3},
                /* RFC 5905's picture: 8..12, 9..13, 10..12 and a false ticker. */
                {{{.offset_ms = 10, .bound_ms = 2},
                  {.offset_ms = 11, .bound_ms = 2},
                  {.offset_ms = 11, .bound_ms = 1},
                  {.offset_ms = 90, .bound_ms = 1}},
                 4,
                 3,
                 11,
                 1},
                /* Two against one, the odd one first. */
                {{{.offset_ms = -900, .bound_ms = 1}, {.offset_ms = 3, .bound_ms = 2}, {.offset_ms = 4, .bound_ms = 2}},
                 3,
                 2,
                 3.5,
                 1.5},
                /* Nobody agrees: the narrowest. */
                {{{.offset_ms = 0, .bound_ms = 5}, {.offset_ms = 100, .bound_ms = 1}}, 2, 1, 100, 1},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                double offset = 0, bound = 1e9;
                assert_int_equal(sntp_agree(cases[i].samples, cases[i].count, &offset, &bound), cases[i].agree);
                assert_float_equal(offset, cases[i].offset, 1e-6);
                assert_float_equal(bound, cases[i].bound, 1e-6);
        }
}

static void
test_dates(void **state)
{
        /* A clock 300 ms ahead, looked at four times at different parts of a second: the bound shrinks below half a
         * second. */
        struct dated_answer answers[4];
        double offset, bound, one;

        (void)state;
        for (size_t i = 0; i < 4; i++) {
                double at = 1000000 + 270.0 * (double)i;
                double clock = at + 300;
                answers[i] = (struct dated_answer){clock - (double)((long)clock % 1000), at - 2, at + 2};
        }
        assert_true(clock_dates_agree(answers, 1, &offset, &one));
        assert_true(clock_dates_agree(answers, 4, &offset, &bound));
        assert_true(bound < one && bound < 200);
        assert_true(offset - bound <= 300 && 300 <= offset + bound);
        /* Two servers behind one address, three seconds apart. */
        answers[2].date_ms += 3000;
        assert_false(clock_dates_agree(answers, 4, &offset, &bound));
        assert_false(clock_dates_agree(answers, 0, &offset, &bound));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_offset), cmocka_unit_test(test_era),   cmocka_unit_test(test_refused),
                cmocka_unit_test(test_agree),  cmocka_unit_test(test_dates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
