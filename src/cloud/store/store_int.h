// SPDX-License-Identifier: Apache-2.0
// The front door's state, shared by store.c (arguments), store_watch.c (delivery) and
// store_lease.c (ends).
#ifndef TRINE_CLOUD_STORE_STORE_INT_H
#define TRINE_CLOUD_STORE_STORE_INT_H

#include "base/list.h"
#include "base/vec.h"
#include "cloud/store/driver.h"

struct store_lease {
    int64_t id, ttl_ns;
    int64_t end_ns; // monotonic; for one that is over: when its removal is tried again
    bool over;      // ended, but the driver could not remove it yet
};

struct store {
    const struct store_ops *ops;
    struct store_driver *driver;
    struct clock *clock;
    struct list watches; // struct store_watch, in the order of their start
    VEC(struct store_lease) leases;
    bool delivering; // a watch callback is running, or about to
    bool reading;    // a list callback is running
    struct store_counters counters;
};

// store.c: a key, or (min 0) a prefix. `what` is how an error calls it.
int store_check_text(const char *what, const char *text, size_t min, struct err *err);

// store_watch.c: give every watch what it has not seen. Does nothing inside a callback, because the
// delivery outside goes on until nothing waits. What fails now waits for the next call.
void store_deliver(struct store *store);
void store_watches_free(struct store *store);

// store_lease.c
int store_leases_load(struct store *store, struct err *err); // all that the driver knows, anew
void store_leases_expire(struct store *store);               // those that are due; delivers nothing
bool store_lease_lives(struct store *store, int64_t lease);

#endif
