// SPDX-License-Identifier: Apache-2.0
// Watches: everything once, in order, or the word that it is gone.
#include "store_conformance.h"

#include "cloud/store/driver.h"

#include <errno.h>
#include <stdio.h>

static struct store_watch *watch(struct store *store, const char *prefix, int64_t after,
                                 store_watch_fn *fn, void *arg) {
    struct store_watch *ret = NULL;
    assert_int_equal(store_watch(store, prefix, after, fn, arg, &ret, NULL), 0);
    return ret;
}

static void changes_come_in_order_by_prefix(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    put(store, "/a/0", "before");
    struct seen all = {0}, some = {0}, none = {0};
    watch(store, "", -1, see, &all);
    watch(store, "/a/", -1, see, &some);
    struct store_watch *stopped = watch(store, "", -1, see, &none);
    store_unwatch(stopped);
    store_unwatch(NULL);
    assert_string_equal(seen_since(&all), "");
    put(store, "/a/1", "x"); // delivered by the call that commits
    assert_string_equal(seen_since(&all), "+/a/1=x@2");
    put(store, "/b", "y");
    drop(store, "/a/0");
    drop(store, "/nothing");
    put(store, "/a/1", "z");
    assert_string_equal(seen_since(&all), "+/b=y@3 -/a/0@4 +/a/1=z@5");
    assert_string_equal(seen_since(&some), "+/a/1=x@2 -/a/0@4 +/a/1=z@5");
    assert_string_equal(seen_since(&none), "");
    store_dispatch(store);
    assert_string_equal(seen_since(&all), "");
    assert_int_equal(store_counters(store)->events, 7);
}

static void a_transaction_is_seen_in_its_own_order(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    struct seen seen = {0};
    watch(store, "", -1, see, &seen);
    struct store_change changes[] = {{.key = "/z", .value = "1", .size = 1},
                                     {.key = "/absent"},
                                     {.key = "/a", .value = "2", .size = 1}};
    struct store_txn txn = {.changes = changes, .n_changes = 3};
    assert_int_equal(store_transact(store, &txn, NULL, NULL, NULL), 0);
    assert_string_equal(seen_since(&seen), "+/z=1@1 +/a=2@1");
}

static void the_past_is_replayed(void **state) {
    struct fixture *f = *state;
    put(f->store, "/a", "1");
    put(f->store, "/b", "2");
    put(f->store, "/a", "3");
    drop(f->store, "/a");
    reopen(f);
    struct seen zero = {0}, two = {0}, four = {0}, b = {0};
    watch(f->store, "", 0, see, &zero);
    watch(f->store, "", 2, see, &two);
    watch(f->store, "", 4, see, &four);
    watch(f->store, "/b", 0, see, &b);
    assert_string_equal(seen_since(&zero), ""); // not inside the call that starts it
    store_dispatch(f->store);
    assert_string_equal(seen_since(&zero), "+/a=1@1 +/b=2@2 +/a=3@3 -/a@4");
    assert_string_equal(seen_since(&two), "+/a=3@3 -/a@4");
    assert_string_equal(seen_since(&four), "");
    assert_string_equal(seen_since(&b), "+/b=2@2");
    put(f->store, "/b", "5");
    assert_string_equal(seen_since(&zero), "+/b=5@5");
    assert_string_equal(seen_since(&four), "+/b=5@5");
}

static int64_t revision_seen;
static void see_next(const struct store_event *event, void *arg) {
    assert_true(event->entry->mod_revision == revision_seen + 1);
    revision_seen++;
}

static void a_long_past_is_replayed_whole(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    for (int i = 0; i < 1000; i++) put(store, "/a", "v");
    revision_seen = 0;
    watch(store, "/a", 0, see_next, NULL);
    watch(store, "/b", 500, see_next, NULL);
    store_dispatch(store);
    assert_int_equal(revision_seen, 1000);
}

static void compaction_tells_to_relist(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) put(f->store, "/a", "v");
    struct seen live = {0}, old = {0}, just = {0}, future = {0};
    watch(f->store, "", -1, see, &live);
    assert_int_equal(store_compact(f->store, 3, NULL), 0);
    assert_int_equal(store_compact(f->store, 2, NULL), 0); // older: nothing to do
    struct err err = {0};
    assert_true(store_compact(f->store, 6, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(store_compact(f->store, -1, &err) < 0);
    struct store_watch *ended = watch(f->store, "", 2, see, &old);
    watch(f->store, "", 3, see, &just);
    watch(f->store, "", 6, see, &future); // never reached
    store_dispatch(f->store);
    assert_string_equal(seen_since(&old), "!");
    assert_string_equal(seen_since(&just), "+/a=v@4 +/a=v@5");
    assert_string_equal(seen_since(&future), "!");
    put(f->store, "/b", "x");
    put(f->store, "/b", "y");
    assert_string_equal(seen_since(&old), ""); // it has ended
    assert_string_equal(seen_since(&future), "");
    assert_string_equal(seen_since(&live), "+/b=x@6 +/b=y@7");
    store_unwatch(ended);

    assert_int_equal(store_compact(f->store, 7, NULL), 0);
    reopen(f); // what is forgotten stays so, and the revision is known without history
    assert_int_equal(store_revision(f->store), 7);
    struct seen before = {0}, last = {0};
    watch(f->store, "", 6, see, &before);
    watch(f->store, "", 7, see, &last);
    store_dispatch(f->store);
    assert_string_equal(seen_since(&before), "!");
    put(f->store, "/c", "z");
    assert_string_equal(seen_since(&last), "+/c=z@8");
    expect_stored(f->store, "/a", "v");
}

static void history_is_bounded(void **state) {
    struct fixture *f = *state;
    int count = STORE_HISTORY_KEPT + 3 * STORE_HISTORY_STEP;
    for (int i = 0; i < count; i++) put(f->store, "/a", "v");
    struct seen old = {0};
    watch(f->store, "", count - STORE_HISTORY_KEPT - 2 * STORE_HISTORY_STEP, see, &old);
    store_dispatch(f->store);
    assert_string_equal(seen_since(&old), "!");
    revision_seen = count - STORE_HISTORY_KEPT;
    watch(f->store, "", revision_seen, see_next, NULL);
    store_dispatch(f->store);
    assert_int_equal(revision_seen, count);
}

// --- calls from inside a callback ---

struct reentry {
    struct store *store;
    struct store_watch *self, *other;
    struct seen seen, inner;
    int depth;
};

static void write_another(const struct store_event *event, void *arg) {
    struct reentry *re = arg;
    char key[STORE_KEY_MAX];
    assert_int_equal(re->depth, 0); // never inside itself
    re->depth++;
    see(event, &re->seen);
    if (event->entry->mod_revision < 4) {
        snprintf(key, sizeof(key), "/n%lld", (long long)event->entry->mod_revision);
        put(re->store, key, event->entry->value);
        expect_stored(re->store, key, event->entry->value); // and the event is still whole
    }
    re->depth--;
}

static void a_callback_may_transact(void **state) {
    struct reentry re = {.store = ((struct fixture *)*state)->store};
    struct seen second = {0};
    watch(re.store, "", -1, write_another, &re);
    watch(re.store, "", -1, see, &second);
    put(re.store, "/first", "v");
    assert_string_equal(seen_since(&re.seen), "+/first=v@1 +/n1=v@2 +/n2=v@3 +/n3=v@4");
    assert_string_equal(seen_since(&second), "+/first=v@1 +/n1=v@2 +/n2=v@3 +/n3=v@4");
}

static void stop_both(const struct store_event *event, void *arg) {
    struct reentry *re = arg;
    see(event, &re->seen);
    store_unwatch(re->self);
    store_unwatch(re->other);
}

static void a_callback_may_stop_watches(void **state) {
    struct reentry re = {.store = ((struct fixture *)*state)->store};
    re.self = watch(re.store, "", -1, stop_both, &re);
    re.other = watch(re.store, "", -1, see, &re.inner);
    struct store_change changes[] = {{.key = "/a", .value = ""}, {.key = "/b", .value = ""}};
    struct store_txn txn = {.changes = changes, .n_changes = 2};
    assert_int_equal(store_transact(re.store, &txn, NULL, NULL, NULL), 0);
    put(re.store, "/c", "");
    assert_string_equal(seen_since(&re.seen), "+/a=@1");
    assert_string_equal(seen_since(&re.inner), "");
}

static void start_one(const struct store_event *event, void *arg) {
    struct reentry *re = arg;
    see(event, &re->seen);
    if (event->entry->mod_revision != 3) return;
    re->self = watch(re->store, "", -1, see, &re->inner);
    re->other = watch(re->store, "/a", 1, see, &re->inner);
}

static void a_callback_may_start_watches(void **state) {
    struct reentry re = {.store = ((struct fixture *)*state)->store};
    for (int i = 0; i < 4; i++) put(re.store, "/a", "v");
    watch(re.store, "", 0, start_one, &re);
    store_dispatch(re.store);
    assert_string_equal(seen_since(&re.seen), "+/a=v@1 +/a=v@2 +/a=v@3 +/a=v@4");
    assert_string_equal(seen_since(&re.inner), "+/a=v@2 +/a=v@3 +/a=v@4");
    put(re.store, "/b", "w");
    assert_string_equal(seen_since(&re.inner), "+/b=w@5");
}

static void end_and_restart(const struct store_event *event, void *arg) {
    struct reentry *re = arg;
    see(event, &re->seen);
    if (event->kind != STORE_COMPACTED) return;
    store_unwatch(re->self);
    re->self = watch(re->store, "", store_revision(re->store), end_and_restart, re);
}

static void a_lost_watch_may_start_again(void **state) {
    struct reentry re = {.store = ((struct fixture *)*state)->store};
    put(re.store, "/a", "v");
    put(re.store, "/a", "v");
    assert_int_equal(store_compact(re.store, 2, NULL), 0);
    re.self = watch(re.store, "", 0, end_and_restart, &re);
    store_dispatch(re.store);
    put(re.store, "/a", "w");
    assert_string_equal(seen_since(&re.seen), "! +/a=w@3");
}

static void without_memory_an_event_waits(void **state) {
    struct fixture *f = *state;
    struct seen seen = {0};
    watch(f->store, "", -1, see, &seen);
    put(f->store, "/a", "0");
    seen_since(&seen);
    for (unsigned long n = 1; n < 20; n++) {
        struct store_change change = {.key = "/a", .value = "v", .size = 1};
        struct store_txn txn = {.changes = &change, .n_changes = 1};
        int64_t before = store_revision(f->store), made = 0;
        mem_fail_nth(n);
        int r = store_transact(f->store, &txn, &made, NULL, NULL);
        mem_fail_nth(0);
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(store_revision(f->store) == before + (r == 0));
        store_dispatch(f->store);
        char want[32] = "";
        if (r == 0) snprintf(want, sizeof(want), "+/a=v@%lld", (long long)made);
        assert_string_equal(seen_since(&seen), want);
    }
}

static void bad_watches_are_refused(void **state) {
    struct store *store = ((struct fixture *)*state)->store;
    struct store_watch *ret;
    struct err err = {0};
    char key[STORE_KEY_MAX + 2] = {0};
    memset(key, 'k', STORE_KEY_MAX + 1);
    assert_true(store_watch(store, key, 0, see, NULL, &ret, &err) < 0);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_true(store_watch(store, "\xff", 0, see, NULL, &ret, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(store_watch(store, NULL, 0, see, NULL, &ret, &err) < 0);
    assert_true(store_watch(store, "", -2, see, NULL, &ret, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
}

const struct store_case STORE_WATCH_CASES[] = {
    STORE_CASE(changes_come_in_order_by_prefix),
    STORE_CASE(a_transaction_is_seen_in_its_own_order),
    STORE_CASE(the_past_is_replayed),
    STORE_CASE(a_long_past_is_replayed_whole),
    STORE_CASE(compaction_tells_to_relist),
    STORE_CASE(history_is_bounded),
    STORE_CASE(a_callback_may_transact),
    STORE_CASE(a_callback_may_stop_watches),
    STORE_CASE(a_callback_may_start_watches),
    STORE_CASE(a_lost_watch_may_start_again),
    STORE_CASE(without_memory_an_event_waits),
    STORE_CASE(bad_watches_are_refused),
    {0},
};
