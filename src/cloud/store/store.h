// SPDX-License-Identifier: Apache-2.0
// The control plane's state: an ordered map from keys to values with revisions, compare-and-swap
// transactions, watches and leases. The shape is etcd's (v3), so that one node on SQLite and many
// on etcd differ by a driver only.
//
//   keys      "/instances/default/web": UTF-8, 1..STORE_KEY_MAX bytes, compared as bytes
//   values    at most STORE_VALUE_MAX bytes, opaque here
//   revision  one counter for the whole store; every transaction that changes something adds 1;
//   never goes back
//
// Front door: store_* check sizes, order and counters once; drivers implement struct store_ops and
// are called by nobody else. Drivers: memory (tests), sqlite. tests/unit/cloud/store_conformance.h
// is run on every driver.
//
// Threads: one store belongs to one thread. Calls are synchronous and short. Watches are delivered
// on that same thread, in revision order, as the last thing that a committing call does before it
// returns, and by store_dispatch. A call made by a watch callback leaves its changes to the
// delivery that is going on.
//
// Invariants: (1) a transaction is all or nothing, also across kill -9; one whose `durable` is set
// survives a power cut once store_txn has returned, others survive the process and may be lost
// together with a power cut, never in part and never out of order; (2) a watch sees every change of
// its prefix after its start revision exactly once, in order, or learns that it must relist
// (STORE_COMPACTED); (3) keys attached to a lease vanish in one transaction when it ends.
#ifndef TRINE_CLOUD_STORE_STORE_H
#define TRINE_CLOUD_STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_KEY_MAX 512
#define STORE_VALUE_MAX ((size_t)1 << 20)
#define STORE_TXN_MAX \
    256 // compares and changes in one transaction (etcd's default is 128 operations a branch)

struct store;

struct store_entry {
    const char *key;
    const char *value; // terminated, but may hold any byte: use size
    size_t size;
    int64_t create_revision, mod_revision;
    int64_t lease; // 0: none
};

// Read one. The entry is borrowed until the next call on this store. ERR_NOT_FOUND when absent.
int store_get(struct store *store, const char *key, struct store_entry *ret, struct err *err);
// In key order, all keys that begin with prefix and are greater than `after` (NULL: from the
// start); fn returns negative to stop. limit 0: no limit. *ret_revision: the state that was read
// (may be NULL). The callback must not call the store.
typedef int store_each_fn(const struct store_entry *entry, void *arg);
int store_list(struct store *store, const char *prefix, const char *after, size_t limit,
               store_each_fn *fn, void *arg, int64_t *ret_revision, struct err *err);

enum store_compare_kind { STORE_IF_REVISION, STORE_IF_ABSENT, STORE_IF_PRESENT };
struct store_compare {
    const char *key;
    enum store_compare_kind kind;
    int64_t mod_revision; // STORE_IF_REVISION
};
struct store_change {
    const char *key;
    const char *value; // NULL deletes (absent is fine)
    size_t size;
    int64_t lease; // 0: none
};
struct store_txn {
    const struct store_compare *compares;
    size_t n_compares;
    const struct store_change *changes; // a key at most once
    size_t n_changes;
    bool durable;
};
// Every compare holds: all changes are made, *ret_revision is the new revision. One does not:
// nothing is made, ERR_CHANGED and *ret_failed is its index (both out-parameters may be NULL).
int store_transact(struct store *store, const struct store_txn *txn, int64_t *ret_revision,
                   size_t *ret_failed, struct err *err);
int64_t store_revision(struct store *store);

enum store_event_kind { STORE_PUT, STORE_DELETE, STORE_COMPACTED };
struct store_event {
    enum store_event_kind
        kind; // COMPACTED: the wanted revision is gone, relist; the watch has ended
    const struct store_entry *entry; // DELETE: key and mod_revision (that of the deletion) only;
                                     // COMPACTED: NULL
};
struct store_watch;
// Borrowed entry; the callback may start and stop watches and transact (delivered after).
typedef void store_watch_fn(const struct store_event *event, void *arg);
// Changes with a revision > after. after -1: from now on. What is older than the call is delivered
// by the next store_dispatch. An `after` that the store has not reached gives STORE_COMPACTED too: it
// was lost together with power. A watch that has ended still wants its store_unwatch.
int store_watch(struct store *store, const char *prefix, int64_t after, store_watch_fn *fn,
                void *arg, struct store_watch **ret, struct err *err);
void store_unwatch(struct store_watch *watch); // NULL is fine; the callback does not run again
void store_dispatch(struct store *store);      // deliver what waits, expire leases
// Forget history up to `revision`: later watches from before it get STORE_COMPACTED.
int store_compact(struct store *store, int64_t revision, struct err *err);

// ttl_ns: 1..STORE_TTL_MAX. Keys of a lease that is over stay until store_dispatch takes them away.
#define STORE_TTL_MAX (INT64_C(366) * 86400 * SEC_NS)
int store_lease_grant(struct store *store, int64_t ttl_ns, int64_t *ret_lease, struct err *err);
int store_lease_renew(struct store *store, int64_t lease,
                      struct err *err); // ERR_NOT_FOUND once it has ended
int store_lease_revoke(struct store *store, int64_t lease, struct err *err);
int64_t store_next_expiry(
    struct store *store); // monotonic ns of the next lease to end; -1: none (for the loop's timer)

// Since the store was opened; for metrics. Borrowed until store_close.
struct store_counters {
    uint64_t gets, lists, entries_listed;
    uint64_t transactions, unmet_compares; // committed ones; ones that a compare stopped
    uint64_t events;                       // delivered to watches
    uint64_t leases_expired;
};
const struct store_counters *store_counters(struct store *store);

void store_close(struct store *store); // ends its watches; not from a callback; NULL is fine

// Drivers. The clock decides when leases end.
int store_open_memory(struct clock *clock, struct store **ret, struct err *err);
// A database file, made with mode 0600 when absent; WAL; migrated forward from older versions after
// a backup copy "<path>.v<N>" beside it. ERR_VERSION for one made by a newer release, ERR_CORRUPT
// when it is damaged or not a database of ours, both without a change to it; ERR_STATE while
// another process has it open.
int store_open_sqlite(const char *path, struct clock *clock, struct store **ret, struct err *err);

#endif
