// SPDX-License-Identifier: Apache-2.0
// The suite's frame: beds, fixtures and the short forms of its cases.
#include "store_conformance.h"

#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>

int64_t put_lease(struct store *store, const char *key, const char *value, int64_t lease) {
    struct store_change change = {.key = key,
                                  .value = value,
                                  .size = value ? strlen(value) : 0,
                                  .lease = lease};
    struct store_txn txn = {.changes = &change, .n_changes = 1};
    struct err err = {0};
    int64_t revision = -1;
    if (store_transact(store, &txn, &revision, NULL, &err) < 0) {
        err_print(&err);
        fail_msg("cannot change %s", key);
    }
    return revision;
}

int64_t put(struct store *store, const char *key, const char *value) {
    return put_lease(store, key, value, 0);
}

int64_t drop(struct store *store, const char *key) {
    return put_lease(store, key, NULL, 0);
}

void expect_stored(struct store *store, const char *key, const char *value) {
    struct store_entry entry;
    struct err err = {0};
    int r = store_get(store, key, &entry, &err);
    if (!value) {
        assert_true(r < 0);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(r, 0);
    assert_string_equal(entry.key, key);
    assert_int_equal(entry.size, strlen(value));
    assert_string_equal(entry.value, value);
}

struct key_text {
    char *buf;
    size_t size, len;
};

static int add_key(const struct store_entry *entry, void *arg) {
    struct key_text *text = arg;
    int n = snprintf(text->buf + text->len, text->size - text->len, "%s%s", text->len ? " " : "",
                     entry->key);
    text->len += (size_t)n;
    assert_true(text->len < text->size);
    return 0;
}

const char *keys(struct store *store, const char *prefix, const char *after, size_t limit,
                 char *buf, size_t size) {
    struct key_text text = {buf, size, 0};
    int64_t revision = -1;
    buf[0] = 0;
    assert_int_equal(store_list(store, prefix, after, limit, add_key, &text, &revision, NULL), 0);
    assert_true(revision == store_revision(store));
    return buf;
}

void see(const struct store_event *event, void *arg) {
    struct seen *seen = arg;
    char *to = seen->text + seen->len;
    size_t room = sizeof(seen->text) - seen->len;
    const char *gap = seen->len ? " " : "";
    int n = 0;
    switch (event->kind) {
    case STORE_PUT:
        assert_int_equal(event->entry->value[event->entry->size], 0);
        n = snprintf(to, room, "%s+%s=%s@%lld", gap, event->entry->key, event->entry->value,
                     (long long)event->entry->mod_revision);
        break;
    case STORE_DELETE:
        assert_null(event->entry->value);
        n = snprintf(to, room, "%s-%s@%lld", gap, event->entry->key,
                     (long long)event->entry->mod_revision);
        break;
    case STORE_COMPACTED:
        assert_null(event->entry);
        n = snprintf(to, room, "%s!", gap);
        break;
    }
    seen->len += (size_t)n;
    assert_true(seen->len < sizeof(seen->text));
}

const char *seen_since(struct seen *seen) {
    seen->text[seen->len] = 0;
    seen->len = 0;
    return seen->text;
}

void reopen(struct fixture *f) {
    if (!f->bed->keeps) return;
    store_close(f->store);
    f->store = f->bed->open(&f->warp, f->bed->arg);
}

static int setup(void **state) {
    struct fixture *f = mem_new(struct fixture);
    f->bed = *state;
    clock_warp_init(&f->warp, 1000 * SEC_NS);
    if (f->bed->erase) f->bed->erase(f->bed->arg);
    f->store = f->bed->open(&f->warp, f->bed->arg);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    store_close(f->store);
    if (f->bed->erase) f->bed->erase(f->bed->arg);
    free(f);
    return 0;
}

int store_conformance_run(const struct store_bed *bed) {
    static const struct store_case *const subjects[] = {STORE_MAP_CASES, STORE_TXN_CASES,
                                                        STORE_WATCH_CASES, STORE_LEASE_CASES,
                                                        STORE_RANDOM_CASES};
    VEC(struct CMUnitTest) tests = {0};
    for (size_t i = 0; i < array_len(subjects); i++)
        for (const struct store_case *c = subjects[i]; c->fn; c++)
            if (bed->keeps || !c->keeps)
                vec_add(&tests, (struct CMUnitTest){c->name, c->fn, setup, teardown, (void *)bed});
    int failed = _cmocka_run_group_tests(bed->name, tests.items, tests.len, NULL, NULL);
    vec_free(&tests);
    return failed;
}
