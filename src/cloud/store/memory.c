// SPDX-License-Identifier: Apache-2.0
// The store in memory: a sorted array of entries and an array of what changed, which share their
// records. For tests, and the shortest driver to read.
//
// Invariant: a call allocates all that it needs before it changes anything, so without memory the
// state is as before.
#include "base/str.h"
#include "base/vec.h"
#include "cloud/store/driver.h"

#include <errno.h>
#include <stdlib.h>

// One version of a key; immutable. value NULL: its deletion.
struct record {
    int users; // arrays that hold it
    int64_t revision, create_revision, lease;
    size_t size;
    char *value; // points behind key
    char key[];
};

struct lease {
    int64_t id, ttl_ns;
};

struct store_driver {
    VEC(struct record *) entries; // by key
    VEC(struct record *) changes; // by revision
    VEC(struct lease) leases;
    int64_t revision, compacted, last_lease;
};

static void record_unref(struct record *record) {
    if (record && --record->users == 0) free(record);
}

static struct record *record_new(const struct store_change *change, int64_t revision) {
    size_t key_size = strlen(change->key) + 1;
    size_t value_size = change->value ? change->size + 1 : 0;
    struct record *record = mem_try_zalloc(sizeof(*record) + key_size + value_size);
    if (!record) return NULL;
    memcpy(record->key, change->key, key_size);
    record->revision = record->create_revision = revision;
    record->lease = change->lease;
    if (change->value) {
        record->size = change->size;
        record->value = record->key + key_size;
        if (change->size > 0) memcpy(record->value, change->value, change->size);
    }
    return record;
}

static struct store_entry entry_of(const struct record *record) {
    if (!record->value)
        return (struct store_entry){.key = record->key, .mod_revision = record->revision};
    return (struct store_entry){
        .key = record->key,
        .value = record->value,
        .size = record->size,
        .create_revision = record->create_revision,
        .mod_revision = record->revision,
        .lease = record->lease,
    };
}

// The first entry whose key is not less.
static size_t lower_bound(struct store_driver *d, const char *key) {
    size_t low = 0, high = d->entries.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(d->entries.items[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct record *find(struct store_driver *d, const char *key) {
    size_t at = lower_bound(d, key);
    if (at == d->entries.len || strcmp(d->entries.items[at]->key, key) != 0) return NULL;
    return d->entries.items[at];
}

static int memory_get(struct store_driver *d, const char *key, struct store_entry *ret,
                      struct err *err) {
    struct record *record = find(d, key);
    if (!record) return -ENOENT;
    *ret = entry_of(record);
    return 0;
}

static int memory_list(struct store_driver *d, const char *prefix, const char *after, size_t limit,
                       store_each_fn *fn, void *arg, int64_t *ret_revision, struct err *err) {
    size_t at = lower_bound(d, prefix);
    if (after && strcmp(after, prefix) >= 0) {
        at = lower_bound(d, after);
        if (at < d->entries.len && strcmp(d->entries.items[at]->key, after) == 0) at++;
    }
    for (size_t n = 0; at < d->entries.len && (limit == 0 || n < limit); at++, n++) {
        if (!str_starts(d->entries.items[at]->key, prefix)) break;
        struct store_entry entry = entry_of(d->entries.items[at]);
        if (fn(&entry, arg) < 0) break;
    }
    *ret_revision = d->revision;
    return 0;
}

static bool holds(struct store_driver *d, const struct store_compare *compare) {
    struct record *record = find(d, compare->key);
    if (compare->kind == STORE_IF_ABSENT) return !record;
    if (compare->kind == STORE_IF_PRESENT) return record;
    return record && record->revision == compare->mod_revision;
}

static void forget(struct store_driver *d, int64_t revision) {
    size_t n = 0;
    while (n < d->changes.len && d->changes.items[n]->revision <= revision)
        record_unref(d->changes.items[n++]);
    if (n > 0) {
        d->changes.len -= n;
        memmove(d->changes.items, d->changes.items + n, d->changes.len * sizeof(struct record *));
    }
    d->compacted = revision;
}

// Put a record in its place; the room for it has been made.
static void apply(struct store_driver *d, struct record *record) {
    size_t at = lower_bound(d, record->key);
    bool there = at < d->entries.len && strcmp(d->entries.items[at]->key, record->key) == 0;
    struct record **place = &d->entries.items[at];
    if (there && record->value) record->create_revision = (*place)->create_revision;
    if (there) record_unref(*place);
    if (record->value) {
        if (!there) memmove(place + 1, place, (d->entries.len++ - at) * sizeof(*place));
        *place = record;
        record->users++;
    } else {
        vec_remove(&d->entries, at);
    }
    d->changes.items[d->changes.len++] = record;
    record->users++;
}

static int no_memory(struct err *err) {
    return err_set(err, ERR_NO_SPACE, ENOMEM, "state", "no memory for the change");
}

// Make the changes that have an effect; deletions of what is absent have none.
static int change_all(struct store_driver *d, const struct store_change *changes, size_t n,
                      struct err *err) {
    struct record **records = mem_try_array(n ? n : 1, sizeof(*records));
    size_t count = 0;
    bool fits = records &&
                vec_grow((void **)&d->entries.items, &d->entries.cap, d->entries.len + n,
                         sizeof(*d->entries.items)) &&
                vec_grow((void **)&d->changes.items, &d->changes.cap, d->changes.len + n,
                         sizeof(*d->changes.items));
    for (size_t i = 0; fits && i < n; i++) {
        if (!changes[i].value && !find(d, changes[i].key)) continue;
        records[count] = record_new(&changes[i], d->revision + 1);
        if (records[count])
            count++;
        else
            fits = false;
    }
    if (fits && count > 0) {
        d->revision++;
        for (size_t i = 0; i < count; i++) apply(d, records[i]);
        int64_t cut = store_history_cut(d->revision, d->compacted);
        if (cut > 0) forget(d, cut);
    }
    for (size_t i = 0; !fits && i < count; i++) free(records[i]);
    free(records);
    return fits ? 0 : no_memory(err);
}

static int memory_transact(struct store_driver *d, const struct store_txn *txn,
                           int64_t *ret_revision, size_t *ret_failed, struct err *err) {
    for (size_t i = 0; i < txn->n_compares; i++) {
        if (holds(d, &txn->compares[i])) continue;
        *ret_failed = i;
        return err_set(err, ERR_CHANGED, 0, txn->compares[i].key,
                       "it is not in the expected state any more");
    }
    int r = change_all(d, txn->changes, txn->n_changes, err);
    if (r == 0) *ret_revision = d->revision;
    return r;
}

static int64_t memory_revision(struct store_driver *d) {
    return d->revision;
}

static int memory_history(struct store_driver *d, const char *prefix, int64_t after, int64_t upto,
                          void (*fn)(const struct store_event *event, void *arg), void *arg,
                          struct err *err) {
    if (after < d->compacted)
        return err_set(err, ERR_CHANGED, 0, "state history", "revision %lld is no longer kept",
                       (long long)after);
    size_t low = 0, high = d->changes.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->changes.items[middle]->revision <= after)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < d->changes.len && d->changes.items[low]->revision <= upto; low++) {
        struct record *record = d->changes.items[low];
        if (!str_starts(record->key, prefix)) continue;
        struct store_entry entry = entry_of(record);
        fn(&(struct store_event){record->value ? STORE_PUT : STORE_DELETE, &entry}, arg);
    }
    return 0;
}

static int memory_compact(struct store_driver *d, int64_t revision, struct err *err) {
    if (revision > d->compacted) forget(d, revision);
    return 0;
}

static int memory_lease_grant(struct store_driver *d, int64_t ttl_ns, int64_t *ret_lease,
                              struct err *err) {
    if (!vec_grow((void **)&d->leases.items, &d->leases.cap, d->leases.len + 1,
                  sizeof(*d->leases.items)))
        return no_memory(err);
    d->leases.items[d->leases.len].id = *ret_lease = ++d->last_lease;
    d->leases.items[d->leases.len++].ttl_ns = ttl_ns;
    return 0;
}

static int memory_lease_end(struct store_driver *d, int64_t lease, struct err *err) {
    VEC(struct store_change) changes = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < d->entries.len; i++) {
        if (d->entries.items[i]->lease != lease) continue;
        // The change's key lives as long as its entry, which change_all copies it from first.
        if (!vec_try_add(&changes, (struct store_change){.key = d->entries.items[i]->key}))
            r = no_memory(err);
    }
    if (r == 0) r = change_all(d, changes.items, changes.len, err);
    vec_free(&changes);
    for (size_t i = 0; r == 0 && i < d->leases.len; i++) {
        if (d->leases.items[i].id != lease) continue;
        vec_remove(&d->leases, i);
        break;
    }
    return r;
}

static int memory_lease_each(struct store_driver *d,
                             void (*fn)(int64_t lease, int64_t ttl_ns, void *arg), void *arg,
                             struct err *err) {
    for (size_t i = 0; i < d->leases.len; i++)
        fn(d->leases.items[i].id, d->leases.items[i].ttl_ns, arg);
    return 0;
}

static void memory_close(struct store_driver *d) {
    for (size_t i = 0; i < d->entries.len; i++) record_unref(d->entries.items[i]);
    for (size_t i = 0; i < d->changes.len; i++) record_unref(d->changes.items[i]);
    vec_free(&d->entries);
    vec_free(&d->changes);
    vec_free(&d->leases);
    free(d);
}

static const struct store_ops MEMORY_OPS = {
    .name = "memory",
    .get = memory_get,
    .list = memory_list,
    .transact = memory_transact,
    .revision = memory_revision,
    .history = memory_history,
    .compact = memory_compact,
    .lease_grant = memory_lease_grant,
    .lease_end = memory_lease_end,
    .lease_each = memory_lease_each,
    .close = memory_close,
};

int store_open_memory(struct clock *clock, struct store **ret, struct err *err) {
    return store_new(&MEMORY_OPS, mem_new(struct store_driver), clock, ret, err);
}
