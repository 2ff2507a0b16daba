// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include "base/utf8_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct kind_info {
    const char *word, *title;
    int exit_code, http, num;
};

static const struct kind_info KINDS[ERR_KIND_COUNT] = {[ERR_NONE] = {"none", "No error", 0, 200, 0},
#define X(name, w, e, h, n, t) \
    [ERR_##name] = {.word = (w), .title = (t), .exit_code = (e), .http = (h), .num = (n)},
                                                       ERR_KINDS(X)
#undef X
};

static const struct kind_info *kind_info(enum err_kind kind) {
    return &KINDS[(unsigned)kind < ERR_KIND_COUNT ? kind : ERR_INTERNAL];
}

// What goes to a terminal or into JSON: no control characters, no half of a UTF-8 sequence.
static void tidy(char *text) {
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = ' ';
    utf8_trim_tail(text);
}

static void append(char *buf, size_t size, const char *text) {
    size_t len = strlen(buf);
    snprintf(buf + len, size - len, "%s", text);
    tidy(buf);
}

static int set_error(struct err *err, enum err_kind kind, int os_errno, const char *object,
                     const char *fmt, va_list args) {
    if (os_errno < 0) os_errno = -os_errno;
    int number = os_errno ? os_errno : kind_info(kind)->num;
    if (err) {
        *err = (struct err){.kind = kind, .os_errno = os_errno};
        append(err->object, sizeof(err->object), object ? object : "");
        vsnprintf(err->cause, sizeof(err->cause), fmt, args);
        tidy(err->cause);
        if (os_errno) {
            const char *text = strerrordesc_np(os_errno);
            append(err->cause, sizeof(err->cause), err->cause[0] ? ": " : "");
            append(err->cause, sizeof(err->cause), text ? text : "unknown error");
        }
    }
    errno = number;
    return -number;
}

int err_set(struct err *err, enum err_kind kind, int os_errno, const char *object, const char *fmt,
            ...) {
    va_list args;
    va_start(args, fmt);
    int r = set_error(err, kind, os_errno, object, fmt, args);
    va_end(args);
    return r;
}

int err_os(struct err *err, int os_errno, const char *object, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int r = set_error(err, err_kind_from_errno(os_errno), os_errno, object, fmt, args);
    va_end(args);
    return r;
}

// Without a struct err the number set last is still in errno; it is never lost as a success.
static int current_code(const struct err *err) {
    int r = err ? err_code(err) : -errno;
    return r ? r : -kind_info(ERR_INTERNAL)->num;
}

int err_next(struct err *err, const char *fmt, ...) {
    int r = current_code(err);
    if (err) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->next, sizeof(err->next), fmt, args);
        va_end(args);
        tidy(err->next);
    }
    errno = -r;
    return r;
}

int err_while(struct err *err, const char *fmt, ...) {
    int r = current_code(err);
    if (err) {
        char inner[sizeof(err->context)];
        memcpy(inner, err->context, sizeof(inner));
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->context, sizeof(err->context), fmt, args);
        va_end(args);
        tidy(err->context);
        if (inner[0]) {
            append(err->context, sizeof(err->context), ": ");
            append(err->context, sizeof(err->context), inner);
        }
    }
    errno = -r;
    return r;
}

void err_clear(struct err *err) {
    if (err) *err = (struct err){0};
}

int err_code(const struct err *err) {
    if (!err || err->kind == ERR_NONE) return 0;
    return -(err->os_errno ? err->os_errno : kind_info(err->kind)->num);
}

const char *err_format(const struct err *err, char *buf, size_t size) {
    if (size == 0) return buf;
    buf[0] = '\0';
    if (!err || err->kind == ERR_NONE) return buf;
    const char *cause = err->cause[0] ? err->cause : kind_info(err->kind)->title;
    snprintf(buf, size, "%s%s%s%s%s%s%s%s", err->object, err->object[0] ? ": " : "", cause,
             err->context[0] ? " (while " : "", err->context, err->context[0] ? ")" : "",
             err->next[0] ? "\n  next: " : "", err->next);
    utf8_trim_tail(buf);
    return buf;
}

void err_print(const struct err *err) {
    if (!err || err->kind == ERR_NONE) return;
    char text[sizeof(struct err) + 64];
    dprintf(STDERR_FILENO, "trine: %s\n", err_format(err, text, sizeof(text)));
}

const char *err_kind_word(enum err_kind kind) {
    return kind_info(kind)->word;
}

const char *err_kind_title(enum err_kind kind) {
    return kind_info(kind)->title;
}

int err_kind_exit(enum err_kind kind) {
    return kind_info(kind)->exit_code;
}

int err_kind_http(enum err_kind kind) {
    return kind_info(kind)->http;
}

enum err_kind err_kind_parse(const char *word) {
    for (int kind = 0; word && kind < ERR_KIND_COUNT; kind++)
        if (strcmp(KINDS[kind].word, word) == 0) return (enum err_kind)kind;
    return ERR_INTERNAL;
}

enum err_kind err_kind_from_errno(int os_errno) {
    switch (os_errno < 0 ? -os_errno : os_errno) {
    case 0:
        return ERR_NONE;
    case EPERM:
    case EACCES:
    case EROFS:
        return ERR_DENIED;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EBUSY:
    case ETXTBSY:
    case ENOTEMPTY:
    case EADDRINUSE:
    case EISCONN:
    case ENOTCONN:
        return ERR_STATE;
    case EAGAIN:
    case ESTALE:
        return ERR_CHANGED;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENOEXEC:
    case EDOM:
    case ERANGE:
        return ERR_INVALID;
    case E2BIG:
    case EFBIG:
    case EMSGSIZE:
    case EOVERFLOW:
        return ERR_TOO_LARGE;
    case EBADMSG:
    case EUCLEAN:
    case EILSEQ:
        return ERR_CORRUPT;
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EUSERS:
        return ERR_LIMIT;
    case ECANCELED:
    case EINTR:
        return ERR_CANCELLED;
    case ENOSPC:
    case ENOMEM:
    case ENOBUFS:
        return ERR_NO_SPACE;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case ENOTTY:
        return ERR_UNSUPPORTED;
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return ERR_UNAVAILABLE;
    case ETIMEDOUT:
    case ETIME:
        return ERR_TIMEOUT;
    case EPROTO:
        return ERR_INTERNAL;
    case EPROTONOSUPPORT:
        return ERR_VERSION;
    default:
        return ERR_IO;
    }
}

int err_program_exit(const struct err *err) {
    bool program = strncmp(err->object, ERR_PROGRAM, strlen(ERR_PROGRAM)) == 0;
    if (program && err->kind == ERR_NOT_FOUND) return 127;
    return program && err->kind == ERR_DENIED ? 126 : 125;
}
