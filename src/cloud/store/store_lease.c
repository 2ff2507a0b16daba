// SPDX-License-Identifier: Apache-2.0
// Leases: the driver keeps which there are and their length, the front door when they end.
//
//   granted --(renewed)--> granted --(end_ns reached, revoked)--> over --(driver removed it)--> gone
//
// `over` is passed through within one call, except when the driver fails (a full disk): then the
// removal is tried again after RETRY_NS, and for its users the lease has ended all the same.
#include "base/log.h"
#include "cloud/store/store_int.h"

#include <assert.h>
#include <errno.h>

#define RETRY_NS SEC_NS

static void add_loaded(int64_t lease, int64_t ttl_ns, void *arg) {
    struct store *store = arg;
    int64_t end_ns = clock_monotonic(store->clock) + ttl_ns;
    vec_add(&store->leases, (struct store_lease){lease, ttl_ns, end_ns, false});
}

int store_leases_load(struct store *store, struct err *err) {
    store->leases.len = 0;
    return store->ops->lease_each(store->driver, add_loaded, store, err);
}

static struct store_lease *find(struct store *store, int64_t lease) {
    for (size_t i = 0; i < store->leases.len; i++)
        if (store->leases.items[i].id == lease) return &store->leases.items[i];
    return NULL;
}

static bool is_due(struct store *store, const struct store_lease *lease) {
    return clock_monotonic(store->clock) >= lease->end_ns;
}

// A lease that still can be used, or NULL.
static struct store_lease *find_living(struct store *store, int64_t lease) {
    struct store_lease *found = find(store, lease);
    return found && !found->over && !is_due(store, found) ? found : NULL;
}

bool store_lease_lives(struct store *store, int64_t lease) {
    return find_living(store, lease) != NULL;
}

static int not_found(int64_t lease, struct err *err) {
    int r = err_set(err, ERR_NOT_FOUND, 0, "lease", "lease %lld has ended or was never granted",
                    (long long)lease);
    err_next(err, "grant a new one and write its keys again");
    return r;
}

int store_lease_grant(struct store *store, int64_t ttl_ns, int64_t *ret_lease, struct err *err) {
    assert(!store->reading);
    if (ttl_ns <= 0 || ttl_ns > STORE_TTL_MAX)
        return err_set(err, ERR_INVALID, 0, "lease", "%lld ns is not between 1 ns and 366 days",
                       (long long)ttl_ns);
    size_t len = store->leases.len;
    if (len == store->leases.cap && !vec_grow((void **)&store->leases.items, &store->leases.cap,
                                              len + 1, sizeof(*store->leases.items)))
        return err_set(err, ERR_NO_SPACE, ENOMEM, "lease", "no memory for it");
    int64_t id;
    int r = store->ops->lease_grant(store->driver, ttl_ns, &id, err);
    if (r < 0) return r;
    add_loaded(id, ttl_ns, store);
    *ret_lease = id;
    return 0;
}

int store_lease_renew(struct store *store, int64_t lease, struct err *err) {
    assert(!store->reading);
    struct store_lease *found = find_living(store, lease);
    if (!found) return not_found(lease, err);
    found->end_ns = clock_monotonic(store->clock) + found->ttl_ns;
    return 0;
}

int store_lease_revoke(struct store *store, int64_t lease, struct err *err) {
    assert(!store->reading);
    struct store_lease *found = find_living(store, lease);
    if (!found) return not_found(lease, err);
    int r = store->ops->lease_end(store->driver, lease, err);
    if (r < 0) return r;
    vec_remove(&store->leases, (size_t)(found - store->leases.items));
    store_deliver(store);
    return 0;
}

// The one that is due and ended first; NULL when none is.
static struct store_lease *first_due(struct store *store) {
    struct store_lease *first = NULL;
    for (size_t i = 0; i < store->leases.len; i++) {
        struct store_lease *lease = &store->leases.items[i];
        if (is_due(store, lease) && (!first || lease->end_ns < first->end_ns)) first = lease;
    }
    return first;
}

void store_leases_expire(struct store *store) {
    for (struct store_lease *lease; (lease = first_due(store));) {
        struct err err = {0};
        if (store->ops->lease_end(store->driver, lease->id, &err) < 0) {
            LOG_DEBUG("a lease's keys stay for now", "lease=%lld cause=\"%s\"",
                      (long long)lease->id, err.cause);
            lease->over = true;
            lease->end_ns = clock_monotonic(store->clock) + RETRY_NS;
            continue;
        }
        store->counters.leases_expired++;
        vec_remove(&store->leases, (size_t)(lease - store->leases.items));
    }
}

int64_t store_next_expiry(struct store *store) {
    int64_t next = -1;
    for (size_t i = 0; i < store->leases.len; i++) {
        int64_t end_ns = store->leases.items[i].end_ns;
        if (next < 0 || end_ns < next) next = end_ns;
    }
    return next;
}
