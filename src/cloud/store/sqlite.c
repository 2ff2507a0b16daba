// SPDX-License-Identifier: Apache-2.0
// The store in one SQLite database (sqlite_schema.c): write-ahead log, one connection that owns the
// file, statements kept. Nothing runs between calls.
//
// Invariants: (1) `revision` and `compacted` are what the committed database says; (2) no statement
// and no transaction is open between calls; (3) a durable commit synchronizes the log and thereby
// all commits before it, others reach the disk with the next durable one or checkpoint;
// (4) a transaction without effect that is to be durable writes all the same when commits before it
// may not be on the disk.
#include "base/log.h"
#include "base/mem.h"
#include "cloud/store/driver.h"
#include "cloud/store/sqlite_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACE_SHIFT 24        // changes.place: room for 16 million keys that end with one lease
#define CHECKPOINT_FRAMES 500 // 4 MB of log: what a start reads, and a checkpoint writes, at most

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    FIND,
    GET,
    LIST,
    PUT,
    DELETE,
    LOG,
    HISTORY,
    FORGET,
    SET_COMPACTED,
    BARRIER,
    LEASE_GRANT,
    LEASE_LOG,
    LEASE_KEYS,
    LEASE_END,
    LEASE_EACH,
    STATEMENTS,
};

static const char *const SQL[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [FIND] = "SELECT mod_revision, create_revision FROM entries WHERE key = ?1",
    [GET] = "SELECT key, create_revision, mod_revision, lease, value FROM entries WHERE key = ?1",
    [LIST] = "SELECT key, create_revision, mod_revision, lease, value FROM entries"
             " WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    [PUT] = "REPLACE INTO entries(key, create_revision, mod_revision, lease, value)"
            " VALUES (?1, ?2, ?3, ?4, ?5)",
    [DELETE] = "DELETE FROM entries WHERE key = ?1",
    [LOG] = "INSERT INTO changes(place, kind, key, create_revision, lease, value)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [HISTORY] = "SELECT key, create_revision, revision, lease, value, kind FROM changes"
                " WHERE place >= ?1 AND place < ?2 AND key >= ?3 AND key < ?4 ORDER BY place",
    [FORGET] = "DELETE FROM changes WHERE place < ?1",
    [SET_COMPACTED] = "UPDATE meta SET value = ?1 WHERE name = 'compacted'",
    [BARRIER] = "UPDATE meta SET value = value + 1 WHERE name = 'barrier'",
    [LEASE_GRANT] = "INSERT INTO leases(ttl_ns) VALUES (?1)",
    [LEASE_LOG] = "INSERT INTO changes(place, kind, key, create_revision, lease)"
                  " SELECT ?2 + row_number() OVER (ORDER BY key) - 1, 1, key, 0, 0 FROM entries"
                  " WHERE lease = ?1 AND lease != 0",
    [LEASE_KEYS] = "DELETE FROM entries WHERE lease = ?1 AND lease != 0",
    [LEASE_END] = "DELETE FROM leases WHERE id = ?1",
    [LEASE_EACH] = "SELECT id, ttl_ns FROM leases ORDER BY id",
};

struct store_driver {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statements[STATEMENTS];
    char *borrowed; // what the last get gave
    int64_t revision, compacted;
    bool full_sync;         // the mode that the connection is in
    bool unsynced;          // a commit may be in the log only as far as the page cache
    int64_t changes_before; // rows that the connection had changed when the transaction began
    int frames;             // in the log
    int checkpoint_at;      // frames that call for the next checkpoint
};

// --- statements ---

static int fail(struct store_driver *d, int rc, const char *doing, struct err *err) {
    return sqlite_fail(d->db, d->path, rc, doing, err);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text) {
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

// Run one that gives no rows.
static int run(struct store_driver *d, enum statement which, const char *doing, struct err *err) {
    sqlite3_stmt *s = d->statements[which];
    int rc = sqlite3_step(s);
    int r = rc == SQLITE_DONE ? 0 : fail(d, rc, doing, err);
    sqlite3_reset(s);
    return r;
}

static int run_number(struct store_driver *d, enum statement which, int64_t number,
                      const char *doing, struct err *err) {
    sqlite3_bind_int64(d->statements[which], 1, number);
    return run(d, which, doing, err);
}

// The first five columns of GET, LIST and HISTORY. A blob that is asked for as text comes with its
// terminating 0. False: out of memory.
static bool read_row(sqlite3_stmt *s, struct store_entry *ret) {
    bool has_value = sqlite3_column_type(s, 4) != SQLITE_NULL;
    *ret = (struct store_entry){
        .key = (const char *)sqlite3_column_text(s, 0),
        .value = has_value ? (const char *)sqlite3_column_text(s, 4) : NULL,
        .create_revision = sqlite3_column_int64(s, 1),
        .mod_revision = sqlite3_column_int64(s, 2),
        .lease = sqlite3_column_int64(s, 3),
    };
    ret->size = has_value ? (size_t)sqlite3_column_bytes(s, 4) : 0;
    return ret->key && (!has_value || ret->value);
}

// --- reading ---

static int sqlite_get(struct store_driver *d, const char *key, struct store_entry *ret,
                      struct err *err) {
    sqlite3_stmt *s = d->statements[GET];
    bind_text(s, 1, key);
    int rc = sqlite3_step(s), r = 0;
    char *copy = NULL;
    if (rc == SQLITE_ROW) {
        size_t key_size = strlen(key) + 1;
        bool ok = read_row(s, ret) && (copy = mem_try_zalloc(key_size + ret->size + 1));
        if (ok) {
            ret->key = memcpy(copy, key, key_size);
            ret->value = memcpy(copy + key_size, ret->value, ret->size);
            free(d->borrowed); // last: the key may be in it
            d->borrowed = copy;
        } else {
            r = fail(d, SQLITE_NOMEM, "reading", err);
        }
    } else {
        r = rc == SQLITE_DONE ? -ENOENT : fail(d, rc, "reading", err);
    }
    sqlite3_reset(s);
    return r;
}

// Keys with a prefix are those from it up to it with its last byte raised. UTF-8 has no byte 0xff.
static void bind_range(sqlite3_stmt *s, int at, const char *from, const char *prefix,
                       char end[STORE_KEY_MAX + 2]) {
    size_t size = strlen(prefix);
    memcpy(end, size ? prefix : "\xff", size ? size + 1 : 2);
    if (size) end[size - 1] = (char)((unsigned char)end[size - 1] + 1);
    bind_text(s, at, from);
    bind_text(s, at + 1, end);
}

static int sqlite_list(struct store_driver *d, const char *prefix, const char *after, size_t limit,
                       store_each_fn *fn, void *arg, int64_t *ret_revision, struct err *err) {
    sqlite3_stmt *s = d->statements[LIST];
    char from[STORE_KEY_MAX + 2], end[STORE_KEY_MAX + 2];
    if (after && strcmp(after, prefix) >= 0) // its successor, as no key holds a 0
        snprintf(from, sizeof(from), "%s\x01", after);
    else
        snprintf(from, sizeof(from), "%s", prefix);
    bind_range(s, 1, from, prefix, end);
    sqlite3_bind_int64(s, 3, limit == 0 || limit > INT64_MAX ? -1 : (int64_t)limit);
    int rc, r = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_entry entry;
        if (!read_row(s, &entry)) rc = SQLITE_NOMEM;
        if (rc != SQLITE_ROW || fn(&entry, arg) < 0) break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) r = fail(d, rc, "listing", err);
    sqlite3_reset(s);
    *ret_revision = d->revision;
    return r;
}

static int64_t sqlite_revision(struct store_driver *d) {
    return d->revision;
}

static int sqlite_history(struct store_driver *d, const char *prefix, int64_t after, int64_t upto,
                          void (*fn)(const struct store_event *event, void *arg), void *arg,
                          struct err *err) {
    if (after < d->compacted)
        return err_set(err, ERR_CHANGED, 0, "state history", "revision %lld is no longer kept",
                       (long long)after);
    sqlite3_stmt *s = d->statements[HISTORY];
    char end[STORE_KEY_MAX + 2];
    sqlite3_bind_int64(s, 1, (after + 1) << PLACE_SHIFT);
    sqlite3_bind_int64(s, 2, (upto + 1) << PLACE_SHIFT);
    bind_range(s, 3, prefix, prefix, end);
    int rc, r = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct store_entry entry;
        if (!read_row(s, &entry)) {
            rc = SQLITE_NOMEM;
            break;
        }
        fn(&(struct store_event){sqlite3_column_int(s, 5) ? STORE_DELETE : STORE_PUT, &entry}, arg);
    }
    if (rc != SQLITE_DONE) r = fail(d, rc, "reading history", err);
    sqlite3_reset(s);
    return r;
}

// --- transactions ---

static int begin(struct store_driver *d, bool durable, struct err *err) {
    if (durable != d->full_sync) { // the pragma works when it is prepared: it cannot be kept
        int rc = sqlite3_exec(d->db,
                              durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                              NULL, NULL, NULL);
        if (rc != SQLITE_OK) return fail(d, rc, "choosing durability", err);
        d->full_sync = durable;
    }
    d->changes_before = sqlite3_total_changes64(d->db);
    return run(d, BEGIN, "beginning", err);
}

static int count_frames(void *arg, sqlite3 *db, const char *name, int frames) {
    ((struct store_driver *)arg)->frames = frames;
    return SQLITE_OK;
}

// The log's content into the file; the next commit then starts the log anew. A failure (a full
// disk) loses nothing and is tried again later.
static void checkpoint(struct store_driver *d) {
    int rc = sqlite3_wal_checkpoint_v2(d->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK)
        d->unsynced = false;
    else
        LOG_DEBUG("checkpoint put off", "path=%s cause=\"%s\"", d->path, sqlite3_errmsg(d->db));
    d->checkpoint_at = rc == SQLITE_OK ? CHECKPOINT_FRAMES : d->frames + CHECKPOINT_FRAMES;
}

static int forget(struct store_driver *d, int64_t revision, struct err *err) {
    int r = run_number(d, FORGET, (revision + 1) << PLACE_SHIFT, "forgetting history", err);
    return r < 0 ? r : run_number(d, SET_COMPACTED, revision, "forgetting history", err);
}

// End what begin began: commit when r is 0, else roll back. `made`: there is a new revision.
static int finish(struct store_driver *d, int r, bool made, struct err *err) {
    int64_t revision = d->revision + made, compacted = d->compacted;
    int64_t cut = made ? store_history_cut(revision, compacted) : 0;
    if (r == 0 && cut > 0) {
        r = forget(d, cut, err);
        compacted = cut;
    }
    bool wrote = sqlite3_total_changes64(d->db) != d->changes_before;
    if (r == 0) r = run(d, COMMIT, "committing", err);
    if (r < 0) {
        if (!sqlite3_get_autocommit(d->db)) run(d, ROLLBACK, "rolling back", NULL);
        return r;
    }
    d->revision = revision;
    d->compacted = compacted;
    if (wrote) d->unsynced = !d->full_sync;
    if (d->frames >= d->checkpoint_at) checkpoint(d);
    return 0;
}

// The key's mod_revision and create_revision, 0 when it is absent.
static int find(struct store_driver *d, const char *key, int64_t *ret_mod, int64_t *ret_create,
                struct err *err) {
    sqlite3_stmt *s = d->statements[FIND];
    bind_text(s, 1, key);
    int rc = sqlite3_step(s);
    *ret_mod = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    *ret_create = rc == SQLITE_ROW ? sqlite3_column_int64(s, 1) : 0;
    int r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(d, rc, "reading", err);
    sqlite3_reset(s);
    return r;
}

static int compare(struct store_driver *d, const struct store_compare *compare, struct err *err) {
    int64_t mod, create;
    int r = find(d, compare->key, &mod, &create, err);
    if (r < 0) return r;
    bool holds = compare->kind == STORE_IF_ABSENT    ? mod == 0
                 : compare->kind == STORE_IF_PRESENT ? mod != 0
                                                     : mod != 0 && mod == compare->mod_revision;
    return holds ? 0
                 : err_set(err, ERR_CHANGED, 0, compare->key,
                           "it is not in the expected state any more");
}

static int log_change(struct store_driver *d, const struct store_change *change, int64_t place,
                      int64_t create_revision, struct err *err) {
    sqlite3_stmt *s = d->statements[LOG];
    sqlite3_bind_int64(s, 1, place);
    sqlite3_bind_int(s, 2, change->value ? 0 : 1);
    bind_text(s, 3, change->key);
    sqlite3_bind_int64(s, 4, create_revision);
    sqlite3_bind_int64(s, 5, change->lease);
    sqlite3_bind_blob64(s, 6, change->value, change->size, SQLITE_STATIC);
    return run(d, LOG, "writing history", err);
}

static int change(struct store_driver *d, const struct store_change *change, int64_t place,
                  bool *ret_made, struct err *err) {
    int64_t mod, create, revision = place >> PLACE_SHIFT;
    int r = find(d, change->key, &mod, &create, err);
    if (r < 0 || (!change->value && mod == 0)) return r;
    *ret_made = true;
    if (!change->value) {
        bind_text(d->statements[DELETE], 1, change->key);
        r = run(d, DELETE, "deleting", err);
        return r < 0 ? r : log_change(d, change, place, 0, err);
    }
    if (mod == 0) create = revision;
    sqlite3_stmt *s = d->statements[PUT];
    bind_text(s, 1, change->key);
    sqlite3_bind_int64(s, 2, create);
    sqlite3_bind_int64(s, 3, revision);
    sqlite3_bind_int64(s, 4, change->lease);
    sqlite3_bind_blob64(s, 5, change->value, change->size, SQLITE_STATIC);
    r = run(d, PUT, "writing", err);
    return r < 0 ? r : log_change(d, change, place, create, err);
}

static int sqlite_transact(struct store_driver *d, const struct store_txn *txn,
                           int64_t *ret_revision, size_t *ret_failed, struct err *err) {
    int r = begin(d, txn->durable, err);
    if (r < 0) return r;
    bool made = false;
    for (size_t i = 0; r == 0 && i < txn->n_compares; i++) {
        r = compare(d, &txn->compares[i], err);
        if (r < 0) *ret_failed = i;
    }
    int64_t place = (d->revision + 1) << PLACE_SHIFT;
    for (size_t i = 0; r == 0 && i < txn->n_changes; i++)
        r = change(d, &txn->changes[i], place + (int64_t)i, &made, err);
    if (r == 0 && !made && txn->durable && d->unsynced) r = run(d, BARRIER, "synchronizing", err);
    r = finish(d, r, made, err);
    if (r == 0) *ret_revision = d->revision;
    return r;
}

static int sqlite_compact(struct store_driver *d, int64_t revision, struct err *err) {
    if (revision <= d->compacted) return 0;
    int r = begin(d, false, err);
    if (r < 0) return r;
    r = finish(d, forget(d, revision, err), false, err);
    if (r == 0) d->compacted = revision;
    return r;
}

// --- leases ---

static int sqlite_lease_grant(struct store_driver *d, int64_t ttl_ns, int64_t *ret_lease,
                              struct err *err) {
    int r = begin(d, true, err);
    if (r < 0) return r;
    r = finish(d, run_number(d, LEASE_GRANT, ttl_ns, "granting a lease", err), false, err);
    if (r == 0) *ret_lease = sqlite3_last_insert_rowid(d->db);
    return r;
}

static int sqlite_lease_end(struct store_driver *d, int64_t lease, struct err *err) {
    int r = begin(d, true, err);
    if (r < 0) return r;
    bool made = false;
    sqlite3_bind_int64(d->statements[LEASE_LOG], 2, (d->revision + 1) << PLACE_SHIFT);
    r = run_number(d, LEASE_LOG, lease, "ending a lease", err);
    if (r == 0) made = sqlite3_changes(d->db) > 0;
    if (r == 0) r = run_number(d, LEASE_KEYS, lease, "ending a lease", err);
    if (r == 0) r = run_number(d, LEASE_END, lease, "ending a lease", err);
    return finish(d, r, made, err);
}

static int sqlite_lease_each(struct store_driver *d,
                             void (*fn)(int64_t lease, int64_t ttl_ns, void *arg), void *arg,
                             struct err *err) {
    sqlite3_stmt *s = d->statements[LEASE_EACH];
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        fn(sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1), arg);
    int r = rc == SQLITE_DONE ? 0 : fail(d, rc, "reading leases", err);
    sqlite3_reset(s);
    return r;
}

// --- opening and closing ---

static void sqlite_close(struct store_driver *d) {
    for (size_t i = 0; i < STATEMENTS; i++) sqlite3_finalize(d->statements[i]);
    sqlite3_close(d->db); // moves the log into the file and removes it
    free(d->borrowed);
    free(d->path);
    free(d);
}

static const struct store_ops SQLITE_OPS = {
    .name = "sqlite",
    .get = sqlite_get,
    .list = sqlite_list,
    .transact = sqlite_transact,
    .revision = sqlite_revision,
    .history = sqlite_history,
    .compact = sqlite_compact,
    .lease_grant = sqlite_lease_grant,
    .lease_end = sqlite_lease_end,
    .lease_each = sqlite_lease_each,
    .close = sqlite_close,
};

static int prepare_all(struct store_driver *d, struct err *err) {
    for (size_t i = 0; i < STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(d->db, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[i],
                                    NULL);
        if (rc == SQLITE_ERROR) return sqlite_damaged(d->path, sqlite3_errmsg(d->db), err);
        if (rc != SQLITE_OK) return fail(d, rc, "opening it", err);
    }
    return 0;
}

// History may be empty: then the last revision is the one that was compacted.
static int read_revision(struct store_driver *d, struct err *err) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(d->db,
                                "SELECT value, (SELECT max(place) FROM changes) FROM meta"
                                " WHERE name = 'compacted'",
                                -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    int64_t newest = rc == SQLITE_ROW ? sqlite3_column_int64(s, 1) >> PLACE_SHIFT : 0;
    d->compacted = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    d->revision = newest > d->compacted ? newest : d->compacted;
    sqlite3_finalize(s);
    if (rc == SQLITE_ROW) return 0;
    return rc == SQLITE_DONE ? sqlite_damaged(d->path, "a record is missing", err)
                             : fail(d, rc, "opening it", err);
}

int store_open_sqlite(const char *path, struct clock *clock, struct store **ret, struct err *err) {
    sqlite3 *db = NULL;
    int r = schema_open(path, &STORE_SCHEMA, &db, err);
    if (r < 0) return r;
    struct store_driver *d = mem_new(struct store_driver);
    d->db = db;
    d->path = mem_strdup(path);
    d->full_sync = true; // as a connection starts
    d->unsynced = true;
    d->checkpoint_at = CHECKPOINT_FRAMES;
    sqlite3_wal_hook(db, count_frames, d); // instead of automatic checkpoints
    r = prepare_all(d, err);
    if (r == 0) r = read_revision(d, err);
    if (r < 0) {
        sqlite_close(d);
        return r;
    }
    return store_new(&SQLITE_OPS, d, clock, ret, err);
}
