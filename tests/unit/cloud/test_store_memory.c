// SPDX-License-Identifier: Apache-2.0
// The conformance suite on the memory driver.
#include "store_conformance.h"

static struct store *open_memory(struct clock_warp *warp, void *arg) {
    struct store *store;
    assert_int_equal(store_open_memory(&warp->clock, &store, NULL), 0);
    return store;
}

int main(void) {
    return store_conformance_run(&(struct store_bed){.name = "store-memory", .open = open_memory});
}
