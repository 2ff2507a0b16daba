// SPDX-License-Identifier: Apache-2.0
// Streams of bytes, one behind the other: a file, its decompression, taps that hash and copy what
// passes. Each owns the one behind it. Nobody knows the size of anything before its end.
#ifndef TRINE_IMAGE_STREAM_H
#define TRINE_IMAGE_STREAM_H

#include "base/err.h"
#include "execution/container/image/image.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hasher;

struct stream {
    // The next bytes: > 0 and *ret, borrowed until the next call; 0 at the end (again and again);
    // negative with err set. Blocking.
    ssize_t (*next)(struct stream *stream, const uint8_t **ret, struct err *err);
    void (*free)(struct stream *stream); // with all behind it
};

void stream_free(struct stream *stream); // NULL is fine
void stream_autofree(struct stream **stream);
#define auto_stream __attribute__((cleanup(stream_autofree)))
static inline ssize_t stream_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    return stream->next(stream, ret, err);
}
int stream_drain(struct stream *stream, struct err *err); // to its end

// Each constructor takes `in` over, also when it fails (NULL: no memory or a NULL `in`). `object`
// names the content in errors and is borrowed.
//
// From a descriptor (borrowed) at its current offset. Asks report for cancellation at every block,
// and tells progress as `step` when that is not NULL. total 0: unknown.
struct stream *stream_fd(int fd, const char *object, struct image_report *report, const char *step,
                         uint64_t total);
struct stream *stream_memory(const void *data, size_t size); // borrowed
// `size` bytes (copied) in front of what `in` has left.
struct stream *stream_prepend(struct stream *in, const uint8_t *data, size_t size);
// gzip (also several members in a row), zstd or neither, by the first bytes. Output past
// max_ratio times the input, beyond 64 MiB, is an error.
struct stream *stream_inflate(struct stream *in, const char *object, uint64_t max_ratio);
// Any outer compression that libarchive reads; none is fine.
struct stream *stream_decode(struct stream *in, const char *object);
// A worker thread reads `in` up to a few MiB ahead. From then on only that thread touches it.
struct stream *stream_ahead(struct stream *in);

// What a tap does with bytes that pass it; fields are borrowed and may be unset (NULL, -1).
struct tap {
    struct hasher *hasher;
    int copy_fd;        // written to
    const char *object; // of the copy, in errors
    uint64_t limit;     // more bytes than this are an error that says `limit_cause`; 0: none
    const char *limit_cause;
    int (*sink)(void *arg, const uint8_t *data, size_t size, struct err *err);
    void *sink_arg;
    uint64_t size; // out: bytes so far
};
struct stream *stream_tap(struct stream *in, struct tap *tap);

#endif
