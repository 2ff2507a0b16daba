// SPDX-License-Identifier: Apache-2.0
// What every driver of the state store has to do, as one suite. A driver's test gives a bed and
// runs it; the cases are spread over store_conformance*.c by subject.
#ifndef TRINE_TESTS_CLOUD_STORE_CONFORMANCE_H
#define TRINE_TESTS_CLOUD_STORE_CONFORMANCE_H

#include "../base/cmocka_test.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cloud/store/store.h"

struct store_bed {
    const char *name;
    void (*erase)(void *arg); // nothing is stored after it; no store is open; may be NULL
    struct store *(*open)(struct clock_warp *warp, void *arg); // what is stored; fails the test
    bool keeps; // what is stored outlives store_close
    void *arg;
};

// Failed cases, as cmocka counts them.
int store_conformance_run(const struct store_bed *bed);

// --- inside the suite ---

struct fixture {
    const struct store_bed *bed;
    struct clock_warp warp;
    struct store *store;
};

typedef void store_case_fn(void **state);
struct store_case {
    const char *name;
    store_case_fn *fn;
    bool keeps; // only for beds that keep
};
#define STORE_CASE(fn) \
    { #fn, fn, false }
#define STORE_CASE_KEEPS(fn) \
    { #fn, fn, true }
extern const struct store_case STORE_MAP_CASES[], STORE_TXN_CASES[], STORE_WATCH_CASES[],
    STORE_LEASE_CASES[], STORE_RANDOM_CASES[]; // each ends with an empty one

// Short forms. They fail the test when the store does; revisions are returned.
int64_t put(struct store *store, const char *key, const char *value);
int64_t put_lease(struct store *store, const char *key, const char *value, int64_t lease);
int64_t drop(struct store *store, const char *key);
void expect_stored(struct store *store, const char *key, const char *value); // NULL: absent
// All keys with the prefix as "a b c" in buf.
const char *keys(struct store *store, const char *prefix, const char *after, size_t limit,
                 char *buf, size_t size);
void reopen(struct fixture *f); // when the bed keeps

// What a watch saw, as "+key=value@revision -key@revision !".
struct seen {
    char text[4096];
    size_t len;
};
void see(const struct store_event *event, void *arg); // arg: struct seen
const char *seen_since(struct seen *seen);            // and starts anew

#endif
