// SPDX-License-Identifier: Apache-2.0
// Watches: who wants which changes, and their delivery from the driver's history.
//
// Invariants: (1) a live watch has been given every change of its prefix up to `seen`, and none
// after it; (2) nothing that a callback is given belongs to the driver, so a callback may use the
// store; (3) a watch is freed only while no delivery runs; until then it is `removed`.
#include "base/log.h"
#include "base/str.h"
#include "cloud/store/store_int.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

// Revisions that are copied at once: bounds the memory of a watch that starts far in the past.
#define BATCH_REVISIONS 64

struct store_watch {
    struct list node;
    struct store *store;
    char *prefix;
    store_watch_fn *fn;
    void *arg;
    int64_t seen;
    bool lost;     // its start is not in the history: told so by the next delivery
    bool ended;    // has been told
    bool in_batch; // was there when the batch that is being delivered was taken
    bool removed;
};

struct copy {
    enum store_event_kind kind;
    struct store_entry entry; // key and value in `data`
    char *data;
};

struct batch {
    struct store *store;
    VEC(struct copy) copies;
    bool failed; // out of memory
};

int store_watch(struct store *store, const char *prefix, int64_t after, store_watch_fn *fn,
                void *arg, struct store_watch **ret, struct err *err) {
    assert(!store->reading);
    int r = store_check_text("watch's prefix", prefix, 0, err);
    if (r < 0) return r;
    if (after < -1)
        return err_set(err, ERR_INVALID, 0, "watch", "there is no revision %lld", (long long)after);
    struct store_watch *watch = mem_try(struct store_watch);
    char *copy = mem_try_dup(prefix, strlen(prefix));
    if (!watch || !copy) {
        free(watch);
        free(copy);
        return err_set(err, ERR_NO_SPACE, ENOMEM, "watch", "no memory for it");
    }
    int64_t now = store_revision(store);
    *watch = (struct store_watch){.store = store, .prefix = copy, .fn = fn, .arg = arg};
    watch->seen = after < 0 ? now : after;
    watch->lost = after > now;
    list_add_tail(&store->watches, &watch->node);
    *ret = watch;
    return 0;
}

static void watch_free(struct store_watch *watch) {
    list_remove(&watch->node);
    free(watch->prefix);
    free(watch);
}

void store_unwatch(struct store_watch *watch) {
    if (!watch) return;
    watch->removed = true;
    if (!watch->store->delivering) watch_free(watch);
}

void store_watches_free(struct store *store) {
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node) watch_free(watch);
}

static bool is_live(const struct store_watch *watch) {
    return !watch->removed && !watch->ended;
}

static bool wants(const struct store_watch *watch, const struct store_entry *entry) {
    return is_live(watch) && !watch->lost && watch->seen < entry->mod_revision &&
           str_starts(entry->key, watch->prefix);
}

static bool anybody_wants(struct store *store, const struct store_entry *entry) {
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node)
        if (wants(watch, entry)) return true;
    return false;
}

static void collect(const struct store_event *event, void *arg) {
    struct batch *batch = arg;
    const struct store_entry *from = event->entry;
    if (batch->failed || !anybody_wants(batch->store, from)) return;
    size_t key_size = strlen(from->key) + 1, value_size = from->value ? from->size + 1 : 0;
    struct copy copy = {.kind = event->kind, .entry = *from};
    copy.data = mem_try_array(key_size + value_size, 1);
    if (!copy.data || !vec_try_add(&batch->copies, copy)) {
        free(copy.data);
        batch->failed = true;
        return;
    }
    struct store_entry *entry = &batch->copies.items[batch->copies.len - 1].entry;
    entry->key = memcpy(copy.data, from->key, key_size);
    if (from->value) entry->value = memcpy(copy.data + key_size, from->value, from->size);
}

static void batch_free(struct batch *batch) {
    for (size_t i = 0; i < batch->copies.len; i++) free(batch->copies.items[i].data);
    vec_free(&batch->copies);
}

static void tell(struct store_watch *watch, const struct store_event *event) {
    watch->store->counters.events++;
    watch->fn(event, watch->arg);
}

static void tell_lost(struct store *store) {
    const struct store_event event = {.kind = STORE_COMPACTED};
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node) {
        if (!is_live(watch) || !watch->lost) continue;
        watch->ended = true;
        tell(watch, &event);
    }
}

static void tell_batch(struct store *store, const struct batch *batch, int64_t upto) {
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node) watch->in_batch = !watch->lost;
    for (size_t i = 0; i < batch->copies.len; i++) {
        const struct copy *copy = &batch->copies.items[i];
        const struct store_event event = {copy->kind, &copy->entry};
        list_each (&store->watches, watch, struct store_watch, node) {
            if (watch->in_batch && wants(watch, &copy->entry)) tell(watch, &event);
        }
    }
    list_each (&store->watches, watch, struct store_watch, node) {
        if (watch->in_batch && watch->seen < upto) watch->seen = upto;
        watch->in_batch = false;
    }
}

// The least that a live watch has seen, `now` when all have seen everything; *ret_prefix is what
// all that are behind have in common.
static int64_t furthest_behind(struct store *store, int64_t now, const char **ret_prefix) {
    int64_t least = now;
    *ret_prefix = NULL;
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node) {
        if (!is_live(watch) || watch->lost || watch->seen >= now) continue;
        *ret_prefix = *ret_prefix ? "" : watch->prefix;
        if (watch->seen < least) least = watch->seen;
    }
    return least;
}

static void lose_from(struct store *store, int64_t seen) {
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node)
        if (watch->seen == seen) watch->lost = true;
}

// One batch for all. False: nothing is left, or it cannot be had now.
static bool deliver_batch(struct store *store) {
    const char *prefix;
    int64_t now = store_revision(store), from = furthest_behind(store, now, &prefix);
    if (from >= now) return false;
    int64_t upto = now - from > BATCH_REVISIONS ? from + BATCH_REVISIONS : now;
    struct batch batch = {.store = store};
    struct err err = {0};
    int r = store->ops->history(store->driver, prefix, from, upto, collect, &batch, &err);
    if (r < 0 && err.kind == ERR_CHANGED) {
        lose_from(store, from);
        tell_lost(store);
    } else if (r < 0 || batch.failed) {
        LOG_DEBUG("state changes wait for delivery", "from=%lld upto=%lld cause=\"%s\"",
                  (long long)from, (long long)upto, batch.failed ? "no memory" : err.cause);
    } else {
        tell_batch(store, &batch, upto);
    }
    batch_free(&batch);
    return !batch.failed && (r == 0 || err.kind == ERR_CHANGED);
}

void store_deliver(struct store *store) {
    if (store->delivering || list_empty(&store->watches)) return;
    store->delivering = true;
    do {
        tell_lost(store);
    } while (deliver_batch(store));
    store->delivering = false;
    struct store_watch *watch;
    list_each (&store->watches, watch, struct store_watch, node)
        if (watch->removed) watch_free(watch);
}
