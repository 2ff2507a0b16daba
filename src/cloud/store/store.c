// SPDX-License-Identifier: Apache-2.0
// The front door: what a driver is given has been checked here. Neighbours: store_watch.c and
// store_lease.c are its other rooms, driver.h is the way out.
#include "cloud/store/store.h"

#include "base/text.h"
#include "cloud/store/store_int.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int store_new(const struct store_ops *ops, struct store_driver *driver, struct clock *clock,
              struct store **ret, struct err *err) {
    struct store *store = mem_new(struct store);
    store->ops = ops;
    store->driver = driver;
    store->clock = clock;
    list_init(&store->watches);
    int r = store_leases_load(store, err);
    if (r < 0) {
        store_close(store);
        return r;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store) {
    if (!store) return;
    assert(!store->delivering && !store->reading);
    store_watches_free(store);
    vec_free(&store->leases);
    store->ops->close(store->driver);
    free(store);
}

// --- arguments ---

int store_check_text(const char *what, const char *text, size_t min, struct err *err) {
    if (!text) return err_set(err, ERR_INVALID, 0, what, "it is missing");
    size_t size = strnlen(text, STORE_KEY_MAX + 1);
    if (size < min) return err_set(err, ERR_INVALID, 0, what, "it is empty");
    if (size > STORE_KEY_MAX)
        return err_set(err, ERR_TOO_LARGE, 0, what, "it has more than %d bytes: \"%.40s…\"",
                       STORE_KEY_MAX, text);
    if (!text_is_utf8(text, size))
        return err_set(err, ERR_INVALID, 0, what, "it is not valid UTF-8");
    return 0;
}

static int check_change(struct store *store, const struct store_change *change, struct err *err) {
    int r = store_check_text("state key", change->key, 1, err);
    if (r < 0) return r;
    if (!change->value && (change->size > 0 || change->lease != 0))
        return err_set(err, ERR_INVALID, 0, change->key, "a deletion has no value and no lease");
    if (change->size > STORE_VALUE_MAX)
        return err_set(err, ERR_TOO_LARGE, 0, change->key,
                       "its value has %zu bytes, the limit is %zu", change->size, STORE_VALUE_MAX);
    if (change->lease != 0 && !store_lease_lives(store, change->lease))
        return err_set(err, ERR_NOT_FOUND, 0, change->key, "its lease %lld has ended",
                       (long long)change->lease);
    return 0;
}

static int check_compare(const struct store_compare *compare, struct err *err) {
    int r = store_check_text("state key", compare->key, 1, err);
    if (r < 0) return r;
    switch (compare->kind) {
    case STORE_IF_REVISION:
    case STORE_IF_ABSENT:
    case STORE_IF_PRESENT:
        return 0;
    }
    return err_set(err, ERR_INVALID, 0, compare->key, "unknown kind of comparison %d",
                   (int)compare->kind);
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_distinct(const struct store_txn *txn, struct err *err) {
    const char *keys[STORE_TXN_MAX];
    for (size_t i = 0; i < txn->n_changes; i++) keys[i] = txn->changes[i].key;
    if (txn->n_changes > 1) qsort(keys, txn->n_changes, sizeof(*keys), compare_text);
    for (size_t i = 1; i < txn->n_changes; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return err_set(err, ERR_INVALID, 0, keys[i], "one transaction changes it twice");
    return 0;
}

static int check_txn(struct store *store, const struct store_txn *txn, struct err *err) {
    if (txn->n_compares > STORE_TXN_MAX || txn->n_changes > STORE_TXN_MAX - txn->n_compares)
        return err_set(err, ERR_TOO_LARGE, 0, "state transaction",
                       "more than %d comparisons and changes", STORE_TXN_MAX);
    int r = 0;
    for (size_t i = 0; r == 0 && i < txn->n_compares; i++)
        r = check_compare(&txn->compares[i], err);
    for (size_t i = 0; r == 0 && i < txn->n_changes; i++)
        r = check_change(store, &txn->changes[i], err);
    return r < 0 ? r : check_distinct(txn, err);
}

// --- calls ---

int store_get(struct store *store, const char *key, struct store_entry *ret, struct err *err) {
    assert(!store->reading);
    int r = store_check_text("state key", key, 1, err);
    if (r < 0) return r;
    store->counters.gets++;
    r = store->ops->get(store->driver, key, ret, err);
    return r == -ENOENT ? err_set(err, ERR_NOT_FOUND, 0, key, "the state has no such key") : r;
}

struct counted {
    store_each_fn *fn;
    void *arg;
    uint64_t *count;
};

static int each_counted(const struct store_entry *entry, void *arg) {
    struct counted *counted = arg;
    (*counted->count)++;
    return counted->fn(entry, counted->arg);
}

int store_list(struct store *store, const char *prefix, const char *after, size_t limit,
               store_each_fn *fn, void *arg, int64_t *ret_revision, struct err *err) {
    assert(!store->reading);
    int r = store_check_text("state prefix", prefix, 0, err);
    if (r == 0 && after) r = store_check_text("place to continue after", after, 0, err);
    if (r < 0) return r;
    struct counted counted = {fn, arg, &store->counters.entries_listed};
    store->counters.lists++;
    int64_t revision;
    store->reading = true;
    r = store->ops->list(store->driver, prefix, after, limit, each_counted, &counted, &revision,
                         err);
    store->reading = false;
    if (r == 0 && ret_revision) *ret_revision = revision;
    return r;
}

int store_transact(struct store *store, const struct store_txn *txn, int64_t *ret_revision,
                   size_t *ret_failed, struct err *err) {
    assert(!store->reading);
    int r = check_txn(store, txn, err);
    if (r < 0) return r;
    int64_t before = store_revision(store), revision = before;
    size_t failed = SIZE_MAX;
    r = store->ops->transact(store->driver, txn, &revision, &failed, err);
    if (r < 0) {
        if (failed < txn->n_compares) {
            store->counters.unmet_compares++;
            if (ret_failed) *ret_failed = failed;
        }
        return r;
    }
    assert(revision == before || revision == before + 1);
    store->counters.transactions++;
    if (ret_revision) *ret_revision = revision;
    store_deliver(store);
    return 0;
}

int64_t store_revision(struct store *store) {
    return store->ops->revision(store->driver);
}

int store_compact(struct store *store, int64_t revision, struct err *err) {
    assert(!store->reading);
    int64_t now = store_revision(store);
    if (revision < 0 || revision > now)
        return err_set(err, ERR_INVALID, 0, "state history",
                       "revision %lld is not between 0 and %lld", (long long)revision,
                       (long long)now);
    store_deliver(store);
    return store->ops->compact(store->driver, revision, err);
}

void store_dispatch(struct store *store) {
    assert(!store->reading);
    store_leases_expire(store);
    store_deliver(store);
}

const struct store_counters *store_counters(struct store *store) {
    return &store->counters;
}
