// SPDX-License-Identifier: Apache-2.0
// Keys, values, lists and what is refused.
#include "store_conformance.h"

#include <stdio.h>

static void puts_gets_and_deletes(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    assert_int_equal(store_revision(store), 0);
    expect_stored(store, "/a", NULL);
    assert_int_equal(put(store, "/a", "one"), 1);
    assert_int_equal(put(store, "/b", ""), 2);
    assert_int_equal(put(store, "/a", "two"), 3);
    expect_stored(store, "/a", "two");
    expect_stored(store, "/b", "");
    struct store_entry entry;
    assert_int_equal(store_get(store, "/a", &entry, NULL), 0);
    assert_int_equal(entry.create_revision, 1);
    assert_int_equal(entry.mod_revision, 3);
    assert_int_equal(entry.lease, 0);
    assert_int_equal(drop(store, "/a"), 4);
    expect_stored(store, "/a", NULL);
    assert_int_equal(put(store, "/a", "again"), 5);
    assert_int_equal(store_get(store, "/a", &entry, NULL), 0);
    assert_int_equal(entry.create_revision, 5);
}

static void a_change_without_effect_makes_no_revision(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    assert_int_equal(put(store, "/a", "x"), 1);
    assert_int_equal(drop(store, "/b"), 1);
    struct store_txn empty = {.durable = true};
    int64_t revision = -1;
    assert_int_equal(store_transact(store, &empty, &revision, NULL, NULL), 0);
    assert_int_equal(revision, 1);
    assert_int_equal(put(store, "/a", "x"), 2); // the same value is a change
    assert_int_equal(store_revision(store), 2);
}

static void keys_are_ordered_as_bytes(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    const char *const unordered[] = {"/b",  "/a/b",      "/a",
                                     "/a-", "/\xc3\xa9", "/B",
                                     "/aa", "/a/a",      "/\xf4\x8f\xbf\xbf",
                                     "/ ",  "/\x01",     "z"};
    for (size_t i = 0; i < array_len(unordered); i++) put(store, unordered[i], "v");
    char buf[512];
    assert_string_equal(keys(store, "", NULL, 0, buf, sizeof(buf)),
                        "/\x01 /  /B /a /a- /a/a /a/b /aa /b /\xc3\xa9 /\xf4\x8f\xbf\xbf z");
    assert_string_equal(keys(store, "/a", NULL, 0, buf, sizeof(buf)), "/a /a- /a/a /a/b /aa");
    assert_string_equal(keys(store, "/a/", NULL, 0, buf, sizeof(buf)), "/a/a /a/b");
    assert_string_equal(keys(store, "/\xf4\x8f\xbf\xbf", NULL, 0, buf, sizeof(buf)),
                        "/\xf4\x8f\xbf\xbf");
    assert_string_equal(keys(store, "/c", NULL, 0, buf, sizeof(buf)), "");
}

static void lists_continue_after_a_key(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    for (int i = 0; i < 9; i++) {
        char key[16];
        snprintf(key, sizeof(key), "/k/%d", i);
        put(store, key, "v");
    }
    put(store, "/j", "v");
    put(store, "/l", "v");
    char buf[512];
    assert_string_equal(keys(store, "/k/", NULL, 4, buf, sizeof(buf)), "/k/0 /k/1 /k/2 /k/3");
    assert_string_equal(keys(store, "/k/", "/k/3", 4, buf, sizeof(buf)), "/k/4 /k/5 /k/6 /k/7");
    assert_string_equal(keys(store, "/k/", "/k/7", 4, buf, sizeof(buf)), "/k/8");
    assert_string_equal(keys(store, "/k/", "/k/8", 4, buf, sizeof(buf)), "");
    assert_string_equal(keys(store, "/k/", "/k/55", 2, buf, sizeof(buf)), "/k/6 /k/7");
    assert_string_equal(keys(store, "/k/", "/a", 1, buf, sizeof(buf)), "/k/0");
    assert_string_equal(keys(store, "/k/", "/z", 0, buf, sizeof(buf)), "");
    assert_string_equal(keys(store, "/k/7", "/k/7", 0, buf, sizeof(buf)), "");
}

static int stop_at_third(const struct store_entry *entry, void *arg) {
    return ++*(int *)arg == 3 ? -1 : 0;
}

static void a_list_stops_when_told(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    for (char c = 'a'; c < 'z'; c++) put(store, (char[]){'/', c, 0}, "v");
    int n = 0;
    assert_int_equal(store_list(store, "/", NULL, 0, stop_at_third, &n, NULL, NULL), 0);
    assert_int_equal(n, 3);
    put(store, "/z", "after it the store works on");
}

static int put_bytes(struct store *store, const char *key, const void *value, size_t size,
                     struct err *err) {
    struct store_change change = {.key = key, .value = value, .size = size};
    return store_transact(store, &(struct store_txn){.changes = &change, .n_changes = 1}, NULL,
                          NULL, err);
}

static void expect_bytes(struct store *store, const char *key, const char *value, size_t size) {
    struct store_entry entry;
    assert_int_equal(store_get(store, key, &entry, NULL), 0);
    assert_int_equal(entry.size, size);
    assert_int_equal(memcmp(entry.value, value, size), 0);
    assert_int_equal(entry.value[size], 0);
}

struct expected {
    const char *value;
    size_t size;
};

static int check_bytes(const struct store_entry *entry, void *arg) {
    struct expected *want = arg;
    assert_int_equal(entry->size, want->size);
    assert_int_equal(memcmp(entry->value, want->value, want->size), 0);
    assert_int_equal(entry->value[entry->size], 0);
    return 0;
}

static void values_hold_any_byte(void **state) {
    struct fixture *f = *state;
    char all[512];
    for (size_t i = 0; i < sizeof(all); i++) all[i] = (char)i;
    assert_int_equal(put_bytes(f->store, "/bytes", all, sizeof(all), NULL), 0);
    expect_bytes(f->store, "/bytes", all, sizeof(all));
    struct expected want = {all, sizeof(all)};
    assert_int_equal(store_list(f->store, "/", NULL, 0, check_bytes, &want, NULL, NULL), 0);
    reopen(f);
    expect_bytes(f->store, "/bytes", all, sizeof(all));
}

static void the_largest_value_and_key_fit(void **state) {
    struct fixture *f = *state;
    auto_free char *value = mem_try_zalloc(STORE_VALUE_MAX + 1);
    memset(value, 0xa5, STORE_VALUE_MAX + 1);
    char key[STORE_KEY_MAX + 2] = {0};
    memset(key, 'k', STORE_KEY_MAX);
    struct err err = {0};
    assert_int_equal(put_bytes(f->store, key, value, STORE_VALUE_MAX, NULL), 0);
    expect_bytes(f->store, key, value, STORE_VALUE_MAX);
    struct expected want = {value, STORE_VALUE_MAX};
    assert_int_equal(store_list(f->store, key, NULL, 0, check_bytes, &want, NULL, NULL), 0);
    reopen(f);
    expect_bytes(f->store, key, value, STORE_VALUE_MAX);

    assert_true(put_bytes(f->store, key, value, STORE_VALUE_MAX + 1, &err) < 0);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    key[STORE_KEY_MAX] = 'k';
    assert_true(put_bytes(f->store, key, "v", 1, &err) < 0);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_int_equal(store_revision(f->store), 1);
}

static int ignore(const struct store_entry *entry, void *arg) {
    return 0;
}

static void bad_keys_are_refused(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    const char *const bad[] = {NULL, "", "/\xff", "/\xc3", "/\xed\xa0\x80", "/\xc0\xaf"};
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        struct store_entry entry;
        assert_true(put_bytes(store, bad[i], "v", 1, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_true(err.cause[0]);
        assert_true(store_get(store, bad[i], &entry, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        struct store_compare compare = {.key = bad[i], .kind = STORE_IF_ABSENT};
        struct store_txn txn = {.compares = &compare, .n_compares = 1};
        assert_true(store_transact(store, &txn, NULL, NULL, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        if (bad[i] && !*bad[i]) continue; // an empty prefix is everything
        assert_true(store_list(store, bad[i], NULL, 0, ignore, NULL, NULL, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
        if (bad[i]) assert_true(store_list(store, "", bad[i], 0, ignore, NULL, NULL, &err) < 0);
    }
    assert_int_equal(store_revision(store), 0);
}

static void state_outlives_the_store(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof(key), "/k/%d", i % 20);
        put(f->store, key, i % 7 ? "v" : NULL);
    }
    char before[512], after[512];
    keys(f->store, "", NULL, 0, before, sizeof(before));
    int64_t revision = store_revision(f->store);
    reopen(f);
    assert_string_equal(before, keys(f->store, "", NULL, 0, after, sizeof(after)));
    assert_int_equal(store_revision(f->store), revision);
    assert_int_equal(put(f->store, "/new", "v"), revision + 1);
}

const struct store_case STORE_MAP_CASES[] = {
    STORE_CASE(puts_gets_and_deletes),
    STORE_CASE(a_change_without_effect_makes_no_revision),
    STORE_CASE(keys_are_ordered_as_bytes),
    STORE_CASE(lists_continue_after_a_key),
    STORE_CASE(a_list_stops_when_told),
    STORE_CASE(values_hold_any_byte),
    STORE_CASE(the_largest_value_and_key_fit),
    STORE_CASE(bad_keys_are_refused),
    STORE_CASE_KEEPS(state_outlives_the_store),
    {0},
};
