// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"
#include "base/mem.h"
#include "cmocka_test.h"

#include <stdio.h>
#include <stdlib.h>

static int freed;

static void count_free(void *value) {
    freed++;
    free(value);
}

static void ten_thousand_keys_come_and_go(void **state) {
    enum { COUNT = 10000 };
    static int values[COUNT];
    static unsigned char seen[COUNT];
    struct map *map = map_new(NULL);
    char key[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        values[i] = i;
        assert_true(map_put(map, key, &values[i]));
    }
    assert_int_equal(map_len(map), COUNT);
    for (int i = 0; i < COUNT; i += 3) {
        snprintf(key, sizeof(key), "key-%d", i);
        assert_ptr_equal(map_take(map, key), &values[i]);
        assert_null(map_take(map, key));
        assert_false(map_remove(map, key));
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        assert_ptr_equal(map_get(map, key), i % 3 ? &values[i] : NULL);
    }
    const char *name;
    void *value;
    size_t found = 0;
    for (size_t at = 0; map_next(map, &at, &name, &value); found++) {
        int number = *(int *)value;
        snprintf(key, sizeof(key), "key-%d", number);
        assert_string_equal(name, key);
        assert_int_equal(seen[number]++, 0);
    }
    assert_int_equal(found, map_len(map));
    assert_int_equal(found, COUNT - (COUNT + 2) / 3);
    map_free(map);
}

static void a_random_script_agrees_with_a_plain_array(void **state) {
    enum { KEYS = 64, STEPS = 20000 };
    void *model[KEYS] = {0};
    struct map *map = map_new(NULL);
    unsigned random = 12345;
    for (int step = 1; step <= STEPS; step++) {
        random = random * 1103515245u + 12345u;
        unsigned k = (random >> 16) % KEYS;
        char key[8];
        snprintf(key, sizeof(key), "%u", k);
        if (random & 0x8000) {
            model[k] = (char *)NULL + step;
            assert_true(map_put(map, key, model[k]));
        } else {
            assert_int_equal(map_remove(map, key), model[k] != NULL);
            model[k] = NULL;
        }
        size_t len = 0;
        for (k = 0; k < KEYS; k++) {
            snprintf(key, sizeof(key), "%u", k);
            assert_ptr_equal(map_get(map, key), model[k]);
            len += model[k] != NULL;
        }
        assert_int_equal(map_len(map), len);
    }
    map_free(map);
}

static void values_are_freed_once(void **state) {
    freed = 0;
    struct map *map = map_new(count_free);
    assert_null(map_get(map, "a"));
    assert_true(map_put(map, "a", mem_strdup("1")));
    assert_true(map_put(map, "a", mem_strdup("2")));
    assert_int_equal(freed, 1);
    assert_string_equal(map_get(map, "a"), "2");
    assert_true(map_remove(map, "a"));
    assert_int_equal(freed, 2);
    assert_true(map_put(map, "", mem_strdup("empty key")));
    assert_true(map_put(map, "b", mem_strdup("3")));
    free(map_take(map, "b"));
    assert_int_equal(freed, 2);
    map_free(map);
    assert_int_equal(freed, 3);
    map_free(NULL);
}

static void no_memory_keeps_the_map_whole(void **state) {
    struct map *map = map_new(NULL);
    char key[16];
    int failures = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "%d", i);
        mem_fail_nth(1 + i % 2);
        if (!map_put(map, key, map)) {
            failures++;
            assert_null(map_get(map, key));
            mem_fail_nth(0);
            assert_true(map_put(map, key, map));
        }
        mem_fail_nth(0);
        assert_int_equal(map_len(map), i + 1);
    }
    assert_true(failures >= 100);
    map_free(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_keys_come_and_go),
        cmocka_unit_test(a_random_script_agrees_with_a_plain_array),
        cmocka_unit_test(values_are_freed_once),
        cmocka_unit_test(no_memory_keeps_the_map_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
