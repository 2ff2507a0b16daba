// SPDX-License-Identifier: Apache-2.0
// Errors that a person may read.
//
// A function whose failure somebody may want explained takes a last `struct err *err`:
// caller-owned, fixed size, nothing allocated. It is set once, where the failure is seen (err_set),
// wrapped on the way up (err_while), and printed once, by whoever answers a person (err_print, or
// the API's problem+json).
//
// Every setter returns a negative errno, so that the failing line reads `return err_set(err, ...)`.
// `err` may be NULL everywhere: then only the number travels (err_set leaves it in errno as well,
// where an err_next or err_while that follows finds it).
#ifndef TRINE_BASE_ERR_H
#define TRINE_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// kind, word (stable: part of the API), process exit code, HTTP status, errno that stands for it,
// title
#define ERR_KINDS(X) \
    X(INVALID, "invalid", 2, 400, EINVAL, "The request is not valid") \
    X(UNAUTHENTICATED, "unauthenticated", 3, 401, EACCES, "Who are you?") \
    X(DENIED, "denied", 3, 403, EPERM, "Not allowed") \
    X(NOT_FOUND, "not-found", 4, 404, ENOENT, "No such object") \
    X(EXISTS, "exists", 5, 409, EEXIST, "The name is taken") \
    X(STATE, "state", 6, 409, EBUSY, "Not possible in this state") \
    X(CHANGED, "changed", 6, 412, EAGAIN, "Somebody else changed the object") \
    X(TOO_LARGE, "too-large", 2, 413, E2BIG, "Larger than the limit") \
    X(CORRUPT, "corrupt", 7, 422, EBADMSG, "The content is damaged or not what it claims to be") \
    X(LIMIT, "limit", 8, 429, EDQUOT, "A limit or quota is reached") \
    X(CANCELLED, "cancelled", 9, 499, ECANCELED, "Cancelled") \
    X(IO, "io", 10, 500, EIO, "Input or output failed") \
    X(INTERNAL, "internal", 11, 500, EPROTO, "A fault inside Trine") \
    X(UNSUPPORTED, "unsupported", 12, 501, EOPNOTSUPP, "This host or build cannot do it") \
    X(UNAVAILABLE, "unavailable", 13, 503, EHOSTDOWN, "The service does not answer") \
    X(TIMEOUT, "timeout", 14, 504, ETIMEDOUT, "It took too long") \
    X(NO_SPACE, "no-space", 15, 507, ENOSPC, "No space or memory left") \
    X(VERSION, "version", 16, 500, EPROTONOSUPPORT, "Made by another version")

enum err_kind {
    ERR_NONE,
#define X(name, word, exit_code, http, num, title) ERR_##name,
    ERR_KINDS(X)
#undef X
        ERR_KIND_COUNT,
};

struct err {
    enum err_kind kind;
    int os_errno;     // errno of the failing call, 0 if none: its text is part of the printed cause
    char object[128]; // what the failure is about, as the user calls it: "image debian", "flag
                      // --memory"
    char cause[512];  // one sentence, lower case, no full stop
    char next[384];   // what the reader can do now; may be empty
    char context[384]; // "starting instance web: mounting /proc", outermost first
};

// Set kind, object and cause. os_errno may be 0; otherwise strerror is appended to the cause.
// Returns -os_errno, or the negative errno that stands for the kind.
int err_set(struct err *err, enum err_kind kind, int os_errno, const char *object, const char *fmt,
            ...) __attribute__((format(printf, 5, 6), cold));

// err_set with the kind derived from errno (ENOENT -> not-found, ENOSPC -> no-space, EPERM ->
// denied, ...).
int err_os(struct err *err, int os_errno, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), cold));

// Say what to do next. Returns the negative errno of the error that is already set.
int err_next(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

// Put "while fmt" in front of the context. Returns as err_next.
int err_while(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

void err_clear(struct err *err);

// Negative errno for the error (0 when none is set).
int err_code(const struct err *err);

// "object: cause (while context)\n  next: …" into buf, always terminated; returns buf.
const char *err_format(const struct err *err, char *buf, size_t size);

// To standard error, as "trine: …". Nothing when no error is set.
void err_print(const struct err *err);

const char *err_kind_word(enum err_kind kind);
const char *err_kind_title(enum err_kind kind);
int err_kind_exit(enum err_kind kind);
int err_kind_http(enum err_kind kind);
// A program that could not be run has the object "program <name>"; the exit code is then what a
// shell gives: 127 when it was not found, 126 when it cannot be executed. 125 for anything else.
#define ERR_PROGRAM "program "
int err_program_exit(const struct err *err);
enum err_kind err_kind_parse(const char *word); // ERR_INTERNAL for a word that it does not know
enum err_kind err_kind_from_errno(int os_errno);

#endif
