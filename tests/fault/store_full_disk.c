// SPDX-License-Identifier: Apache-2.0
// A full disk: a tmpfs of 1 MB in a mount namespace of its own. A transaction that does not fit
// fails with "no space", changes nothing, and once there is room the store works on.
#include "base/mem.h"
#include "cloud/store/store.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static char dir[] = "/tmp/fault-store-full-XXXXXX", path[64], wal[64], ballast[64];
static struct clock_warp warp;

static int set_both(struct store *store, int n, bool durable, struct err *err) {
    static char value[20000];
    memset(value, 'a' + n % 26, sizeof(value));
    char number[16];
    int size = snprintf(number, sizeof(number), "%d", n);
    struct store_change changes[] = {{.key = "/n", .value = number, .size = (size_t)size},
                                     {.key = "/value", .value = value, .size = sizeof(value)}};
    struct store_txn txn = {.changes = changes, .n_changes = 2, .durable = durable};
    return store_transact(store, &txn, NULL, NULL, err);
}

static void expect_both(struct store *store, int n) {
    struct store_entry entry;
    CHECK(store_revision(store) == n);
    if (n == 0) return;
    CHECK(store_get(store, "/n", &entry, NULL) == 0);
    CHECK(atoi(entry.value) == n);
    CHECK(store_get(store, "/value", &entry, NULL) == 0);
    CHECK(entry.size == 20000 && entry.value[0] == 'a' + n % 26);
}

static void eat_space(void) {
    static char block[4096];
    int fd = open(ballast, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    while (write(fd, block, sizeof(block)) == sizeof(block)) {
    }
    CHECK(errno == ENOSPC);
    close(fd);
}

static void erase(void) {
    unlink(path);
    unlink(wal); // a close that found no room has left it
}

static struct store *open_store(void) {
    struct store *store = NULL;
    struct err err = {0};
    if (store_open_sqlite(path, &warp.clock, &store, &err) < 0) err_print(&err);
    CHECK(store);
    return store;
}

static void play(bool durable) {
    erase();
    struct store *store = open_store();
    struct err err = {0};
    int n = 0, refused = 0;
    while (set_both(store, n + 1, durable, &err) == 0) n++;
    CHECK(n > 2);
    for (int i = 0; i < 20; i++) { // again and again, and nothing of it stays
        CHECK(err.kind == ERR_NO_SPACE && err.next[0]);
        expect_both(store, n);
        err_clear(&err);
        if (set_both(store, n + 1, durable, &err) == 0)
            n++;
        else
            refused++;
        if (err.kind == ERR_NONE) break;
    }
    CHECK(refused > 0);
    store_close(store);
    store = open_store();
    expect_both(store, n);
    store_close(store);
    printf("%s: full after %d transactions, nothing lost\n", durable ? "durable" : "plain", n);
}

// Room goes and comes back while the store is open.
static void play_room_again(void) {
    erase();
    struct store *store = open_store();
    struct err err = {0};
    CHECK(set_both(store, 1, true, NULL) == 0);
    eat_space();
    int n = 1;
    while (set_both(store, n + 1, true, &err) == 0) n++;
    CHECK(err.kind == ERR_NO_SPACE);
    expect_both(store, n);
    CHECK(unlink(ballast) == 0);
    CHECK(set_both(store, n + 1, true, NULL) == 0);
    expect_both(store, n + 1);
    store_close(store);
    store = open_store();
    expect_both(store, n + 1);
    store_close(store);
    erase();
}

static void play_making(void) {
    struct store *store = NULL;
    struct err err = {0};
    eat_space();
    CHECK(store_open_sqlite(path, &warp.clock, &store, &err) < 0);
    CHECK(err.kind == ERR_NO_SPACE);
    CHECK(access(path, F_OK) < 0);
    CHECK(unlink(ballast) == 0);
    store_close(open_store());
}

int main(void) {
    if (!mkdtemp(dir)) return 99;
    int r = unshare(CLONE_NEWNS);
    if (r < 0 && errno == EPERM) r = unshare(CLONE_NEWUSER | CLONE_NEWNS);
    if (r < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("trine-test", dir, "tmpfs", 0, "size=1m") < 0) {
        printf("skipped: no mount namespace here: %m\n");
        rmdir(dir);
        return 77;
    }
    snprintf(path, sizeof(path), "%s/state.db", dir);
    snprintf(wal, sizeof(wal), "%s/state.db-wal", dir);
    snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
    clock_warp_init(&warp, SEC_NS);
    play(true);
    play(false);
    play_room_again();
    play_making();
    CHECK(umount(dir) == 0 && rmdir(dir) == 0);
    return 0;
}
