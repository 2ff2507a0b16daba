// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"
#include "base/list.h"
#include "base/mem.h"
#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void the_nth_try_fails_once(void **state) {
    mem_fail_nth(2);
    auto_free void *first = mem_try_zalloc(8);
    assert_non_null(first);
    assert_null(mem_try_array(2, 8));
    auto_free void *third = mem_try_dup("abc", 3);
    assert_memory_equal(third, "abc", 4);
    mem_fail_nth(1);
    assert_null(mem_try_resize(third, 10, 1));
    mem_fail_nth(1);
    free(mem_zalloc(1)); // does not count
    mem_fail_nth(0);
    auto_free void *fourth = mem_try_zalloc(1);
    assert_non_null(fourth);
}

static void sizes_that_overflow_are_refused(void **state) {
    volatile size_t half = SIZE_MAX / 2, all = SIZE_MAX; // the compiler must not see it coming
    assert_null(mem_try_array(half, 3));
    assert_null(mem_try_resize(NULL, half, 3));
    assert_null(mem_try_dup("", all));
    auto_free char *zero = mem_try_array(0, 8);
    assert_non_null(zero);
}

static void strings_are_copied(void **state) {
    auto_free char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 2),
                   *c = mem_strndup("ab", 100), *d = mem_printf("%s-%d", "x", 7);
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "ab");
    assert_string_equal(d, "x-7");
}

static char *make_and_hand_over(void) {
    auto_free char *text = mem_strdup("kept");
    return take(text);
}

static void scope_cleans_up(void **state) {
    auto_free char *text = make_and_hand_over();
    assert_string_equal(text, "kept");
    int number;
    {
        auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        number = fd;
        assert_true(fd >= 0);
        errno = ENOENT;
    }
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fcntl(number, F_GETFD), -1);
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC), kept;
    {
        auto_close int fd = other;
        kept = take_fd(fd);
    }
    assert_true(fcntl(kept, F_GETFD) >= 0);
    close(kept);
}

static void arena_gives_zeroed_aligned_memory_to_its_limit(void **state) {
    auto_arena struct arena *arena = arena_new(1 << 20);
    size_t total = 0;
    for (size_t size = 0; size < 1400; size++) {
        char *p = arena_alloc(arena, size);
        total += size ? size : 1;
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
        memset(p, 0xaa, size);
    }
    size_t left = (1 << 20) - total;
    assert_null(arena_alloc(arena, left + 1));
    assert_non_null(arena_alloc(arena, left));
    assert_null(arena_alloc(arena, 1));
}

static void arena_refuses_what_overflows(void **state) {
    auto_arena struct arena *arena = arena_new(SIZE_MAX);
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 15));
    assert_null(arena_array(arena, SIZE_MAX / 2, 4));
    mem_fail_nth(1);
    assert_null(arena_alloc(arena, 5000));
    assert_non_null(arena_alloc(arena, 5000));
    assert_string_equal(arena_strdup(arena, "abc"), "abc");
    assert_string_equal(arena_strndup(arena, "abc", 2), "ab");
    assert_string_equal(arena_printf(arena, "%d:%s", 5, "x"), "5:x");
    arena_free(NULL);
}

static void arithmetic_says_when_it_does_not_fit(void **state) {
    uint64_t v = 7;
    assert_true(checked_add(UINT64_MAX - 1, 1, &v) && v == UINT64_MAX);
    assert_false(checked_add(UINT64_MAX, 1, &v));
    assert_int_equal(v, UINT64_MAX);
    assert_true(checked_sub(5, 5, &v) && v == 0);
    assert_false(checked_sub(5, 6, &v));
    assert_true(checked_mul(1ull << 32, (1ull << 32) - 1, &v));
    assert_false(checked_mul(1ull << 32, 1ull << 32, &v));
    assert_true(checked_align(1, 4096, &v) && v == 4096);
    assert_true(checked_align(4096, 4096, &v) && v == 4096);
    assert_false(checked_align(UINT64_MAX, 4096, &v));
    assert_int_equal(v, 4096);
}

struct item {
    int number;
    struct list node;
};

static void list_keeps_order_and_allows_removal(void **state) {
    struct list head;
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}}, *item;
    list_init(&head);
    assert_true(list_empty(&head));
    for (int i = 0; i < 4; i++) list_add_tail(&head, &items[i].node);
    int expect = 0;
    list_each (&head, item, struct item, node) {
        assert_int_equal(item->number, expect++);
        if (item->number % 2) list_remove(&item->node);
    }
    assert_int_equal(expect, 4);
    assert_true(list_empty(&items[1].node));
    assert_ptr_equal(head.next, &items[0].node);
    assert_ptr_equal(head.prev, &items[2].node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_try_fails_once),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(scope_cleans_up),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory_to_its_limit),
        cmocka_unit_test(arena_refuses_what_overflows),
        cmocka_unit_test(arithmetic_says_when_it_does_not_fit),
        cmocka_unit_test(list_keeps_order_and_allows_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
