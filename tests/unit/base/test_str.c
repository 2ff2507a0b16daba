// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/str.h"
#include "cmocka_test.h"

#include <stdlib.h>
#include <string.h>

static void grows_by_pieces(void **state) {
    auto_str struct str s = {0};
    assert_string_equal(str_text(&s), "");
    for (int i = 0; i < 1000; i++) {
        str_printf(&s, "%d,", i);
        str_add_char(&s, 'x');
        str_add(&s, "yz");
        str_add_n(&s, "1234", 2);
    }
    assert_int_equal(s.len, strlen(s.data));
    assert_memory_equal(s.data, "0,xyz121,xyz122,", 16);
    assert_true(str_ends(s.data, "999,xyz12"));
    str_reset(&s);
    assert_string_equal(str_text(&s), "");
    str_printf(&s, "%0500d", 1); // longer than the first buffer
    assert_int_equal(s.len, 500);
    auto_free char *text = str_take(&s);
    assert_int_equal(strlen(text), 500);
    assert_null(s.data);
    auto_free char *empty = str_take(&s);
    assert_string_equal(empty, "");
}

static void failure_sticks(void **state) {
    auto_str struct str s = {0};
    str_add(&s, "start");
    mem_fail_nth(1);
    str_printf(&s, "%0500d", 1);
    assert_true(s.failed);
    str_add(&s, "more");
    str_printf(&s, "x");
    assert_string_equal(str_text(&s), "start");
    assert_null(str_take(&s));
    str_add(&s, "again");
    assert_string_equal(str_text(&s), "again");
}

static void too_long_is_a_failure(void **state) {
    auto_str struct str s = {0};
    str_add(&s, "a");
    str_add_n(&s, "b", STR_MAX);
    assert_true(s.failed);
    assert_string_equal(s.data, "a");
}

static void json_is_escaped(void **state) {
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\x01\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u007f\""},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xff"
         "a\xe2\x82",
         "\"\xef\xbf\xbd"
         "a\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {NULL, "null"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        auto_str struct str s = {0};
        str_add_json(&s, cases[i].in);
        assert_string_equal(s.data, cases[i].out);
    }
}

static void comparisons(void **state) {
    assert_true(str_starts("abc", "ab") && str_starts("abc", "") && !str_starts("ab", "abc"));
    assert_true(str_ends("abc", "bc") && str_ends("abc", "") && !str_ends("bc", "abc"));
    assert_true(str_same(NULL, NULL) && str_same("a", "a"));
    assert_false(str_same(NULL, "a") || str_same("a", NULL) || str_same("a", "b"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_by_pieces),       cmocka_unit_test(failure_sticks),
        cmocka_unit_test(too_long_is_a_failure), cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
