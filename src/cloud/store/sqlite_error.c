// SPDX-License-Identifier: Apache-2.0
#include "cloud/store/sqlite_int.h"

#include <errno.h>

int sqlite_damaged(const char *path, const char *cause, struct err *err) {
    int r = err_set(err, ERR_CORRUPT, 0, path, "the state database is damaged: %s", cause);
    err_next(err,
             "stop Trine, move it away together with its -wal file, and put a backup copy in its "
             "place; with no file there Trine starts with an empty state");
    return r;
}

static int out_of_space(const char *path, int os_errno, const char *doing, struct err *err) {
    int r = err_set(err, ERR_NO_SPACE, os_errno, path, "%s: nothing was changed", doing);
    err_next(err, os_errno == ENOMEM ? "free memory, then try again"
                                     : "free space on its file system, then try again");
    return r;
}

static int in_use(const char *path, struct err *err) {
    int r = err_set(err, ERR_STATE, 0, path, "another process has the state database open");
    err_next(err, "stop the other daemon, or give this one another directory");
    return r;
}

int sqlite_fail(sqlite3 *db, const char *path, int rc, const char *doing, struct err *err) {
    int os_errno = db ? sqlite3_system_errno(db) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return out_of_space(path, ENOSPC, doing, err);
    case SQLITE_NOMEM:
        return out_of_space(path, ENOMEM, doing, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return in_use(path, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sqlite_damaged(path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), err);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return err_set(err, ERR_DENIED, 0, path, "%s: it cannot be written", doing);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM) return out_of_space(path, ENOMEM, doing, err);
        if (os_errno == ENOSPC || os_errno == EDQUOT)
            return out_of_space(path, os_errno, doing, err);
        err_set(err, ERR_IO, os_errno, path, "%s: %s", doing, sqlite3_errstr(rc));
        return -EIO;
    default:
        return err_set(err, ERR_INTERNAL, 0, path, "%s: %s", doing,
                       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    }
}
