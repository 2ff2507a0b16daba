// SPDX-License-Identifier: Apache-2.0
// A set of changes on its way to the store: see cloud/object.h.
#include "cloud/object.h"

#include "base/str.h"
#include "base/vec.h"
#include "cloud/event.h"

#include <errno.h>
#include <stdlib.h>

#define EVENTS_DROPPED_AT_ONCE 4

struct changes {
    struct cloud *cloud;
    VEC(struct store_change) changes;
    VEC(struct store_compare) compares;
    struct strv keys, values; // memory of both
    uint64_t first_event;     // older ones go with this transaction; 0: none go
};

struct changes *changes_new(struct cloud *cloud) {
    struct changes *c = mem_new(struct changes);
    c->cloud = cloud;
    return c;
}

static void changes_free(struct changes *c) {
    vec_free(&c->changes);
    vec_free(&c->compares);
    strv_free(&c->keys);
    strv_free(&c->values);
    free(c);
}

static struct store_change *find_change(struct changes *c, const char *key) {
    for (size_t i = 0; i < c->changes.len; i++)
        if (strcmp(c->changes.items[i].key, key) == 0) return &c->changes.items[i];
    return NULL;
}

const char *changes_pending(struct changes *c, const char *key) {
    const struct store_change *change = find_change(c, key);
    return change ? change->value : NULL;
}

// A later change of the same key takes the place of the earlier one; what that demanded stays demanded.
static void add_change(struct changes *c, const char *key, char *value, int64_t if_revision) {
    struct store_change *earlier = find_change(c, key);
    if (earlier) {
        if (value) strv_add_take(&c->values, value);
        earlier->value = value;
        earlier->size = value ? strlen(value) : 0;
        return;
    }
    strv_add(&c->keys, key);
    const char *kept = c->keys.items[c->keys.len - 1];
    if (value) strv_add_take(&c->values, value);
    vec_add(&c->changes,
            (struct store_change){.key = kept, .value = value, .size = value ? strlen(value) : 0});
    if (if_revision == CHANGES_ANY) return;
    vec_add(&c->compares,
            (struct store_compare){.key = kept,
                                   .kind = if_revision == CHANGES_NEW ? STORE_IF_ABSENT
                                                                      : STORE_IF_REVISION,
                                   .mod_revision = if_revision});
}

size_t changes_room(const struct changes *c) {
    size_t used = c->changes.len + c->compares.len;
    return used < STORE_TXN_MAX ? STORE_TXN_MAX - used : 0;
}

void changes_put_text(struct changes *c, const char *key, const char *text, int64_t if_revision) {
    add_change(c, key, mem_strdup(text), if_revision);
}

void changes_put(struct changes *c, const char *key, json_t *doc, int64_t if_revision) {
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    // json_dumps fails only without memory: an empty object would lose data, so this aborts like mem_new.
    if (!text) abort();
    add_change(c, key, text, if_revision);
}

void changes_delete(struct changes *c, const char *key, int64_t if_revision) {
    add_change(c, key, NULL, if_revision);
}

void changes_event(struct changes *c, const char *type, enum object_kind kind, const char *project,
                   const char *name, const char *id, json_t *detail) {
    uint64_t first = c->first_event ? c->first_event : events_first(c->cloud->events);
    uint64_t seq = events_reserve(c->cloud->events);
    json_t *doc = json_pack("{s:I, s:o, s:s, s:{s:s, s:s, s:s, s:s}, s:o}", "sequence",
                            (json_int_t)seq, "time", json_now(c->cloud), "type", type, "object",
                            "kind", object_kind_word(kind), "project", project, "name", name, "id",
                            id, "detail", detail ? detail : json_object());
    char key[64];
    snprintf(key, sizeof(key), EVENT_KEY_PREFIX "%020llu", (unsigned long long)seq);
    changes_put(c, key, doc, CHANGES_ANY);
    // A few at a time: a transaction is bounded.
    uint64_t last = first + EVENTS_DROPPED_AT_ONCE;
    for (uint64_t old = first; old + EVENTS_KEPT <= seq && old < last; old++) {
        snprintf(key, sizeof(key), EVENT_KEY_PREFIX "%020llu", (unsigned long long)old);
        changes_delete(c, key, CHANGES_ANY);
        c->first_event = old + 1;
    }
}

int changes_commit(struct changes *c, bool durable, struct err *err) {
    struct store_txn txn = {.compares = c->compares.items,
                            .n_compares = c->compares.len,
                            .changes = c->changes.items,
                            .n_changes = c->changes.len,
                            .durable = durable};
    size_t failed = 0;
    struct err why = {0};
    int rc = store_transact(c->cloud->store, &txn, NULL, &failed, &why);
    if (rc == 0 && c->first_event) events_forget(c->cloud->events, c->first_event);
    if (rc < 0 && why.kind == ERR_CHANGED) {
        store_dispatch(c->cloud->store); // what the cache missed, if that was the reason
        const char *key = c->compares.items[failed].key;
        if (c->compares.items[failed].kind == STORE_IF_ABSENT) {
            const char *name = strrchr(key, '/') + 1;
            rc = err_set(err, ERR_EXISTS, 0, name, "an object of this name exists");
            rc = err_next(err, "choose another name, or remove the existing one first");
        } else {
            rc = err_set(err, ERR_CHANGED, 0, strrchr(key, '/') + 1,
                         "somebody else changed it in the meantime");
            rc = err_next(err, "read it again and repeat the change");
        }
    } else if (rc < 0 && err) {
        *err = why;
    }
    changes_free(c);
    return rc;
}
