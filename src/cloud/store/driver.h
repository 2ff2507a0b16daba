// SPDX-License-Identifier: Apache-2.0
// What a state store implements. Called only by the front door (store.c), which has checked every
// argument.
#ifndef TRINE_CLOUD_STORE_DRIVER_H
#define TRINE_CLOUD_STORE_DRIVER_H

#include "cloud/store/store.h"

struct store_driver; // the driver's own state

struct store_ops {
    const char *name;
    // As store_get and store_list.
    int (*get)(struct store_driver *d, const char *key, struct store_entry *ret, struct err *err);
    int (*list)(struct store_driver *d, const char *prefix, const char *after, size_t limit,
                store_each_fn *fn, void *arg, int64_t *ret_revision, struct err *err);
    // As store_transact. The front door delivers watches afterwards from `history`.
    int (*transact)(struct store_driver *d, const struct store_txn *txn, int64_t *ret_revision,
                    size_t *ret_failed, struct err *err);
    int64_t (*revision)(struct store_driver *d);
    // Changes with prefix and after < revision <= upto, in order. ERR_CHANGED when `after` is older
    // than the oldest kept.
    int (*history)(struct store_driver *d, const char *prefix, int64_t after, int64_t upto,
                   void (*fn)(const struct store_event *event, void *arg), void *arg,
                   struct err *err);
    int (*compact)(struct store_driver *d, int64_t revision, struct err *err);
    // Leases: durable identity; their ends are kept as remaining time, so that a restart grants the
    // full ttl again.
    int (*lease_grant)(struct store_driver *d, int64_t ttl_ns, int64_t *ret_lease, struct err *err);
    int (*lease_end)(struct store_driver *d, int64_t lease,
                     struct err *err); // deletes its keys in one transaction
    int (*lease_each)(struct store_driver *d, void (*fn)(int64_t lease, int64_t ttl_ns, void *arg),
                      void *arg, struct err *err);
    void (*close)(struct store_driver *d);
};

#endif
