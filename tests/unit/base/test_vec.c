// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"
#include "cmocka_test.h"

static void adds_and_removes_in_order(void **state) {
    VEC(int) v = {0};
    for (int i = 0; i < 1000; i++) vec_add(&v, i);
    for (int i = 1000; i < 2000; i++) assert_true(vec_try_add(&v, i));
    assert_int_equal(v.len, 2000);
    vec_remove(&v, 0);
    vec_remove(&v, 998);
    vec_remove(&v, v.len - 1);
    assert_int_equal(v.len, 1997);
    assert_int_equal(v.items[0], 1);
    assert_int_equal(v.items[997], 998);
    assert_int_equal(v.items[998], 1000);
    assert_int_equal(v.items[1996], 1998);
    vec_free(&v);
    assert_null(v.items);
}

static void no_memory_changes_nothing(void **state) {
    struct pair {
        int a, b;
    };
    VEC(struct pair) v = {0};
    vec_add(&v, (struct pair){1, 2});
    while (v.len < v.cap) vec_add(&v, (struct pair){3, 4});
    size_t len = v.len;
    mem_fail_nth(1);
    assert_false(vec_try_add(&v, (struct pair){5, 6}));
    assert_int_equal(v.len, len);
    assert_true(vec_try_add(&v, (struct pair){5, 6}));
    assert_int_equal(v.items[len].b, 6);
    void *items = v.items;
    size_t cap = v.cap;
    assert_false(vec_grow(&items, &cap, SIZE_MAX, sizeof(struct pair)));
    assert_int_equal(cap, v.cap);
    vec_free(&v);
}

static void string_lists_end_with_null(void **state) {
    auto_strv struct strv v = {0};
    for (int i = 0; i < 100; i++) {
        strv_add(&v, "a");
        strv_printf(&v, "%d", i);
        strv_add_take(&v, mem_strdup("b"));
        assert_int_equal(v.len, 3 * (i + 1));
        assert_null(v.items[v.len]);
    }
    assert_string_equal(v.items[298], "99");
    strv_free(&v);
    assert_null(v.items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_and_removes_in_order),
        cmocka_unit_test(no_memory_changes_nothing),
        cmocka_unit_test(string_lists_end_with_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
