// SPDX-License-Identifier: Apache-2.0
// Without memory, at every n: a call fails with "no space" and the state is as before, or it
// succeeds whole. Both of our own allocations and of those inside SQLite.
#include "base/mem.h"
#include "cloud/store/store.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) die(__LINE__, #condition); \
    } while (0)

static char dir[] = "/tmp/fault-store-memory-XXXXXX", path[64];
static struct clock_warp warp;
static const char *subject;
static unsigned long nth;

static void die(int line, const char *what) {
    fprintf(stderr, "%s:%d: %s, allocation %lu: %s does not hold\n", __FILE__, line, subject, nth,
            what);
    exit(1);
}

// --- SQLite's allocator, with a hole ---

static sqlite3_mem_methods real;
static unsigned long inner_left; // 1: the next fails; 0: none

static bool inner_fails(void) {
    return inner_left > 0 && --inner_left == 0;
}

static void *inner_malloc(int size) {
    return inner_fails() ? NULL : real.xMalloc(size);
}

static void *inner_realloc(void *p, int size) {
    return inner_fails() ? NULL : real.xRealloc(p, size);
}

static void set_inner(unsigned long n) {
    inner_left = n;
}

// --- the script: two keys, both or neither; a lease with one key; a watch ---

static int64_t events;
static void see(const struct store_event *event, void *arg) {
    CHECK(event->kind != STORE_COMPACTED);
    CHECK(event->entry->mod_revision >= events);
    events = event->entry->mod_revision;
}

static void expect(struct store *store, const char *key, const char *value) {
    struct store_entry entry;
    struct err err = {0};
    int r = store_get(store, key, &entry, &err);
    if (!value) {
        CHECK(r == -ENOENT);
        return;
    }
    CHECK(r == 0);
    CHECK(strcmp(entry.value, value) == 0);
}

static int set_both(struct store *store, const char *value) {
    struct store_compare compare = {"/a", STORE_IF_PRESENT, 0};
    struct store_change changes[] = {{.key = "/a", .value = value, .size = strlen(value)},
                                     {.key = "/b", .value = value, .size = strlen(value)}};
    struct store_txn txn = {&compare, 1, changes, 2, true};
    return store_transact(store, &txn, NULL, NULL, NULL);
}

// One round with a failure at the n-th allocation of each call. Returns how many calls failed.
static int play(struct store *store, void (*fail_nth)(unsigned long)) {
    int failed = 0, r;
    struct store_entry entry;
    struct err err = {0};
    int64_t before = store_revision(store), lease = 0;

    fail_nth(nth);
    r = set_both(store, "new");
    fail_nth(0);
    CHECK(r == 0 || r == -ENOMEM);
    CHECK(store_revision(store) == before + (r == 0));
    expect(store, "/a", r == 0 ? "new" : "old");
    expect(store, "/b", r == 0 ? "new" : "old");
    failed += r < 0;

    fail_nth(nth);
    r = store_get(store, "/a", &entry, &err);
    fail_nth(0);
    CHECK(r == 0 || (r == -ENOMEM && err.kind == ERR_NO_SPACE));
    failed += r < 0;

    fail_nth(nth);
    r = store_lease_grant(store, SEC_NS, &lease, NULL);
    fail_nth(0);
    CHECK(r == 0 || r == -ENOMEM);
    failed += r < 0;
    if (r < 0) CHECK(store_lease_grant(store, SEC_NS, &lease, NULL) == 0);
    struct store_change leased = {.key = "/l", .value = "l", .size = 1, .lease = lease};
    struct store_txn txn = {.changes = &leased, .n_changes = 1};
    CHECK(store_transact(store, &txn, NULL, NULL, NULL) == 0);

    clock_warp_advance(&warp, SEC_NS);
    fail_nth(nth);
    store_dispatch(store); // may not be able to end the lease, then does so a second later
    fail_nth(0);
    CHECK(store_lease_renew(store, lease, NULL) < 0);
    if (store_get(store, "/l", &entry, NULL) == 0) {
        failed++;
        clock_warp_advance(&warp, SEC_NS);
        store_dispatch(store);
    }
    expect(store, "/l", NULL);
    store_dispatch(store);
    CHECK(events == store_revision(store)); // delivered in the end
    CHECK(set_both(store, "old") == 0);
    return failed;
}

static struct store *open_store(bool sqlite) {
    struct store *store = NULL;
    int r = sqlite ? store_open_sqlite(path, &warp.clock, &store, NULL)
                   : store_open_memory(&warp.clock, &store, NULL);
    CHECK(r == 0);
    return store;
}

static void start(struct store *store) {
    struct store_change changes[] = {{.key = "/a", .value = "old", .size = 3},
                                     {.key = "/b", .value = "old", .size = 3}};
    struct store_txn txn = {.changes = changes, .n_changes = 2};
    struct store_watch *watch;
    events = 0;
    CHECK(store_watch(store, "", -1, see, NULL, &watch, NULL) == 0);
    CHECK(store_transact(store, &txn, NULL, NULL, NULL) == 0);
}

static void try_all(const char *name, bool sqlite, void (*fail_nth)(unsigned long)) {
    subject = name;
    struct store *store = open_store(sqlite);
    start(store);
    int failed = 0;
    for (nth = 1; nth < 60; nth++) failed += play(store, fail_nth);
    CHECK(failed > 0);
    int64_t revision = store_revision(store);
    store_close(store);
    if (sqlite) {
        store = open_store(true);
        CHECK(store_revision(store) == revision);
        expect(store, "/a", "old");
        store_close(store);
    }
    printf("%s: %d calls failed, nothing lost\n", name, failed);
}

// Opening fails at every allocation of SQLite, until it needs no more of them.
static void try_opening(void) {
    subject = "opening";
    int r = -1;
    for (nth = 1; r < 0; nth++) {
        struct store *store = NULL;
        struct err err = {0};
        set_inner(nth);
        r = store_open_sqlite(path, &warp.clock, &store, &err);
        bool spent = inner_left == 0;
        set_inner(0);
        CHECK(r == 0 || err.kind == ERR_NO_SPACE);
        CHECK(r == 0 || spent);
        if (r == 0) expect(store, "/a", "old");
        store_close(store);
        if (r == 0 && spent) r = -1; // it did without the one that failed
    }
    printf("opening: %lu allocations failed, nothing lost\n", nth - 2);
}

int main(void) {
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) return 99;
    sqlite3_mem_methods holed = real;
    holed.xMalloc = inner_malloc;
    holed.xRealloc = inner_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &holed) != SQLITE_OK) return 99;
    if (!mkdtemp(dir)) return 99;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    clock_warp_init(&warp, SEC_NS);
    try_all("memory", false, mem_fail_nth);
    try_all("sqlite, our memory", true, mem_fail_nth);
    try_all("sqlite, its memory", true, set_inner);
    try_opening();
    dir_remove_tree(AT_FDCWD, dir, NULL);
    return 0;
}
