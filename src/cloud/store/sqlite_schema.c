// SPDX-License-Identifier: Apache-2.0
// The database file: its making, the checks before it is used, its migration.
//
// Invariants: (1) a file appears under its name complete, so its header always says whose it is and
// of which version; (2) nothing is written to a file before its header, its version and its
// structure were found good; (3) a migration is one transaction, and starts only once the backup
// copy is on the disk.
#include "base/bytes.h"
#include "base/mem.h"
#include "base/str.h"
#include "cloud/store/sqlite_int.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Objects of up to 2 KB stay inside their page: lists of them are four times as fast as with 4096.
#define PAGE_BYTES 8192
#define BUSY_TIMEOUT_MS 250 // for a daemon that is just ending

// `place` is the revision shifted by 24 bits plus the position in it, so that the log is written at
// its end and read in one sweep. kind: 0 put, 1 deletion. A lease of 0 is none.
static const char *const STEPS[] = {
    "CREATE TABLE entries(key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL,"
    " create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, lease INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX entries_by_lease ON entries(lease, key) WHERE lease != 0;"
    "CREATE TABLE changes(place INTEGER PRIMARY KEY,"
    " revision INTEGER GENERATED ALWAYS AS (place >> 24) VIRTUAL, kind INTEGER NOT NULL,"
    " key TEXT NOT NULL, create_revision INTEGER NOT NULL, lease INTEGER NOT NULL, value BLOB)"
    " STRICT;"
    "CREATE TABLE leases(id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_ns INTEGER NOT NULL) STRICT;"
    "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('compacted', 0), ('barrier', 0);",
};

const struct schema STORE_SCHEMA = {STEPS, array_len(STEPS)};

// --- small help ---

static int exec(sqlite3 *db, const char *path, const char *sql, const char *doing,
                struct err *err) {
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_fail(db, path, rc, doing, err);
}

// The first column of the first row as a number and as a text (cut where it does not fit).
static int query(sqlite3 *db, const char *path, const char *sql, int64_t *ret_number,
                 char ret_text[128], struct err *err) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        if (ret_number) *ret_number = sqlite3_column_int64(stmt, 0);
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (ret_text) sqlite3_snprintf(128, ret_text, "%s", text ? text : "");
    }
    int r = rc == SQLITE_ROW ? 0 : sqlite_fail(db, path, rc, "reading it", err);
    sqlite3_finalize(stmt);
    return r;
}

static int sync_directory_of(const char *path, struct err *err) {
    const char *slash = strrchr(path, '/');
    auto_free char *name = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    auto_close int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) return err_os(err, errno, name, "it cannot be synchronized");
    return 0;
}

// A write-ahead log that holds something.
static bool has_log(const char *path) {
    auto_free char *wal = mem_printf("%s-wal", path);
    struct stat st;
    return stat(wal, &st) == 0 && st.st_size > 0;
}

// Steps from `version` on, and the new version, in the transaction that is open.
static int run_steps(sqlite3 *db, const char *path, const struct schema *schema, int64_t version,
                     struct err *err) {
    int r = 0;
    for (int64_t i = version; r == 0 && i < schema->version; i++)
        r = exec(db, path, schema->steps[i], "bringing it to this release's format", err);
    auto_free char *sql = mem_printf("PRAGMA user_version = %d", schema->version);
    return r < 0 ? r : exec(db, path, sql, "bringing it to this release's format", err);
}

// --- a new file ---

// An empty database as bytes; *ret is freed with sqlite3_free.
static int make_image(const char *path, const struct schema *schema, unsigned char **ret,
                      size_t *ret_size, struct err *err) {
    sqlite3 *db = NULL;
    sqlite3_int64 size = 0;
    int rc = sqlite3_open(":memory:", &db);
    int r = rc == SQLITE_OK ? 0 : sqlite_fail(db, path, rc, "making an empty database", err);
    auto_free char *sql = mem_printf("PRAGMA page_size = %d; PRAGMA application_id = %d",
                                     PAGE_BYTES, SCHEMA_APPLICATION_ID);
    if (r == 0) r = exec(db, path, sql, "making an empty database", err);
    if (r == 0) r = run_steps(db, path, schema, 0, err);
    if (r == 0 && !(*ret = sqlite3_serialize(db, "main", &size, 0)))
        r = sqlite_fail(NULL, path, SQLITE_NOMEM, "making an empty database", err);
    if (r == 0) {
        (*ret)[18] = (*ret)[19] = 2; // file format versions: 2 is a write-ahead log
        *ret_size = (size_t)size;
    }
    sqlite3_close(db);
    return r;
}

// Under a temporary name first; whoever links it to `path` first has made it.
static int write_new(const char *path, const void *image, size_t size, struct err *err) {
    auto_free char *temp = mem_printf("%s.XXXXXX", path);
    auto_close int fd = mkostemp(temp, O_CLOEXEC); // mode 0600
    if (fd < 0) return err_os(err, errno, path, "the state database cannot be made");
    int r = file_write_all(fd, image, size);
    if (r == 0 && fsync(fd) < 0) r = -errno;
    if (r == 0 && link(temp, path) < 0 && errno != EEXIST) r = -errno;
    unlink(temp);
    if (r < 0) return err_os(err, -r, path, "the state database cannot be made");
    return sync_directory_of(path, err);
}

static int make(const char *path, const struct schema *schema, struct err *err) {
    if (has_log(path)) {
        int r = err_set(err, ERR_STATE, 0, path, "its -wal file is there without it");
        err_next(err, "put the database back, or move the -wal file away as well");
        return r;
    }
    unsigned char *image = NULL;
    size_t size = 0;
    int r = make_image(path, schema, &image, &size, err);
    if (r == 0) r = write_new(path, image, size, err);
    sqlite3_free(image);
    return r;
}

// --- checks ---

static int not_ours(const char *path, struct err *err) {
    int r = err_set(err, ERR_CORRUPT, 0, path,
                    "it is not a state database of Trine, or its head "
                    "is damaged");
    err_next(err, "move it away and put a backup copy in its place, or name another file; with no "
                  "file there Trine starts with an empty state");
    return r;
}

static int too_new(const char *path, int64_t version, const struct schema *schema,
                   struct err *err) {
    int r = err_set(err, ERR_VERSION, 0, path,
                    "a newer release made it: its format is %lld, this release knows up to %d",
                    (long long)version, schema->version);
    err_next(err, "run that release, or put the copy %s.v%d, from before its upgrade, in its place",
             path, schema->version);
    return r;
}

// The 100 bytes at the start (sqlite.org/fileformat2.html, 1.3), through SQLite's own descriptor:
// closing another one would drop this process's locks.
static int check_head(sqlite3 *db, const char *path, const struct schema *schema, struct err *err) {
    sqlite3_file *file = NULL;
    uint8_t head[100];
    sqlite3_int64 size = 0;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    int rc = file && file->pMethods ? file->pMethods->xFileSize(file, &size) : SQLITE_CANTOPEN;
    if (rc == SQLITE_OK && size < (sqlite3_int64)sizeof(head)) return not_ours(path, err);
    if (rc == SQLITE_OK) rc = file->pMethods->xRead(file, head, sizeof(head), 0);
    if (rc != SQLITE_OK) return sqlite_fail(db, path, rc, "reading its head", err);

    struct reader r = reader_of(head, sizeof(head));
    bool good = memcmp(read_span(&r, 16).data, "SQLite format 3", 16) == 0;
    uint16_t page_size = read_be16(&r);
    uint8_t write_version = read_u8(&r), read_version = read_u8(&r);
    good = good && page_size == PAGE_BYTES && write_version == read_version && write_version >= 1 &&
           write_version <= 2 && read_u8(&r) == 0;
    r = reader_of(head + 44, sizeof(head) - 44);
    good = good && read_be32(&r) == 4 && read_be32(&r) == 0 // schema format, cache size
           && read_be32(&r) == 0 && read_be32(&r) == 1;     // no auto-vacuum, UTF-8
    uint32_t version = read_be32(&r);
    good = good && read_be32(&r) == 0 && read_be32(&r) == SCHEMA_APPLICATION_ID;
    for (int i = 0; i < 20; i++) good = read_u8(&r) == 0 && good; // reserved
    if (!good || r.failed) return not_ours(path, err);
    if (size % page_size != 0 &&
        !has_log(path)) // a checkpoint that was cut is repeated from the log
        return sqlite_damaged(path, "its end is missing", err);
    return version > (uint32_t)schema->version ? too_new(path, version, schema, err) : 0;
}

// Through SQLite now: the log may hold newer pages than the file.
static int check_content(sqlite3 *db, const char *path, const struct schema *schema,
                         int64_t *ret_version, struct err *err) {
    char text[128] = "";
    int64_t id = 0;
    int r = query(db, path, "PRAGMA application_id", &id, NULL, err);
    if (r == 0) r = query(db, path, "PRAGMA user_version", ret_version, NULL, err);
    if (r < 0) return r;
    if (id != SCHEMA_APPLICATION_ID || *ret_version < 1) return not_ours(path, err);
    if (*ret_version > schema->version) return too_new(path, *ret_version, schema, err);
    r = query(db, path, "PRAGMA quick_check(1)", NULL, text, err);
    return r == 0 && !str_same(text, "ok") ? sqlite_damaged(path, text, err) : r;
}

// --- migration ---

static int back_up(sqlite3 *db, const char *path, int64_t version, struct err *err) {
    auto_free char *copy = mem_printf("%s.v%lld", path, (long long)version);
    auto_free char *temp = mem_printf("%s.XXXXXX", copy);
    auto_close int fd = mkostemp(temp, O_CLOEXEC); // empty, which VACUUM INTO takes
    if (fd < 0) return err_os(err, errno, copy, "the backup copy cannot be made");
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", temp);
    int r = sql ? exec(db, path, sql, "making the backup copy before its upgrade", err)
                : sqlite_fail(NULL, path, SQLITE_NOMEM, "making the backup copy", err);
    sqlite3_free(sql);
    if (r == 0 && (fsync(fd) < 0 || rename(temp, copy) < 0))
        r = err_os(err, errno, copy, "the backup copy cannot be made");
    if (r == 0) return sync_directory_of(path, err);
    unlink(temp);
    return r;
}

static int migrate(sqlite3 *db, const char *path, const struct schema *schema, int64_t version,
                   struct err *err) {
    int r = back_up(db, path, version, err);
    if (r == 0)
        r = exec(db, path, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE", "upgrading it", err);
    if (r < 0) return r;
    r = run_steps(db, path, schema, version, err);
    if (r == 0) r = exec(db, path, "COMMIT", "upgrading it", err);
    if (r < 0 && !sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    // The head in the file shall tell the version: an older release looks there.
    if (r == 0) r = exec(db, path, "PRAGMA wal_checkpoint(TRUNCATE)", "upgrading it", err);
    return r < 0 ? err_while(err, "upgrading from format %lld to %d", (long long)version,
                             schema->version)
                 : 0;
}

// --- opening ---

// The one that looking at a refused database has made. Only while this process holds the lock.
static void drop_empty_log(const char *path) {
    auto_free char *wal = mem_printf("%s-wal", path);
    if (!has_log(path)) unlink(wal);
}

static int open_checked(sqlite3 *db, const char *path, const struct schema *schema,
                        struct err *err) {
    int64_t version = 0;
    char mode[128];
    if (sqlite3_db_readonly(db, "main"))
        return err_set(err, ERR_DENIED, 0, path, "it cannot be written");
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); // a refused file stays as is
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int r = check_head(db, path, schema, err);
    if (r < 0) return r;
    // Before the log is made, which takes the mode of its database.
    if (chmod(path, 0600) < 0) return err_os(err, errno, path, "its mode cannot be set to 0600");
    // Exclusive: the log's index is then in this process's memory, and a second process is refused.
    r = exec(db, path,
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -1024; PRAGMA mmap_size = 0;"
             "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;"
             "PRAGMA secure_delete = FAST;"
             "PRAGMA journal_size_limit = 4194304",
             "opening it", err);
    if (r == 0) r = check_content(db, path, schema, &version, err);
    if (r == -EBADMSG || r == -EPROTONOSUPPORT) drop_empty_log(path); // it was read: it is locked
    if (r < 0) return r;
    r = query(db, path, "PRAGMA journal_mode = WAL", NULL, mode, err);
    if (r == 0 && !str_same(mode, "wal"))
        r = err_set(err, ERR_UNSUPPORTED, 0, path, "its file system cannot hold a write-ahead log");
    if (r == 0 && version < schema->version) r = migrate(db, path, schema, version, err);
    if (r == 0) sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return r;
}

int schema_open(const char *path, const struct schema *schema, sqlite3 **ret, struct err *err) {
    if (!path || !*path) return err_set(err, ERR_INVALID, 0, "state database", "no path is given");
    // SQLite gives names such as ":memory:" a meaning; with a directory they are files.
    auto_free char *named = mem_printf("%s%s", strchr(path, '/') ? "" : "./", path);
    int r = 0;
    if (access(named, F_OK) < 0 && errno == ENOENT) r = make(named, schema, err);
    if (r < 0) return r;
    auto_free char *file = realpath(named, NULL); // where the log is beside it
    struct stat st;
    if (!file || stat(file, &st) < 0)
        return err_os(err, errno, path, "the state database cannot be opened");
    if (!S_ISREG(st.st_mode)) return err_set(err, ERR_INVALID, 0, path, "it is not a file");
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int rc = sqlite3_open_v2(file, &db, flags, NULL);
    r = rc == SQLITE_OK ? open_checked(db, file, schema, err)
                        : sqlite_fail(db, path, rc, "opening it", err);
    if (r < 0)
        sqlite3_close(db);
    else
        *ret = db;
    return r;
}
