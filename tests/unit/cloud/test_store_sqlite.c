// SPDX-License-Identifier: Apache-2.0
// The conformance suite on the sqlite driver, with every close and reopen in it.
#include "host/file.h"
#include "store_conformance.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/test-store-sqlite-XXXXXX", path[64];

static void erase(void *arg) {
    char name[80];
    unlink(path);
    snprintf(name, sizeof(name), "%s-wal", path);
    assert_true(unlink(name) < 0); // closed stores leave no log behind
}

static struct store *open_sqlite(struct clock_warp *warp, void *arg) {
    struct store *store = NULL;
    struct err err = {0};
    if (store_open_sqlite(path, &warp->clock, &store, &err) < 0) {
        err_print(&err);
        fail_msg("cannot open %s", path);
    }
    return store;
}

int main(void) {
    if (!mkdtemp(dir)) return 99;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    int failed = store_conformance_run(&(struct store_bed){
        .name = "store-sqlite", .erase = erase, .open = open_sqlite, .keeps = true});
    dir_remove_tree(AT_FDCWD, dir, NULL);
    return failed;
}
