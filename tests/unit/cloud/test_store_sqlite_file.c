// SPDX-License-Identifier: Apache-2.0
// The database file: who may read it, what is refused and left alone, migration.
#include "../base/cmocka_test.h"
#include "base/mem.h"
#include "cloud/store/sqlite_int.h"
#include "cloud/store/store.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/test-store-file-XXXXXX", path[64], wal[70];
static struct clock_warp warp;

// --- help ---

static struct store *reopen(void) {
    struct store *store = NULL;
    struct err err = {0};
    if (store_open_sqlite(path, &warp.clock, &store, &err) < 0) err_print(&err);
    assert_non_null(store);
    return store;
}

static int put(struct store *store, const char *key, const char *value, size_t size) {
    struct store_change change = {.key = key, .value = value, .size = size};
    struct store_txn txn = {.changes = &change, .n_changes = 1};
    return store_transact(store, &txn, NULL, NULL, NULL);
}

#define FILLED 150
static void fill(struct store *store) {
    static char value[6000];
    for (int i = 0; i < FILLED; i++) {
        char key[16];
        snprintf(key, sizeof(key), "/k/%03d", i);
        memset(value, 'a' + i % 26, sizeof(value));
        assert_int_equal(put(store, key, value, i % 10 ? 20 : sizeof(value)), 0);
    }
}

static int check_one(const struct store_entry *entry, void *arg) {
    int i = (*(int *)arg)++;
    char key[16];
    snprintf(key, sizeof(key), "/k/%03d", i);
    assert_string_equal(entry->key, key);
    assert_int_equal(entry->size, i % 10 ? 20 : 6000);
    for (size_t at = 0; at < entry->size; at++) assert_int_equal(entry->value[at], 'a' + i % 26);
    return 0;
}

static void check_filled(struct store *store) {
    int n = 0;
    assert_int_equal(store_list(store, "", NULL, 0, check_one, &n, NULL, NULL), 0);
    assert_int_equal(n, FILLED);
    assert_int_equal(store_revision(store), FILLED);
}

struct image {
    char *data;
    size_t size;
};

static struct image load(const char *name) {
    struct image image;
    assert_int_equal(file_read(AT_FDCWD, name, 64 << 20, &image.data, &image.size, NULL), 0);
    return image;
}

static void save(const char *name, const char *data, size_t size) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, size), 0);
    close(fd);
}

static void expect_content(const char *name, const char *data, size_t size) {
    struct image now = load(name);
    assert_int_equal(now.size, size);
    assert_int_equal(memcmp(now.data, data, size), 0);
    free(now.data);
}

// Opening fails this way, says what to do, and leaves the file and its directory alone.
static void expect_refused(const char *data, size_t size, enum err_kind kind) {
    struct store *store = NULL;
    struct err err = {0};
    save(path, data, size);
    assert_true(store_open_sqlite(path, &warp.clock, &store, &err) < 0);
    assert_null(store);
    assert_int_equal(err.kind, kind);
    assert_string_equal(err.object, path);
    assert_true(err.next[0]);
    expect_content(path, data, size);
    assert_true(access(wal, F_OK) < 0);
}

static int setup(void **state) {
    clock_warp_init(&warp, SEC_NS);
    struct store *store = reopen();
    fill(store);
    store_close(store);
    struct image *image = mem_new(struct image);
    *image = load(path);
    *state = image;
    return 0;
}

static int remove_name(int dirfd, const char *name, void *arg) {
    return unlinkat(dirfd, name, 0);
}

static int teardown(void **state) {
    struct image *image = *state;
    free(image->data);
    free(image);
    return dir_each(AT_FDCWD, dir, remove_name, NULL);
}

// --- cases ---

static void only_its_owner_may_read_it(void **state) {
    struct stat st;
    assert_int_equal(chmod(path, 0644), 0); // as a copy that was put back may be
    struct store *store = reopen();
    assert_int_equal(put(store, "/a", "v", 1), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(store);
    unlink(path);
    mode_t mask = umask(0);
    store = reopen();
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(store);
}

static void a_cut_file_is_refused(void **state) {
    struct image *whole = *state;
    const size_t sizes[] = {0,
                            1,
                            15,
                            99,
                            100,
                            101,
                            511,
                            512,
                            4095,
                            4096,
                            4097,
                            8192,
                            20000,
                            40960,
                            whole->size - 4096,
                            whole->size - 1};
    for (size_t i = 0; i < array_len(sizes); i++)
        expect_refused(whole->data, sizes[i], ERR_CORRUPT);
    save(path, whole->data, whole->size);
    struct store *store = reopen();
    check_filled(store);
    store_close(store);
}

static void foreign_files_are_refused(void **state) {
    char noise[9000];
    for (size_t i = 0; i < sizeof(noise); i++) noise[i] = (char)(i * 7919 >> 3);
    expect_refused(noise, sizeof(noise), ERR_CORRUPT);
    memset(noise, 0, sizeof(noise));
    expect_refused(noise, sizeof(noise), ERR_CORRUPT);
    expect_refused("key = value\n", 12, ERR_CORRUPT);
    sqlite3 *db; // another program's database
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct image other = load(path);
    expect_refused(other.data, other.size, ERR_CORRUPT);
    free(other.data);
}

// Every bit of the head: refused and left alone, or without meaning for the content.
static void a_flipped_bit_in_the_head_does_no_harm(void **state) {
    struct image *whole = *state;
    int opened = 0;
    for (size_t bit = 0; bit < 100 * 8; bit++) {
        whole->data[bit / 8] ^= (char)(1 << bit % 8);
        struct store *store = NULL;
        struct err err = {0};
        save(path, whole->data, whole->size);
        if (store_open_sqlite(path, &warp.clock, &store, &err) < 0) {
            assert_true(err.kind == ERR_CORRUPT || err.kind == ERR_VERSION);
            expect_content(path, whole->data, whole->size);
        } else {
            check_filled(store);
            assert_int_equal(put(store, "/k/000", "new", 3), 0);
            store_close(store);
            opened++;
        }
        whole->data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_in_range(opened, 1, 300); // change counters, the cookie, the writer's version
}

static int count(const struct store_entry *entry, void *arg) {
    *(size_t *)arg += strlen(entry->key) + entry->size;
    return 0;
}

static void see(const struct store_event *event, void *arg) {
    if (event->entry) count(event->entry, arg);
}

// Anywhere: there is no checksum over values, but nothing may break.
static void a_flipped_bit_anywhere_breaks_nothing(void **state) {
    struct image *whole = *state;
    uint64_t random = 88172645463325252;
    for (int round = 0; round < 300; round++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t at = random % whole->size;
        char bit = (char)(1 << (random >> 40) % 8);
        whole->data[at] ^= bit;
        struct store *store = NULL;
        struct store_watch *watch;
        struct err err = {0};
        size_t total = 0;
        save(path, whole->data, whole->size);
        if (store_open_sqlite(path, &warp.clock, &store, &err) < 0) {
            assert_true(err.kind == ERR_CORRUPT || err.kind == ERR_VERSION);
        } else {
            store_list(store, "", NULL, 0, count, &total, NULL, NULL);
            store_watch(store, "", 0, see, &total, &watch, NULL);
            store_dispatch(store);
            put(store, "/k/077", "new", 3);
            store_close(store);
            unlink(wal);
        }
        whole->data[at] ^= bit;
    }
}

static void a_newer_version_is_refused(void **state) {
    struct image *whole = *state;
    whole->data[63] = 2; // user_version, big-endian at 60
    expect_refused(whole->data, whole->size, ERR_VERSION);
    whole->data[60] = 0x7f;
    expect_refused(whole->data, whole->size, ERR_VERSION);
    whole->data[60] = whole->data[63] = 0; // and none
    expect_refused(whole->data, whole->size, ERR_CORRUPT);
}

// A newer release that was killed: its version is in the log only.
static void a_newer_version_in_the_log_is_refused(void **state) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct image file = load(path), log = load(wal);
    assert_true(log.size > 0);
    struct store *store = NULL;
    struct err err = {0};
    assert_true(store_open_sqlite(path, &warp.clock, &store, &err) < 0);
    assert_int_equal(err.kind, ERR_VERSION);
    expect_content(path, file.data, file.size);
    expect_content(wal, log.data, log.size);
    free(file.data);
    free(log.data);
}

static void tables_that_are_not_there_are_damage(void **state) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE leases", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct image file = load(path);
    expect_refused(file.data, file.size, ERR_CORRUPT);
    free(file.data);
}

static void a_log_without_its_database_is_not_taken(void **state) {
    assert_int_equal(rename(path, wal), 0);
    struct store *store = NULL;
    struct err err = {0};
    assert_true(store_open_sqlite(path, &warp.clock, &store, &err) < 0);
    assert_int_equal(err.kind, ERR_STATE);
    assert_true(err.next[0]);
    assert_true(access(path, F_OK) < 0);
}

static void bad_paths_are_refused(void **state) {
    struct store *store = NULL;
    struct err err = {0};
    assert_true(store_open_sqlite(NULL, &warp.clock, &store, &err) < 0);
    assert_true(store_open_sqlite("", &warp.clock, &store, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(store_open_sqlite(dir, &warp.clock, &store, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_true(store_open_sqlite("/tmp/no/such/dir/x", &warp.clock, &store, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    char inside[80];
    snprintf(inside, sizeof(inside), "%s/x", path);
    assert_true(store_open_sqlite(inside, &warp.clock, &store, &err) < 0);
    assert_null(store);
}

// Names with a meaning for SQLite are plain files here.
static void names_are_just_names(void **state) {
    char old[4096];
    assert_non_null(getcwd(old, sizeof(old)));
    assert_int_equal(chdir(dir), 0);
    const char *const names[] = {":memory:", "file:x?mode=memory", "it's \"fine\""};
    for (size_t i = 0; i < array_len(names); i++) {
        struct store *store = NULL;
        assert_int_equal(store_open_sqlite(names[i], &warp.clock, &store, NULL), 0);
        assert_int_equal(put(store, "/a", "v", 1), 0);
        store_close(store);
        assert_int_equal(access(names[i], F_OK), 0);
    }
    assert_int_equal(chdir(old), 0);
}

// What the second process of the next case does: a program of its own, because a forked one would
// share SQLite's memory of the first's locks.
static int open_as_second(const char *name) {
    struct store *store = NULL;
    struct err err = {0};
    clock_warp_init(&warp, SEC_NS);
    int r = store_open_sqlite(name, &warp.clock, &store, &err);
    return r < 0 && err.kind == ERR_STATE && err.next[0] ? 0 : 1;
}

static void a_second_process_is_refused(void **state) {
    struct store *store = reopen(), *again = NULL;
    for (int round = 0; round < 2; round++) { // with an empty log, with a filled one
        pid_t pid = fork();
        if (pid == 0) {
            execl("/proc/self/exe", "second", path, (char *)NULL);
            _exit(99);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(put(store, "/z", "v", 1), 0);
    }
    assert_true(store_open_sqlite(path, &warp.clock, &again, NULL) < 0); // nor this one again
    store_close(store);
    store = reopen();
    assert_int_equal(store_revision(store), FILLED + 2);
    store_close(store);
}

static void the_log_is_bounded(void **state) {
    struct store *store = reopen();
    char value[2000];
    memset(value, 'v', sizeof(value));
    struct stat st;
    off_t largest = 0;
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(put(store, "/k/000", value, sizeof(value)), 0);
        assert_int_equal(stat(wal, &st), 0);
        if (st.st_size > largest) largest = st.st_size;
    }
    assert_in_range(largest, 1 << 20, 5 << 20);
    store_close(store);
}

// --- migration ---

static int64_t number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static void an_older_version_is_migrated_after_a_copy(void **state) {
    const char *const steps[] = {STORE_SCHEMA.steps[0],
                                 "CREATE TABLE more(x); INSERT INTO more VALUES (7)",
                                 "UPDATE more SET x = x + 1"};
    const struct schema newer = {steps, 3};
    sqlite3 *db = NULL;
    struct err err = {0};
    assert_int_equal(schema_open(path, &newer, &db, &err), 0);
    assert_int_equal(number(db, "PRAGMA user_version"), 3);
    assert_int_equal(number(db, "SELECT x FROM more"), 8);
    assert_int_equal(number(db, "SELECT count(*) FROM entries"), FILLED);
    sqlite3_close(db);
    struct store *store = NULL;
    assert_true(store_open_sqlite(path, &warp.clock, &store, &err) < 0); // this release's view
    assert_int_equal(err.kind, ERR_VERSION);
    char copy[80];
    snprintf(copy, sizeof(copy), "%s.v1", path);
    assert_non_null(strstr(err.next, copy));
    struct stat st;
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(rename(copy, path), 0); // what the message says
    store = reopen();
    check_filled(store);
    store_close(store);
}

static void a_failing_migration_changes_nothing(void **state) {
    const char *const steps[] = {STORE_SCHEMA.steps[0], "CREATE TABLE more(x); DELETE FROM entries",
                                 "INSERT INTO nowhere VALUES (1)"};
    const struct schema newer = {steps, 3};
    sqlite3 *db = NULL;
    struct err err = {0};
    assert_true(schema_open(path, &newer, &db, &err) < 0);
    assert_null(db);
    assert_non_null(strstr(err.context, "upgrading from format 1 to 3"));
    struct store *store = reopen();
    check_filled(store);
    store_close(store);
}

int main(int argc, char **argv) {
    if (argc == 2) return open_as_second(argv[1]);
    if (!mkdtemp(dir)) return 99;
    snprintf(path, sizeof(path), "%s/state.db", dir);
    snprintf(wal, sizeof(wal), "%s-wal", path);
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(only_its_owner_may_read_it),
        CASE(a_cut_file_is_refused),
        CASE(foreign_files_are_refused),
        CASE(a_flipped_bit_in_the_head_does_no_harm),
        CASE(a_flipped_bit_anywhere_breaks_nothing),
        CASE(a_newer_version_is_refused),
        CASE(a_newer_version_in_the_log_is_refused),
        CASE(tables_that_are_not_there_are_damage),
        CASE(a_log_without_its_database_is_not_taken),
        CASE(bad_paths_are_refused),
        CASE(names_are_just_names),
        CASE(a_second_process_is_refused),
        CASE(the_log_is_bounded),
        CASE(an_older_version_is_migrated_after_a_copy),
        CASE(a_failing_migration_changes_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dir_remove_tree(AT_FDCWD, dir, NULL);
    return failed;
}
