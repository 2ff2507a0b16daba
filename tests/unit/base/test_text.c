// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmocka_test.h"

#include <errno.h>
#include <string.h>

#define LETTERS_60 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

static void expect_explained(const struct err *err, const char *what) {
    assert_int_equal(err->kind, ERR_INVALID);
    assert_true(strstr(err->object, what) != NULL);
    assert_true(err->cause[0] && err->next[0]);
}

static void names(void **state) {
    static const char *const good[] = {"a", "0", "web-1.example_x", "A.b", LETTERS_60 "abc"};
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "-a",
                                      "_a",
                                      ".a",
                                      "a..b",
                                      "a/b",
                                      "a b",
                                      "a\n",
                                      "a\x7f",
                                      "\xc3\xa9",
                                      LETTERS_60 "abcd",
                                      "a\033[1m"};
    for (size_t i = 0; i < array_len(good); i++)
        assert_int_equal(text_check_name("instance", good[i], NULL), 0);
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        assert_int_equal(text_check_name("instance", bad[i], &err), -EINVAL);
        expect_explained(&err, "instance");
    }
}

static void sizes(void **state) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1048576", 1048576},
        {"512M", UINT64_C(512) << 20},
        {"512m", 512 << 20},
        {"1.5G", UINT64_C(3) << 29},
        {"2GiB", UINT64_C(2) << 30},
        {"2Gi", 2ull << 30},
        {"2GB", UINT64_C(2) << 30},
        {"7B", 7},
        {"1.3K", 1331},
        {"16777215T", 16777215ull << 40},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "M",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1X",
                                      "1.5",
                                      "1.",
                                      ".5G",
                                      "1.5.5G",
                                      "1GG",
                                      "1Bi",
                                      "1iB",
                                      "0x10",
                                      "1e3",
                                      "16777216T",
                                      "18446744073709551616",
                                      "1.0000000001G",
                                      "1P"};
    for (size_t i = 0; i < array_len(good); i++) {
        uint64_t bytes = 1;
        assert_int_equal(text_parse_size("flag --memory", good[i].text, &bytes, NULL), 0);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        uint64_t bytes;
        assert_int_equal(text_parse_size("flag --memory", bad[i], &bytes, &err), -EINVAL);
        expect_explained(&err, "flag --memory");
    }
}

static void durations(void **state) {
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"0", 0},
                {"10s", 10 * SEC_NS},
                {"1m30s", 90 * SEC_NS},
                {"250ms", SEC_NS / 4},
                {"2h", 7200 * SEC_NS},
                {"7d", 604800 * SEC_NS},
                {"90", 90 * SEC_NS},
                {"1d2h3m4s5ms", 93784005 * MSEC_NS}};
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "1x",
                                      "1m30",
                                      "1.5s",
                                      "1 s",
                                      "10s ",
                                      "1sm",
                                      "999999999999d",
                                      "18446744073709551616s",
                                      "106751d106751d"};
    for (size_t i = 0; i < array_len(good); i++) {
        int64_t ns = 1;
        assert_int_equal(text_parse_duration("flag --wait", good[i].text, &ns, NULL), 0);
        assert_true(ns == good[i].ns);
    }
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        int64_t ns;
        assert_int_equal(text_parse_duration("flag --wait", bad[i], &ns, &err), -EINVAL);
        expect_explained(&err, "flag --wait");
    }
}

static void numbers(void **state) {
    static const char *const bad[] = {"",    "-1",  "+5",
                                      "1.0", "abc", "5 ",
                                      "9",   "101", "18446744073709551616"};
    uint64_t v;
    assert_int_equal(text_parse_u64("port", "10", 10, 100, &v, NULL), 0);
    assert_int_equal(v, 10);
    assert_int_equal(text_parse_u64("port", "00100", 10, 100, &v, NULL), 0);
    assert_int_equal(v, 100);
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        assert_int_equal(text_parse_u64("port", bad[i], 10, 100, &v, &err), -EINVAL);
        expect_explained(&err, "port");
        assert_non_null(strstr(err.next, "10 to 100"));
    }
}

static void fractions(void **state) {
    static const char *const bad[] = {"", ".5", "1.", "1.0000000000", "-1", "1,5", "18446744074"};
    uint64_t v;
    assert_int_equal(text_parse_nano("flag --cpus", "1.5", &v, NULL), 0);
    assert_true(v == 1500000000);
    assert_int_equal(text_parse_nano("flag --cpus", "0.000000001", &v, NULL), 0);
    assert_true(v == 1);
    assert_int_equal(text_parse_nano("flag --cpus", "2", &v, NULL), 0);
    assert_true(v == 2000000000);
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        assert_int_equal(text_parse_nano("flag --cpus", bad[i], &v, &err), -EINVAL);
        expect_explained(&err, "flag --cpus");
    }
}

static void sizes_and_ages_for_people(void **state) {
    char buf[SIZE_TEXT_SIZE];
    assert_string_equal(text_format_size(0, buf), "0 B");
    assert_string_equal(text_format_size(1023, buf), "1023 B");
    assert_string_equal(text_format_size(1024, buf), "1 KiB");
    assert_string_equal(text_format_size(3ull << 29, buf), "1.5 GiB");
    assert_string_equal(text_format_size((1 << 20) - 1, buf), "1 MiB");
    assert_string_equal(text_format_size(UINT64_MAX, buf), "16 EiB");
    assert_string_equal(text_format_age(-SEC_NS, buf), "0 s");
    assert_string_equal(text_format_age(3 * SEC_NS + 1, buf), "3 s");
    assert_string_equal(text_format_age(12 * 60 * SEC_NS, buf), "12 min");
    assert_string_equal(text_format_age(4 * 3600 * SEC_NS, buf), "4 h");
    assert_string_equal(text_format_age(9 * 86400 * SEC_NS, buf), "9 d");
    assert_string_equal(text_format_age(INT64_MAX, buf), "106751 d");
}

static void identifiers_sort_by_age(void **state) {
    char a[ID_TEXT_SIZE], b[ID_TEXT_SIZE], c[ID_TEXT_SIZE];
    text_new_id(INT64_C(1795254240123) * MSEC_NS, a);
    text_new_id(INT64_C(1795254240123) * MSEC_NS, b);
    text_new_id(INT64_C(1795254240124) * MSEC_NS, c);
    assert_int_equal(text_check_id("instance", a, NULL), 0);
    assert_int_equal(a[12], '7');
    assert_non_null(strchr("89ab", a[16]));
    assert_string_not_equal(a, b);
    assert_memory_equal(a, b, 12);
    assert_true(strcmp(a, c) < 0 && strcmp(b, c) < 0);
    struct err err = {0};
    static const char *const bad[] = {"", "12", "0123456789ABCDEF0123456789abcdef",
                                      "0123456789abcdef0123456789abcdef0",
                                      "0123456789abcdef0123456789abcdeg"};
    for (size_t i = 0; i < array_len(bad); i++)
        assert_int_equal(text_check_id("instance", bad[i], &err), -EINVAL);
}

static void utf8(void **state) {
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "a\xe2\x82",
                                      "\xe2\x28\xa1"};
    for (size_t i = 0; i < array_len(good); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < array_len(bad); i++) assert_false(text_is_utf8(bad[i], strlen(bad[i])));
    assert_true(text_is_utf8("a\0b", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(numbers),
        cmocka_unit_test(fractions),
        cmocka_unit_test(sizes_and_ages_for_people),
        cmocka_unit_test(identifiers_sort_by_age),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
