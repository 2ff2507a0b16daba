// SPDX-License-Identifier: Apache-2.0
// A long random script against a model that is too simple to be wrong: an array of 24 keys and a
// list of all that ever changed.
#include "base/vec.h"
#include "cloud/store/driver.h"
#include "store_conformance.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 24
#define LEASES 4
#define STEPS 6000

struct model_key {
    bool present;
    int value;
    int64_t create_revision, mod_revision, lease;
};
struct model_change {
    int key, value; // value -1: deleted
    int64_t revision;
};
struct model {
    struct fixture *f;
    uint64_t random;
    struct model_key keys[KEYS];
    struct {
        int64_t id, ttl_ns, end_ns;
    } leases[LEASES]; // id 0: none
    VEC(struct model_change) changes;
    int64_t revision;
    struct store_watch *watch;
    size_t watched; // changes that the watch has shown
};

static unsigned roll(struct model *m, unsigned n) {
    m->random ^= m->random << 13; // xorshift64
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 11) % n);
}

static const char *key_name(int i, char buf[16]) {
    snprintf(buf, 16, "/%c/%02d", "ab"[i % 2], i);
    return buf;
}

static void check_event(const struct store_event *event, void *arg) {
    struct model *m = arg;
    assert_int_not_equal(event->kind, STORE_COMPACTED);
    assert_true(m->watched < m->changes.len);
    const struct model_change *want = &m->changes.items[m->watched++];
    char name[16];
    assert_string_equal(event->entry->key, key_name(want->key, name));
    assert_true(event->entry->mod_revision == want->revision);
    assert_int_equal(event->kind, want->value < 0 ? STORE_DELETE : STORE_PUT);
    if (want->value >= 0) assert_int_equal(atoi(event->entry->value), want->value);
}

static void start_watch(struct model *m) {
    int64_t after = m->watched ? m->changes.items[m->watched - 1].revision : 0;
    assert_int_equal(store_watch(m->f->store, "", after, check_event, m, &m->watch, NULL), 0);
}

static void note(struct model *m, int key, int value, int64_t lease) {
    struct model_key *k = &m->keys[key];
    if (value < 0) {
        *k = (struct model_key){0};
    } else {
        if (!k->present) k->create_revision = m->revision;
        k->present = true;
        k->value = value;
        k->mod_revision = m->revision;
        k->lease = lease;
    }
    vec_add(&m->changes, (struct model_change){key, value, m->revision});
}

// A comparison that holds or not; says which.
static bool roll_compare(struct model *m, struct store_compare *c, char name[16]) {
    int key = (int)roll(m, KEYS);
    const struct model_key *k = &m->keys[key];
    c->key = key_name(key, name);
    c->kind = (enum store_compare_kind)roll(m, 3);
    c->mod_revision = roll(m, 4) ? k->mod_revision : k->mod_revision + 1;
    if (c->kind == STORE_IF_ABSENT) return !k->present;
    if (c->kind == STORE_IF_PRESENT) return k->present;
    return k->present && c->mod_revision == k->mod_revision;
}

static void step_transact(struct model *m) {
    struct store_compare compares[2];
    struct store_change changes[6];
    char names[8][16], values[6][16];
    int order[KEYS], numbers[6];
    size_t n_compares = roll(m, 4) ? 0 : 1 + roll(m, 2), n_changes = roll(m, 7);
    size_t unmet = SIZE_MAX;
    for (size_t i = 0; i < n_compares; i++)
        if (!roll_compare(m, &compares[i], names[i]) && unmet == SIZE_MAX) unmet = i;
    for (int i = 0; i < KEYS; i++) order[i] = i;
    bool any = false;
    for (size_t i = 0; i < n_changes; i++) {
        unsigned pick = (unsigned)i + roll(m, KEYS - (unsigned)i);
        int key = order[pick];
        order[pick] = order[i];
        order[i] = key;
        changes[i] = (struct store_change){.key = key_name(key, names[2 + i])};
        numbers[i] = roll(m, 3) ? (int)roll(m, 1000) : -1;
        any = any || numbers[i] >= 0 || m->keys[key].present;
        if (numbers[i] < 0) continue;
        changes[i].size = (size_t)snprintf(values[i], sizeof(values[i]), "%d", numbers[i]);
        changes[i].value = values[i];
        if (roll(m, 3) == 0) changes[i].lease = m->leases[roll(m, LEASES)].id;
    }
    if (unmet == SIZE_MAX && any) {
        m->revision++;
        for (size_t i = 0; i < n_changes; i++)
            if (numbers[i] >= 0 || m->keys[order[i]].present)
                note(m, order[i], numbers[i], changes[i].lease);
    }
    struct store_txn txn = {compares, n_compares, changes, n_changes, roll(m, 50) == 0};
    size_t failed = SIZE_MAX;
    int64_t revision = -1;
    int r = store_transact(m->f->store, &txn, &revision, &failed, NULL);
    assert_int_equal(r < 0, unmet != SIZE_MAX);
    assert_true(failed == unmet);
    if (r == 0) assert_true(revision == m->revision);
}

static void note_lease_end(struct model *m, int64_t lease) {
    bool any = false;
    for (int pass = 0; pass < 2; pass++) // key order: "/a/…" are the even ones
        for (int i = pass; i < KEYS; i += 2) {
            if (m->keys[i].lease != lease) continue;
            if (!any) m->revision++;
            any = true;
            note(m, i, -1, 0);
        }
}

static void step_lease(struct model *m) {
    size_t i = roll(m, LEASES);
    int64_t now = clock_monotonic(&m->f->warp.clock);
    if (m->leases[i].id == 0) {
        m->leases[i].ttl_ns = (1 + roll(m, 9)) * SEC_NS + (int64_t)roll(m, 1000);
        m->leases[i].end_ns = now + m->leases[i].ttl_ns;
        assert_int_equal(store_lease_grant(m->f->store, m->leases[i].ttl_ns, &m->leases[i].id,
                                           NULL),
                         0);
    } else if (roll(m, 3)) {
        m->leases[i].end_ns = now + m->leases[i].ttl_ns;
        assert_int_equal(store_lease_renew(m->f->store, m->leases[i].id, NULL), 0);
    } else {
        note_lease_end(m, m->leases[i].id);
        assert_int_equal(store_lease_revoke(m->f->store, m->leases[i].id, NULL), 0);
        m->leases[i].id = 0;
    }
}

static void step_time(struct model *m) {
    clock_warp_advance(&m->f->warp, (int64_t)roll(m, 2000) * MSEC_NS);
    for (;;) {
        size_t first = SIZE_MAX;
        for (size_t i = 0; i < LEASES; i++) {
            if (m->leases[i].id == 0 || m->leases[i].end_ns > clock_monotonic(&m->f->warp.clock))
                continue;
            if (first == SIZE_MAX || m->leases[i].end_ns < m->leases[first].end_ns) first = i;
        }
        if (first == SIZE_MAX) break;
        note_lease_end(m, m->leases[first].id);
        m->leases[first].id = 0;
    }
    store_dispatch(m->f->store);
}

static void step_reopen(struct model *m) {
    if (m->f->bed->keeps) {
        reopen(m->f);
        for (size_t i = 0; i < LEASES; i++)
            m->leases[i].end_ns = clock_monotonic(&m->f->warp.clock) + m->leases[i].ttl_ns;
    } else {
        store_unwatch(m->watch);
    }
    if (m->watched > 3) m->watched -= roll(m, 3);
    while (m->watched > 0 && m->watched < m->changes.len &&
           m->changes.items[m->watched - 1].revision == m->changes.items[m->watched].revision)
        m->watched--; // a watch starts between revisions
    start_watch(m);
}

struct walk {
    struct model *m;
    int at;
};

static int check_entry(const struct store_entry *entry, void *arg) {
    struct walk *walk = arg;
    while (!walk->m->keys[walk->at].present) walk->at += 2;
    const struct model_key *want = &walk->m->keys[walk->at];
    char name[16];
    assert_string_equal(entry->key, key_name(walk->at, name));
    assert_int_equal(atoi(entry->value), want->value);
    assert_true(entry->create_revision == want->create_revision);
    assert_true(entry->mod_revision == want->mod_revision);
    assert_true(entry->lease == want->lease);
    walk->at += 2;
    return 0;
}

static void check_all(struct model *m) {
    assert_true(store_revision(m->f->store) == m->revision);
    assert_int_equal(m->watched, m->changes.len);
    for (int half = 0; half < 2; half++) {
        struct walk walk = {m, half};
        const char *prefix = half ? "/b/" : "/a/";
        int present = 0, listed = 0;
        assert_int_equal(store_list(m->f->store, prefix, NULL, 0, check_entry, &walk, NULL, NULL),
                         0);
        for (int i = half; i < KEYS; i += 2) {
            present += m->keys[i].present;
            listed += m->keys[i].present && i < walk.at;
        }
        assert_int_equal(present, listed);
    }
}

static void a_random_script_ends_as_the_model(void **state) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct model m = {.f = *state, .random = seed * 0x9e3779b97f4a7c15};
        if (seed > 1) { // a fresh store for every script
            if (!m.f->bed->erase && m.f->bed->keeps) break;
            store_close(m.f->store);
            if (m.f->bed->erase) m.f->bed->erase(m.f->bed->arg);
            m.f->store = m.f->bed->open(&m.f->warp, m.f->bed->arg);
        }
        start_watch(&m);
        for (int i = 0; i < STEPS; i++) {
            unsigned kind = roll(&m, 100);
            if (kind < 80)
                step_transact(&m);
            else if (kind < 90)
                step_lease(&m);
            else if (kind < 99)
                step_time(&m);
            else
                step_reopen(&m);
            store_dispatch(m.f->store);
            if (i % 16 == 0) check_all(&m);
        }
        check_all(&m);
        store_unwatch(m.watch);
        vec_free(&m.changes);
    }
}

const struct store_case STORE_RANDOM_CASES[] = {
    STORE_CASE(a_random_script_ends_as_the_model),
    {0},
};
