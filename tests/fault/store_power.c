// SPDX-License-Identifier: Apache-2.0
// Power cuts: after one, a file holds all that was written before its last completed fsync, and any
// part of what was written since, in any order. The store then has to come up with a prefix of the
// transactions that holds every durable one (store.h, invariant 1).
//
// A thin layer below SQLite (a VFS) writes down every write, truncation and fsync of one long
// script. For some hundred moments in it the test makes the files as a cut might have left them,
// and opens the store on them.
#include "base/mem.h"
#include "base/vec.h"
#include "cloud/store/store.h"
#include "host/file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TRANSACTIONS 600
#define CUTS 400
#define KEYS 8
#define VALUE_MAX 12000
#define SECTOR 512

#define CHECK(condition) \
    do { \
        if (!(condition)) die(__LINE__, #condition); \
    } while (0)

enum { DATABASE, JOURNAL, FILES };
struct op {
    int file;
    enum { WRITE, TRUNCATE, SYNC } kind;
    int64_t offset; // TRUNCATE: the new size
    size_t size;
    char *data;
};
struct mark { // transaction n was acknowledged after `ops` operations
    size_t ops;
    int64_t n;
    bool durable;
};

static char dir[] = "/tmp/fault-store-power-XXXXXX", path[64], wal[70];
static struct clock_warp warp;
static VEC(struct op) ops;
static VEC(struct mark) marks;
static struct {
    char *data;
    size_t size;
} start[FILES]; // when the writing down began
static bool recording;
static size_t cut_now;
static uint64_t seed, random_state;

static void die(int line, const char *what) {
    fprintf(stderr, "%s:%d: cut after %zu of %zu operations, seed %llu: %s does not hold; see %s\n",
            __FILE__, line, cut_now, ops.len, (unsigned long long)seed, what, dir);
    exit(1);
}

static unsigned roll(unsigned n) {
    random_state ^= random_state << 13; // xorshift64
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % n);
}

// --- the layer: everything goes to the file below it ---

struct layer {
    sqlite3_file base;
    int file;
    sqlite3_file *below;
};

static sqlite3_file *below(sqlite3_file *f) {
    return ((struct layer *)f)->below;
}

static void note(sqlite3_file *f, struct op op) {
    if (!recording) return;
    op.file = ((struct layer *)f)->file;
    vec_add(&ops, op);
}

static int layer_close(sqlite3_file *f) {
    return below(f)->pMethods->xClose(below(f));
}
static int layer_read(sqlite3_file *f, void *data, int size, sqlite3_int64 at) {
    return below(f)->pMethods->xRead(below(f), data, size, at);
}
static int layer_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 at) {
    if (recording)
        note(f, (struct op){0, WRITE, at, (size_t)size, mem_try_dup(data, (size_t)size)});
    return below(f)->pMethods->xWrite(below(f), data, size, at);
}
static int layer_truncate(sqlite3_file *f, sqlite3_int64 size) {
    note(f, (struct op){0, TRUNCATE, size, 0, NULL});
    return below(f)->pMethods->xTruncate(below(f), size);
}
static int layer_sync(sqlite3_file *f, int flags) {
    int rc = below(f)->pMethods->xSync(below(f), flags);
    note(f, (struct op){0, SYNC, 0, 0, NULL});
    return rc;
}
static int layer_size(sqlite3_file *f, sqlite3_int64 *ret) {
    return below(f)->pMethods->xFileSize(below(f), ret);
}
static int layer_lock(sqlite3_file *f, int level) {
    return below(f)->pMethods->xLock(below(f), level);
}
static int layer_unlock(sqlite3_file *f, int level) {
    return below(f)->pMethods->xUnlock(below(f), level);
}
static int layer_reserved(sqlite3_file *f, int *ret) {
    return below(f)->pMethods->xCheckReservedLock(below(f), ret);
}
static int layer_control(sqlite3_file *f, int op, void *arg) {
    return below(f)->pMethods->xFileControl(below(f), op, arg);
}
static int layer_sector(sqlite3_file *f) {
    return below(f)->pMethods->xSectorSize(below(f));
}
static int layer_traits(sqlite3_file *f) {
    return below(f)->pMethods->xDeviceCharacteristics(below(f));
}

static const sqlite3_io_methods LAYER = {
    1,
    layer_close,
    layer_read,
    layer_write,
    layer_truncate,
    layer_sync,
    layer_size,
    layer_lock,
    layer_unlock,
    layer_reserved,
    layer_control,
    layer_sector,
    layer_traits,
};

static sqlite3_vfs *real_vfs, layer_vfs;

static int layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret) {
    struct layer *layer = (struct layer *)f;
    *layer = (struct layer){.below = (sqlite3_file *)(layer + 1)};
    layer->file = flags & SQLITE_OPEN_WAL ? JOURNAL : DATABASE;
    int rc = real_vfs->xOpen(real_vfs, name, layer->below, flags, ret);
    f->pMethods = layer->below->pMethods ? &LAYER : NULL;
    return rc;
}

// --- the script ---

static size_t value_of(int64_t n, char value[VALUE_MAX]) {
    size_t size = (size_t)(n * 7919 % VALUE_MAX);
    memset(value, (int)('a' + n % 26), size);
    return size;
}

static struct store *open_store(void) {
    struct store *store = NULL;
    struct err err = {0};
    if (store_open_sqlite(path, &warp.clock, &store, &err) < 0) err_print(&err);
    CHECK(store);
    return store;
}

static void transact(struct store *store, int64_t n, bool durable) {
    static char value[VALUE_MAX];
    char key[16], number[24];
    snprintf(key, sizeof(key), "/k/%d", (int)(n % KEYS));
    int size = snprintf(number, sizeof(number), "%lld", (long long)n);
    struct store_change changes[] = {{.key = key, .value = value, .size = value_of(n, value)},
                                     {.key = "/n", .value = number, .size = (size_t)size}};
    struct store_txn txn = {.changes = changes, .n_changes = 2, .durable = durable};
    CHECK(store_transact(store, &txn, NULL, NULL, NULL) == 0);
    vec_add(&marks, (struct mark){ops.len, n, durable});
}

static void load(int file, const char *name) {
    if (access(name, F_OK) < 0) return;
    CHECK(file_read(AT_FDCWD, name, 64 << 20, &start[file].data, &start[file].size, NULL) == 0);
}

// Some runs without a durable one among them, so that a checkpoint happens in between.
static void run_script(void) {
    struct store *store = open_store();
    struct store_txn nothing = {.durable = true};
    load(DATABASE, path);
    load(JOURNAL, wal);
    recording = true;
    for (int64_t n = 1; n <= TRANSACTIONS; n++) {
        transact(store, n, n % 200 < 120 && roll(6) == 0);
        if (roll(40) != 0) continue;
        CHECK(store_transact(store, &nothing, NULL, NULL, NULL) == 0); // makes all before durable
        vec_add(&marks, (struct mark){ops.len, n, true});
    }
    recording = false;
    store_close(store);
}

// --- the cut ---

struct image {
    char *data;
    size_t size, cap;
};

static void image_resize(struct image *image, size_t size) {
    if (size > image->cap) {
        char *data = mem_try_resize(image->data, size * 2, 1);
        CHECK(data);
        image->data = data;
        image->cap = size * 2;
    }
    if (size > image->size) memset(image->data + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, const struct op *op, size_t from, size_t size) {
    size_t at = (size_t)op->offset + from;
    if (at + size > image->size) image_resize(image, at + size);
    memcpy(image->data + at, op->data + from, size);
}

// Of an operation that was not followed by an fsync: all, nothing, or some sectors of it.
static void image_apply_some(struct image *image, const struct op *op, unsigned percent) {
    bool all = roll(100) < percent;
    if (op->kind == TRUNCATE && all) image_resize(image, (size_t)op->offset);
    if (op->kind != WRITE) return;
    if (all) {
        image_write(image, op, 0, op->size);
    } else if (roll(8) == 0) {
        for (size_t from = 0; from < op->size; from += SECTOR)
            if (roll(2))
                image_write(image, op, from, op->size - from < SECTOR ? op->size - from : SECTOR);
    }
}

static void leave(int file, const char *name, size_t cut, unsigned percent) {
    static struct image image;
    image.size = 0;
    image_resize(&image, start[file].size);
    if (start[file].size) memcpy(image.data, start[file].data, start[file].size);
    size_t synced = 0;
    for (size_t i = 0; i < cut; i++)
        if (ops.items[i].file == file && ops.items[i].kind == SYNC) synced = i;
    for (size_t i = 0; i < cut; i++)
        if (ops.items[i].file == file)
            image_apply_some(&image, &ops.items[i], i < synced ? 100 : percent);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK(file_write_all(fd, image.data, image.size) == 0);
    close(fd);
}

static void check_after(size_t cut) {
    static char value[VALUE_MAX];
    int64_t durable = 0, acknowledged = 0;
    for (size_t i = 0; i < marks.len && marks.items[i].ops <= cut; i++) {
        acknowledged = marks.items[i].n;
        if (marks.items[i].durable) durable = acknowledged;
    }
    struct store *store = open_store();
    int64_t n = store_revision(store);
    CHECK(n >= durable && n <= acknowledged + 1);
    struct store_entry entry;
    CHECK((store_get(store, "/n", &entry, NULL) == 0) == (n > 0));
    CHECK(n == 0 || atoll(entry.value) == n);
    for (int64_t writer = n; writer > 0 && writer > n - KEYS; writer--) {
        char key[16];
        snprintf(key, sizeof(key), "/k/%d", (int)(writer % KEYS));
        CHECK(store_get(store, key, &entry, NULL) == 0);
        CHECK(entry.mod_revision == writer && entry.size == value_of(writer, value));
        CHECK(memcmp(entry.value, value, entry.size) == 0);
    }
    transact(store, n + 1, true); // it works on
    marks.len--;
    store_close(store);
}

int main(int argc, char **argv) {
    static const unsigned percents[] = {0, 10, 50, 90, 100};
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)clock_realtime(clock_system());
    random_state = seed | 1;
    if (!mkdtemp(dir)) return 99;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    snprintf(wal, sizeof(wal), "%s-wal", path);
    clock_warp_init(&warp, SEC_NS);
    real_vfs = sqlite3_vfs_find(NULL);
    layer_vfs = *real_vfs;
    layer_vfs.zName = "layer";
    layer_vfs.szOsFile += (int)sizeof(struct layer);
    layer_vfs.xOpen = layer_open;
    CHECK(sqlite3_vfs_register(&layer_vfs, 1) == SQLITE_OK);
    run_script();
    size_t syncs = 0, to_file = 0;
    for (size_t i = 0; i < ops.len; i++) {
        syncs += ops.items[i].kind == SYNC;
        to_file += ops.items[i].file == DATABASE;
    }
    CHECK(syncs > 0 && to_file > 0); // there were durable ones, and checkpoints
    for (int i = 0; i < CUTS; i++) {
        cut_now = roll((unsigned)ops.len + 1);
        unsigned percent = percents[(unsigned)i % array_len(percents)];
        leave(DATABASE, path, cut_now, percent);
        leave(JOURNAL, wal, cut_now, percent);
        check_after(cut_now);
    }
    printf("%d cuts in %zu writes with %zu fsyncs, nothing durable lost\n", CUTS, ops.len - syncs,
           syncs);
    for (size_t i = 0; i < ops.len; i++) free(ops.items[i].data);
    vec_free(&ops);
    vec_free(&marks);
    dir_remove_tree(AT_FDCWD, dir, NULL);
    return 0;
}
