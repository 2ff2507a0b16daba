// SPDX-License-Identifier: Apache-2.0
// What a state store implements. Called only by the front door (store.c), which has checked every
// argument.
#ifndef TRINE_CLOUD_STORE_DRIVER_H
#define TRINE_CLOUD_STORE_DRIVER_H

#include "cloud/store/store.h"

// Every driver keeps at least this many revisions of history and forgets older ones by itself, in
// steps, so that the cost is spread.
#define STORE_HISTORY_KEPT 10000
#define STORE_HISTORY_STEP 256

// What is to be forgotten once `revision` has been made (0: nothing).
static inline int64_t store_history_cut(int64_t revision, int64_t compacted) {
    int64_t cut = revision - STORE_HISTORY_KEPT;
    return revision % STORE_HISTORY_STEP == 0 && cut > compacted ? cut : 0;
}

struct store_driver; // the driver's own state

struct store_ops {
    const char *name;
    // As store_get and store_list. ERR_NOT_FOUND is said by the front door: a driver returns
    // -ENOENT without setting err.
    int (*get)(struct store_driver *d, const char *key, struct store_entry *ret, struct err *err);
    int (*list)(struct store_driver *d, const char *prefix, const char *after, size_t limit,
                store_each_fn *fn, void *arg, int64_t *ret_revision, struct err *err);
    // As store_transact; leases named by it exist. The front door delivers watches afterwards from
    // `history`.
    int (*transact)(struct store_driver *d, const struct store_txn *txn, int64_t *ret_revision,
                    size_t *ret_failed, struct err *err);
    int64_t (*revision)(struct store_driver *d);
    // Changes with prefix and after < revision <= upto, in order; within a revision as the
    // transaction named them (the end of a lease: by key). ERR_CHANGED when one of them is not kept
    // any more. fn copies what it needs and does not call the store.
    int (*history)(struct store_driver *d, const char *prefix, int64_t after, int64_t upto,
                   void (*fn)(const struct store_event *event, void *arg), void *arg,
                   struct err *err);
    int (*compact)(struct store_driver *d, int64_t revision, struct err *err);
    // Leases: durable identity; their ends are kept as remaining time, so that a restart grants the
    // full ttl again.
    int (*lease_grant)(struct store_driver *d, int64_t ttl_ns, int64_t *ret_lease, struct err *err);
    // Deletes its keys in one transaction; adds a revision when there were any.
    int (*lease_end)(struct store_driver *d, int64_t lease, struct err *err);
    int (*lease_each)(struct store_driver *d, void (*fn)(int64_t lease, int64_t ttl_ns, void *arg),
                      void *arg, struct err *err);
    void (*close)(struct store_driver *d);
};

// Put the front door before a driver. Takes the driver, also when it fails (then it is closed).
int store_new(const struct store_ops *ops, struct store_driver *driver, struct clock *clock,
              struct store **ret, struct err *err);

#endif
