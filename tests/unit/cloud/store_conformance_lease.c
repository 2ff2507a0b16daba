// SPDX-License-Identifier: Apache-2.0
// Leases, on a clock that the cases move.
#include "store_conformance.h"

static int64_t grant(struct store *store, int64_t ttl_ns) {
    int64_t lease = 0;
    assert_int_equal(store_lease_grant(store, ttl_ns, &lease, NULL), 0);
    assert_true(lease > 0);
    return lease;
}

static void advance(struct fixture *f, int64_t ns) {
    clock_warp_advance(&f->warp, ns);
    store_dispatch(f->store);
}

static void keys_vanish_together_when_it_ends(void **state) {
    struct fixture *f = *state;
    int64_t lease = grant(f->store, 10 * SEC_NS), longer = grant(f->store, 20 * SEC_NS);
    assert_true(lease != longer);
    put_lease(f->store, "/b", "1", lease);
    put_lease(f->store, "/a", "2", lease);
    put_lease(f->store, "/c", "3", longer);
    put(f->store, "/d", "4");
    struct store_entry entry;
    assert_int_equal(store_get(f->store, "/a", &entry, NULL), 0);
    assert_true(entry.lease == lease);
    struct seen seen = {0};
    struct store_watch *watch;
    assert_int_equal(store_watch(f->store, "", -1, see, &seen, &watch, NULL), 0);
    advance(f, 10 * SEC_NS - 1);
    assert_string_equal(seen_since(&seen), "");
    advance(f, 1);
    assert_string_equal(seen_since(&seen), "-/a@5 -/b@5");
    advance(f, 10 * SEC_NS);
    assert_string_equal(seen_since(&seen), "-/c@6");
    char buf[64];
    assert_string_equal(keys(f->store, "", NULL, 0, buf, sizeof(buf)), "/d");
    assert_int_equal(store_counters(f->store)->leases_expired, 2);
    assert_int_equal(store_next_expiry(f->store), -1);
}

static void renewal_puts_the_end_off(void **state) {
    struct fixture *f = *state;
    int64_t lease = grant(f->store, 10 * SEC_NS);
    put_lease(f->store, "/a", "v", lease);
    for (int i = 0; i < 5; i++) {
        advance(f, 9 * SEC_NS);
        assert_int_equal(store_lease_renew(f->store, lease, NULL), 0);
    }
    expect_stored(f->store, "/a", "v");
    // Over is over, even before anybody has taken its keys away.
    clock_warp_advance(&f->warp, 10 * SEC_NS);
    struct err err = {0};
    assert_true(store_lease_renew(f->store, lease, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_true(err.next[0]);
    struct store_change change = {.key = "/b", .value = "", .lease = lease};
    struct store_txn txn = {.changes = &change, .n_changes = 1};
    assert_true(store_transact(f->store, &txn, NULL, NULL, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    store_dispatch(f->store);
    expect_stored(f->store, "/a", NULL);
    assert_true(store_lease_renew(f->store, lease, &err) < 0);
}

static void revoking_ends_it_now(void **state) {
    struct fixture *f = *state;
    int64_t lease = grant(f->store, SEC_NS), empty = grant(f->store, SEC_NS);
    put_lease(f->store, "/a", "v", lease);
    struct seen seen = {0};
    struct store_watch *watch;
    assert_int_equal(store_watch(f->store, "", -1, see, &seen, &watch, NULL), 0);
    assert_int_equal(store_lease_revoke(f->store, empty, NULL), 0);
    assert_int_equal(store_revision(f->store), 1); // no keys, no revision
    assert_int_equal(store_lease_revoke(f->store, lease, NULL), 0);
    assert_string_equal(seen_since(&seen), "-/a@2");
    struct err err = {0};
    assert_true(store_lease_revoke(f->store, lease, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_true(store_lease_revoke(f->store, 0, &err) < 0);
    assert_true(store_lease_revoke(f->store, -5, &err) < 0);
    assert_true(grant(f->store, SEC_NS) > lease); // identities are not used again
}

static void a_key_belongs_to_its_last_writer(void **state) {
    struct fixture *f = *state;
    int64_t first = grant(f->store, SEC_NS), second = grant(f->store, 2 * SEC_NS);
    put_lease(f->store, "/moves", "1", first);
    put_lease(f->store, "/moves", "2", second);
    put_lease(f->store, "/stays", "1", first);
    put(f->store, "/stays", "2");
    put_lease(f->store, "/remade", "1", first);
    drop(f->store, "/remade");
    put(f->store, "/remade", "2");
    advance(f, SEC_NS);
    char buf[64];
    assert_string_equal(keys(f->store, "", NULL, 0, buf, sizeof(buf)), "/moves /remade /stays");
    advance(f, SEC_NS);
    assert_string_equal(keys(f->store, "", NULL, 0, buf, sizeof(buf)), "/remade /stays");
}

static void next_expiry_is_the_earliest(void **state) {
    struct fixture *f = *state;
    assert_int_equal(store_next_expiry(f->store), -1);
    int64_t now = clock_monotonic(&f->warp.clock);
    grant(f->store, 30 * SEC_NS);
    int64_t soon = grant(f->store, 10 * SEC_NS);
    assert_true(store_next_expiry(f->store) == now + 10 * SEC_NS);
    advance(f, 5 * SEC_NS);
    assert_int_equal(store_lease_renew(f->store, soon, NULL), 0);
    assert_true(store_next_expiry(f->store) == now + 15 * SEC_NS);
    assert_int_equal(store_lease_revoke(f->store, soon, NULL), 0);
    assert_true(store_next_expiry(f->store) == now + 30 * SEC_NS);
}

static void a_restart_gives_the_full_time_again(void **state) {
    struct fixture *f = *state;
    int64_t lease = grant(f->store, 10 * SEC_NS), ended = grant(f->store, 10 * SEC_NS);
    put_lease(f->store, "/a", "v", lease);
    assert_int_equal(store_lease_revoke(f->store, ended, NULL), 0);
    clock_warp_advance(&f->warp, 9 * SEC_NS);
    reopen(f);
    advance(f, 9 * SEC_NS);
    expect_stored(f->store, "/a", "v");
    assert_true(store_lease_renew(f->store, ended, NULL) < 0);
    assert_int_equal(store_lease_renew(f->store, lease, NULL), 0);
    advance(f, 10 * SEC_NS);
    expect_stored(f->store, "/a", NULL);
    reopen(f);
    assert_int_equal(store_next_expiry(f->store), -1);
    assert_true(grant(f->store, SEC_NS) > ended);
}

static void many_keys_go_in_one_revision(void **state) {
    struct fixture *f = *state;
    int64_t lease = grant(f->store, SEC_NS);
    for (char a = 'a'; a <= 'z'; a++)
        for (char b = 'a'; b <= 'z'; b++) put_lease(f->store, (char[]){'/', a, b, 0}, "v", lease);
    int64_t before = store_revision(f->store);
    advance(f, SEC_NS);
    char buf[64];
    assert_string_equal(keys(f->store, "", NULL, 0, buf, sizeof(buf)), "");
    assert_int_equal(store_revision(f->store), before + 1);
}

static void bad_leases_are_refused(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    const int64_t bad[] = {0, -1, INT64_MIN, INT64_MAX, STORE_TTL_MAX + 1};
    int64_t lease;
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        assert_true(store_lease_grant(store, bad[i], &lease, &err) < 0);
        assert_int_equal(err.kind, ERR_INVALID);
    }
    struct store_change change = {.key = "/a", .value = "", .lease = 1};
    struct store_txn txn = {.changes = &change, .n_changes = 1};
    struct err err = {0};
    assert_true(store_transact(store, &txn, NULL, NULL, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

const struct store_case STORE_LEASE_CASES[] = {
    STORE_CASE(keys_vanish_together_when_it_ends),
    STORE_CASE(renewal_puts_the_end_off),
    STORE_CASE(revoking_ends_it_now),
    STORE_CASE(a_key_belongs_to_its_last_writer),
    STORE_CASE(next_expiry_is_the_earliest),
    STORE_CASE_KEEPS(a_restart_gives_the_full_time_again),
    STORE_CASE(many_keys_go_in_one_revision),
    STORE_CASE(bad_leases_are_refused),
    {0},
};
