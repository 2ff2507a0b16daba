// SPDX-License-Identifier: Apache-2.0
// Inside the sqlite driver: sqlite_schema.c finds, makes, checks and migrates the file, sqlite.c
// works on it.
#ifndef TRINE_CLOUD_STORE_SQLITE_INT_H
#define TRINE_CLOUD_STORE_SQLITE_INT_H

#include "base/err.h"

#include <sqlite3.h>

#define SCHEMA_APPLICATION_ID 0x5472696e // "Trin"

// steps[i] brings a database from version i to i + 1; an empty file is version 0.
struct schema {
    const char *const *steps;
    int version; // number of steps: what this release works on
};
extern const struct schema STORE_SCHEMA;

// Opens path, made when absent, checked, migrated and locked for this process alone. A refused file
// is left as it is.
int schema_open(const char *path, const struct schema *schema, sqlite3 **ret, struct err *err);

// The error behind a result code of SQLite, with what can be done about it. Never -ENOENT.
int sqlite_fail(sqlite3 *db, const char *path, int rc, const char *doing, struct err *err);
int sqlite_damaged(const char *path, const char *cause, struct err *err);

#endif
