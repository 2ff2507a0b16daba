// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/stream.h"

#include "base/mem.h"
#include "execution/container/image/digest.h"
#include "execution/container/image/report.h"
#include "host/file.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)1 << 20)
#define PROGRESS_BYTES ((uint64_t)8 << 20) // between two reports
#define WAIT_MS 250

void stream_free(struct stream *stream) {
    if (stream) stream->free(stream);
}

void stream_autofree(struct stream **stream) {
    stream_free(*stream);
}

int stream_drain(struct stream *stream, struct err *err) {
    const uint8_t *data;
    ssize_t n;
    while ((n = stream_next(stream, &data, err)) > 0) continue;
    return (int)n;
}

struct fd_stream {
    struct stream stream;
    int fd;
    const char *object, *step;
    struct image_report *report;
    uint64_t done, told, total;
    uint8_t block[];
};

static int cancelled(const struct fd_stream *s, struct err *err) {
    return err_set(err, ERR_CANCELLED, 0, s->object, "the work was stopped on request");
}

static ssize_t fd_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    struct fd_stream *s = container_of(stream, struct fd_stream, stream);
    if (report_cancelled(s->report)) return cancelled(s, err);
    // A pipe may be silent for long: wait in slices, so that a request to stop is seen.
    struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN};
    while (poll(&poll_fd, 1, WAIT_MS) <= 0)
        if (report_cancelled(s->report)) return cancelled(s, err);
    ssize_t n = file_read_some(s->fd, s->block, BLOCK_SIZE);
    if (n < 0) return err_os(err, (int)-n, s->object, "cannot read");
    s->done += (uint64_t)n;
    if (s->step && (s->done - s->told >= PROGRESS_BYTES || (n == 0 && s->told != s->done))) {
        s->told = s->done;
        report_progress(s->report, s->step, s->done, s->total);
    }
    *ret = s->block;
    return n;
}

static void fd_free(struct stream *stream) {
    free(container_of(stream, struct fd_stream, stream));
}

struct stream *stream_fd(int fd, const char *object, struct image_report *report, const char *step,
                         uint64_t total) {
    struct fd_stream *s = mem_try_zalloc(sizeof(*s) + BLOCK_SIZE);
    if (!s) return NULL;
    s->stream = (struct stream){.next = fd_next, .free = fd_free};
    s->fd = fd;
    s->object = object;
    s->step = step;
    s->report = report;
    s->total = total;
    return &s->stream;
}

// Memory, and memory in front of another stream.
struct memory_stream {
    struct stream stream;
    struct stream *then; // may be NULL
    const uint8_t *data;
    size_t size;
    uint8_t copy[];
};

static ssize_t memory_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    struct memory_stream *s = container_of(stream, struct memory_stream, stream);
    if (s->size > 0) {
        ssize_t n = (ssize_t)s->size;
        *ret = s->data;
        s->size = 0;
        return n;
    }
    return s->then ? stream_next(s->then, ret, err) : 0;
}

static void memory_free(struct stream *stream) {
    struct memory_stream *s = container_of(stream, struct memory_stream, stream);
    stream_free(s->then);
    free(s);
}

struct stream *stream_memory(const void *data, size_t size) {
    struct memory_stream *s = mem_try(struct memory_stream);
    if (!s) return NULL;
    s->stream = (struct stream){.next = memory_next, .free = memory_free};
    s->data = data;
    s->size = size;
    return &s->stream;
}

struct stream *stream_prepend(struct stream *in, const uint8_t *data, size_t size) {
    struct memory_stream *s = in ? mem_try_zalloc(sizeof(*s) + size) : NULL;
    if (!s) {
        stream_free(in);
        return NULL;
    }
    s->stream = (struct stream){.next = memory_next, .free = memory_free};
    s->then = in;
    memcpy(s->copy, data, size);
    s->data = s->copy;
    s->size = size;
    return &s->stream;
}

struct tap_stream {
    struct stream stream;
    struct stream *in;
    struct tap *tap;
};

static ssize_t tap_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    struct tap_stream *s = container_of(stream, struct tap_stream, stream);
    struct tap *tap = s->tap;
    ssize_t n = stream_next(s->in, ret, err);
    if (n <= 0) return n;
    tap->size += (uint64_t)n;
    if (tap->limit > 0 && tap->size > tap->limit)
        return err_set(err, ERR_CORRUPT, 0, tap->object, "%s", tap->limit_cause);
    if (tap->hasher && hasher_add(tap->hasher, *ret, (size_t)n) < 0)
        return err_set(err, ERR_INTERNAL, 0, tap->object, "SHA-256 is not available");
    if (tap->copy_fd >= 0) {
        int r = file_write_all(tap->copy_fd, *ret, (size_t)n);
        if (r < 0) return err_os(err, -r, tap->object, "cannot write its copy into the store");
    }
    if (tap->sink) {
        int r = tap->sink(tap->sink_arg, *ret, (size_t)n, err);
        if (r < 0) return r;
    }
    return n;
}

static void tap_free(struct stream *stream) {
    struct tap_stream *s = container_of(stream, struct tap_stream, stream);
    stream_free(s->in);
    free(s);
}

struct stream *stream_tap(struct stream *in, struct tap *tap) {
    struct tap_stream *s = in ? mem_try(struct tap_stream) : NULL;
    if (!s) {
        stream_free(in);
        return NULL;
    }
    s->stream = (struct stream){.next = tap_next, .free = tap_free};
    s->in = in;
    s->tap = tap;
    return &s->stream;
}
