// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/mem.h"
#include "cmocka_test.h"

#include <errno.h>

static void warp_clock_stands_still(void **state) {
    struct clock_warp warp;
    clock_warp_init(&warp, 5 * SEC_NS);
    int64_t start = clock_monotonic(&warp.clock);
    assert_true(clock_realtime(&warp.clock) == 5 * SEC_NS);
    clock_warp_advance(&warp, 7);
    assert_true(clock_monotonic(&warp.clock) == start + 7);
    assert_true(clock_realtime(&warp.clock) == 5 * SEC_NS + 7);
}

static void system_clock_goes_on(void **state) {
    struct clock *clock = clock_system();
    int64_t a = clock_monotonic(clock), b = clock_monotonic(clock);
    assert_true(b >= a);
    assert_true(clock_realtime(clock) > INT64_C(1700000000) * SEC_NS);
}

static const struct {
    const char *text;
    int64_t ns;
    const char *back; // NULL: the same as text
} TIMES[] = {
    {"1970-01-01T00:00:00.000Z", 0, NULL},
    {"1969-12-31T23:59:59.999Z", -MSEC_NS, NULL},
    {"2026-11-21T09:44:00.123Z", INT64_C(1795254240123) * MSEC_NS, NULL},
    {"2000-02-29T00:00:00.000Z", INT64_C(951782400) * SEC_NS, NULL},
    {"2100-03-01T00:00:00.000Z", INT64_C(4107542400) * SEC_NS, NULL},
    {"1677-09-22T00:00:00.000Z", INT64_C(-9223286400) * SEC_NS, NULL},
    {"2262-04-11T23:47:16.854Z", INT64_C(9223372036854) * MSEC_NS, NULL},
    {"2026-11-21t09:44:00z", INT64_C(1795254240) * SEC_NS, "2026-11-21T09:44:00.000Z"},
    {"2026-11-21T11:14:00+01:30", INT64_C(1795254240) * SEC_NS, "2026-11-21T09:44:00.000Z"},
    {"2026-11-20T20:44:00-13:00", INT64_C(1795254240) * SEC_NS, "2026-11-21T09:44:00.000Z"},
    {"1970-01-01T00:00:00.0000000019Z", 1, "1970-01-01T00:00:00.000Z"},
    {"2016-12-31T23:59:60Z", INT64_C(1483228800) * SEC_NS, "2017-01-01T00:00:00.000Z"},
};

static void times_round_trip(void **state) {
    char buf[TIME_TEXT_SIZE];
    for (size_t i = 0; i < array_len(TIMES); i++) {
        int64_t ns = 1;
        assert_int_equal(time_parse(TIMES[i].text, &ns), 0);
        assert_true(ns == TIMES[i].ns);
        assert_string_equal(time_format(ns, buf), TIMES[i].back ? TIMES[i].back : TIMES[i].text);
    }
    for (int64_t day = -100000; day < 100000; day += 37) { // years 1696 to 2243
        int64_t ns = day * 86400 * SEC_NS + 123 * MSEC_NS, back;
        assert_int_equal(time_parse(time_format(ns, buf), &back), 0);
        assert_true(ns == back);
    }
    time_format(INT64_MIN, buf);
    time_format(INT64_MAX, buf);
}

static void bad_times_are_refused(void **state) {
    static const char *const bad[] = {
        "",
        "now",
        "2026",
        "2026-11-21",
        "2026-11-21T09:44:00",
        "2026-11-21T09:44Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T09:60:00Z",
        "2026-11-21T09:44:61Z",
        "2026-11-21T09:44:00.Z",
        "2026-11-21T09:44:00+1:00",
        "2026-11-21T09:44:00+24:00",
        "2026-11-21T09:44:00+01:60",
        "2026-11-21T09:44:00Z ",
        " 2026-11-21T09:44:00Z",
        "2026-11-21T09:44:00ZZ",
        "-026-11-21T09:44:00Z",
        "2026-11-21 09:44:00Z",
        "9999-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < array_len(bad); i++) {
        int64_t ns = 42;
        assert_int_equal(time_parse(bad[i], &ns), -EINVAL);
        assert_true(ns == 42);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warp_clock_stands_still),
        cmocka_unit_test(system_clock_goes_on),
        cmocka_unit_test(times_round_trip),
        cmocka_unit_test(bad_times_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
