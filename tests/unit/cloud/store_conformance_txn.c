// SPDX-License-Identifier: Apache-2.0
// Transactions: comparisons, all or nothing, limits.
#include "store_conformance.h"

#include <stdio.h>

// Transact with one comparison and one put of "/x".
static int put_if(struct store *store, const char *key, enum store_compare_kind kind,
                  int64_t revision, struct err *err) {
    struct store_compare compare = {key, kind, revision};
    struct store_change change = {.key = "/x", .value = "set", .size = 3};
    return store_transact(store, &(struct store_txn){&compare, 1, &change, 1, false}, NULL, NULL,
                          err);
}

static void expect_refused(struct store *store, const char *key, enum store_compare_kind kind,
                           int64_t revision) {
    struct err err = {0};
    assert_true(put_if(store, key, kind, revision, &err) < 0);
    assert_int_equal(err.kind, ERR_CHANGED);
    assert_string_equal(err.object, key);
    expect_stored(store, "/x", NULL);
}

static void expect_made(struct store *store, const char *key, enum store_compare_kind kind,
                        int64_t revision) {
    assert_int_equal(put_if(store, key, kind, revision, NULL), 0);
    expect_stored(store, "/x", "set");
    drop(store, "/x");
}

static void every_kind_of_comparison_decides(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    put(store, "/a", "1");
    put(store, "/a", "2"); // mod_revision 2
    expect_made(store, "/a", STORE_IF_PRESENT, 0);
    expect_refused(store, "/a", STORE_IF_ABSENT, 0);
    expect_made(store, "/a", STORE_IF_REVISION, 2);
    expect_refused(store, "/a", STORE_IF_REVISION, 1);
    expect_refused(store, "/a", STORE_IF_REVISION, 3);
    expect_refused(store, "/a", STORE_IF_REVISION, 0);
    expect_refused(store, "/a", STORE_IF_REVISION, -1);
    expect_made(store, "/b", STORE_IF_ABSENT, 0);
    expect_refused(store, "/b", STORE_IF_PRESENT, 0);
    expect_refused(store, "/b", STORE_IF_REVISION, 0);
    expect_refused(store, "/b", STORE_IF_REVISION, 2);
    drop(store, "/a");
    expect_made(store, "/a", STORE_IF_ABSENT, 0);
    expect_refused(store, "/a", STORE_IF_REVISION, 2);
    struct err err = {0};
    assert_true(put_if(store, "/a", (enum store_compare_kind)7, 0, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void one_failing_comparison_changes_nothing(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    put(store, "/a", "a");
    put(store, "/b", "b");
    int64_t before = store_revision(store);
    struct store_compare compares[] = {{"/a", STORE_IF_PRESENT, 0},
                                       {"/b", STORE_IF_REVISION, 2},
                                       {"/c", STORE_IF_PRESENT, 0}};
    struct store_change changes[] = {{.key = "/a", .value = "new", .size = 3},
                                     {.key = "/b"},
                                     {.key = "/d", .value = ""}};
    struct store_txn txn = {compares, 3, changes, 3, true};
    size_t failed = 77;
    int64_t revision = 88;
    struct err err = {0};
    struct seen seen = {0};
    struct store_watch *watch;
    assert_int_equal(store_watch(store, "", -1, see, &seen, &watch, NULL), 0);
    assert_true(store_transact(store, &txn, &revision, &failed, &err) < 0);
    assert_int_equal(err.kind, ERR_CHANGED);
    assert_int_equal(failed, 2);
    assert_int_equal(revision, 88);
    assert_int_equal(store_revision(store), before);
    expect_stored(store, "/a", "a");
    expect_stored(store, "/b", "b");
    expect_stored(store, "/d", NULL);
    assert_string_equal(seen_since(&seen), "");

    txn.n_compares = 2;
    failed = 77;
    assert_int_equal(store_transact(store, &txn, &revision, &failed, NULL), 0);
    assert_int_equal(revision, before + 1);
    assert_int_equal(failed, 77);
    assert_string_equal(seen_since(&seen), "+/a=new@3 -/b@3 +/d=@3");
    expect_stored(store, "/a", "new");
    expect_stored(store, "/b", NULL);
    expect_stored(store, "/d", "");
    store_unwatch(watch);
}

static void a_key_changes_once_in_a_transaction(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    struct store_change changes[] = {{.key = "/a", .value = "1", .size = 1},
                                     {.key = "/b", .value = "1", .size = 1},
                                     {.key = "/a"}};
    struct err err = {0};
    assert_true(store_transact(store, &(struct store_txn){.changes = changes, .n_changes = 3}, NULL,
                               NULL, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(err.object, "/a");
    assert_int_equal(store_revision(store), 0);
}

static void deletions_have_no_value_and_no_lease(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    struct store_change bad[] = {{.key = "/a", .size = 1}, {.key = "/a", .lease = 1}};
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        struct store_txn txn = {.changes = &bad[i], .n_changes = 1};
        assert_true(store_transact(store, &txn, NULL, NULL, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

static void a_transaction_has_at_most_256_parts(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    static char names[STORE_TXN_MAX + 1][16];
    static struct store_change changes[STORE_TXN_MAX + 1];
    struct store_compare compare = {"/z", STORE_IF_ABSENT, 0};
    for (size_t i = 0; i < array_len(changes); i++) {
        snprintf(names[i], sizeof(names[i]), "/k/%03zu", i);
        changes[i] = (struct store_change){.key = names[i], .value = "v", .size = 1};
    }
    struct store_txn txn = {&compare, 1, changes, STORE_TXN_MAX, false};
    struct err err = {0};
    assert_true(store_transact(store, &txn, NULL, NULL, &err) < 0);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    txn.n_compares = 0;
    txn.n_changes = STORE_TXN_MAX + 1;
    assert_true(store_transact(store, &txn, NULL, NULL, NULL) < 0);
    txn.n_compares = SIZE_MAX;
    txn.n_changes = 2;
    assert_true(store_transact(store, &txn, NULL, NULL, NULL) < 0);
    assert_int_equal(store_revision(store), 0);
    txn.n_compares = 0;
    txn.n_changes = STORE_TXN_MAX;
    assert_int_equal(store_transact(store, &txn, NULL, NULL, NULL), 0);
    assert_int_equal(store_revision(store), 1);
    expect_stored(store, "/k/000", "v");
    expect_stored(store, "/k/255", "v");
    expect_stored(store, "/k/256", NULL);
}

// What get gave may be used in the very next call.
static void a_borrowed_entry_can_be_written(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    put(store, "/a", "to be copied");
    struct store_entry entry;
    assert_int_equal(store_get(store, "/a", &entry, NULL), 0);
    struct store_change changes[] = {{.key = entry.key},
                                     {.key = "/b", .value = entry.value, .size = entry.size}};
    struct store_txn txn = {.changes = changes, .n_changes = 2};
    assert_int_equal(store_transact(store, &txn, NULL, NULL, NULL), 0);
    expect_stored(store, "/a", NULL);
    expect_stored(store, "/b", "to be copied");
}

static void calls_are_counted(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    char buf[64];
    put(store, "/a", "1");
    put(store, "/b", "1");
    expect_stored(store, "/a", "1");
    keys(store, "/", NULL, 0, buf, sizeof(buf));
    assert_true(put_if(store, "/a", STORE_IF_ABSENT, 0, NULL) < 0);
    const struct store_counters *counters = store_counters(store);
    assert_int_equal(counters->transactions, 2);
    assert_int_equal(counters->unmet_compares, 1);
    assert_int_equal(counters->gets, 1);
    assert_int_equal(counters->lists, 1);
    assert_int_equal(counters->entries_listed, 2);
}

const struct store_case STORE_TXN_CASES[] = {
    STORE_CASE(every_kind_of_comparison_decides),
    STORE_CASE(one_failing_comparison_changes_nothing),
    STORE_CASE(a_key_changes_once_in_a_transaction),
    STORE_CASE(deletions_have_no_value_and_no_lease),
    STORE_CASE(a_transaction_has_at_most_256_parts),
    STORE_CASE(a_borrowed_entry_can_be_written),
    STORE_CASE(calls_are_counted),
    {0},
};
