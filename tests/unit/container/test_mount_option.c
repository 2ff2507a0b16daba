// SPDX-License-Identifier: Apache-2.0
// Option words of mounts, one by one and in order.
#include "execution/container/mount_option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>

#include <cmocka.h>

#define MAX_WORDS 8

static int parse(const char *type, const char *words, struct mount_options *ret,
                 struct arena *arena, struct err *err) {
    char *copy = arena_strdup(arena, words);
    char **items = arena_array(arena, MAX_WORDS, sizeof(char *));
    struct oci_mount mount = {.destination = (char[]){"/x"}, .type = arena_strdup(arena, type)};
    mount.options.items = items;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        items[mount.options.len++] = word;
    return mount_options_parse(&mount, arena, ret, err);
}

static void test_words(void **state) {
    auto_arena struct arena *arena = arena_new(1 << 20);
    static const struct {
        const char *words;
        uint64_t set, clear, set_all;
        unsigned long propagation;
        bool propagation_all;
    } cases[] = {
        {"", 0, 0, 0, 0, false},
        {"ro", MOUNT_ATTR_RDONLY, 0, 0, 0, false},
        {"ro rw", 0, MOUNT_ATTR_RDONLY, 0, 0, false},
        {"rw ro nosuid", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0, false},
        {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0, 0, false},
        {"noatime relatime", 0, MOUNT_ATTR__ATIME, 0, 0, false},
        {"rro rnosuid", 0, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, false},
        {"rprivate", 0, 0, 0, MS_PRIVATE, true},
        {"slave", 0, 0, 0, MS_SLAVE, false},
        {"defaults remount", 0, 0, 0, 0, false},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct mount_options m;
        assert_int_equal(parse("tmpfs", cases[i].words, &m, arena, NULL), 0);
        assert_int_equal(m.set, cases[i].set);
        assert_int_equal(m.clear, cases[i].clear);
        assert_int_equal(m.set_all, cases[i].set_all);
        assert_int_equal(m.propagation, cases[i].propagation);
        assert_int_equal(m.propagation_all, cases[i].propagation_all);
        assert_int_equal(m.data.len, 0);
        assert_false(m.bind);
    }
}

static void test_kinds(void **state) {
    auto_arena struct arena *arena = arena_new(1 << 20);
    struct mount_options m;
    struct err err = {0};
    assert_int_equal(parse("tmpfs", "size=64k mode=755 nosuid noswap", &m, arena, &err), 0);
    assert_int_equal(m.data.len, 3);
    assert_string_equal(m.data.items[0], "size=64k");
    assert_string_equal(m.data.items[2], "noswap");
    assert_int_equal(parse("none", "rbind ro", &m, arena, &err), 0);
    assert_true(m.bind && m.bind_all && m.read_only);
    assert_int_equal(parse("bind", "", &m, arena, &err), 0);
    assert_true(m.bind && !m.bind_all);
    assert_int_equal(parse("tmpfs", "tmpcopyup", &m, arena, &err), 0);
    assert_true(m.copy_up);
    assert_int_equal(parse("overlay", "lowerdir=a:b trine.base=/layers", &m, arena, &err), 0);
    assert_string_equal(m.base, "/layers");
    assert_int_equal(m.data.len, 1);
    assert_true(parse("overlay", "trine.base=layers", &m, arena, &err) < 0);
    assert_non_null(strstr(err.cause, "absolute"));
    assert_true(parse("bind", "nonsense", &m, arena, &err) < 0);
    assert_non_null(strstr(err.cause, "\"nonsense\""));
}

static void test_names(void **state) {
    size_t n = 0;
    while (mount_option_name(n)) n++;
    assert_true(n > 25);
    assert_null(mount_option_name(n + 1000));
    assert_int_equal(mount_propagation_parse("rshared"), MS_SHARED | MS_REC);
    assert_int_equal(mount_propagation_parse("sideways"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
