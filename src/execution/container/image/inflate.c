// SPDX-License-Identifier: Apache-2.0
// The decompression of layers (gzip, zstd, none: image-spec layer.md), and of whole input files
// (anything that libarchive reads).
#include "base/mem.h"
#include "base/str.h"
#include "execution/container/image/gzip.h"
#include "execution/container/image/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define OUT_SIZE ((size_t)1 << 20)
#define RATIO_FREE_BYTES ((uint64_t)64 << 20)
#define ZSTD_WINDOW_LOG_MAX 27 // 128 MiB

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct inflate_stream {
    struct stream stream;
    struct stream *in;
    const char *object;
    uint64_t max_ratio, in_bytes, out_bytes;
    enum packing packing;
    struct gunzip *gunzip;
    ZSTD_DStream *zstd;
    const uint8_t *data; // input that is not used yet
    size_t size;
    bool inside;   // a member or frame has begun and not ended
    bool any;      // one has ended
    bool out_full; // the last step filled its room: there may be more without new input
    uint8_t out[OUT_SIZE];
};

// The first bytes tell; one block is enough because every source gives four bytes at once or none.
static int inflate_begin(struct inflate_stream *s, struct err *err) {
    static const uint8_t gzip_magic[] = {0x1f, 0x8b}, zstd_magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    s->packing = PACKING_NONE;
    if (s->size >= 2 && memcmp(s->data, gzip_magic, 2) == 0) {
        s->packing = PACKING_GZIP;
        s->gunzip = gunzip_new();
        if (!s->gunzip) return err_os(err, ENOMEM, s->object, "no memory to decompress it");
    } else if (s->size >= 4 && memcmp(s->data, zstd_magic, 4) == 0) {
        s->packing = PACKING_ZSTD;
        s->zstd = ZSTD_createDStream();
        if (!s->zstd ||
            ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
            return err_os(err, ENOMEM, s->object, "no memory to decompress it");
    }
    return 0;
}

// Both steps: use input, fill room, note whether a member or frame is open.
static int gzip_some(struct inflate_stream *s, size_t *ret_made, struct err *err) {
    struct gzip_io io = {s->data, s->size, s->out, OUT_SIZE};
    int r = gunzip_step(s->gunzip, &io);
    if (r < 0 && s->any && !s->inside && io.out == s->out) {
        s->size = 0; // what follows the last member is padding, as gzip(1) takes it
        *ret_made = 0;
        return 0;
    }
    if (r < 0) return err_set(err, ERR_CORRUPT, 0, s->object, "its gzip stream is damaged");
    s->inside = r == 0;
    s->any = s->any || r == 1;
    s->data = io.in;
    s->size = io.in_size;
    *ret_made = OUT_SIZE - io.out_size;
    return 0;
}

static int zstd_some(struct inflate_stream *s, size_t *ret_made, struct err *err) {
    ZSTD_inBuffer in = {s->data, s->size, 0};
    ZSTD_outBuffer out = {s->out, OUT_SIZE, 0};
    size_t r = ZSTD_decompressStream(s->zstd, &out, &in);
    if (ZSTD_isError(r))
        return err_set(err, ERR_CORRUPT, 0, s->object, "its zstd stream is damaged: %s",
                       ZSTD_getErrorName(r));
    s->inside = r != 0;
    s->data += in.pos;
    s->size -= in.pos;
    *ret_made = out.pos;
    return 0;
}

static int inflate_refill(struct inflate_stream *s, struct err *err) {
    ssize_t n = stream_next(s->in, &s->data, err);
    if (n < 0) return (int)n;
    s->size = (size_t)n;
    s->in_bytes += (uint64_t)n;
    return n > 0;
}

static ssize_t inflate_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    struct inflate_stream *s = container_of(stream, struct inflate_stream, stream);
    for (;;) {
        if (s->size == 0 && !s->out_full) {
            int r = inflate_refill(s, err);
            if (r < 0) return r;
            if (r == 0 && s->inside)
                return err_set(err, ERR_CORRUPT, 0, s->object, "it ends in the middle");
            if (r == 0) return 0;
        }
        if (s->packing == PACKING_UNKNOWN) {
            int r = inflate_begin(s, err);
            if (r < 0) return r;
        }
        size_t made = 0;
        if (s->packing == PACKING_NONE) {
            *ret = s->data;
            made = s->size;
            s->size = 0;
            return (ssize_t)made;
        }
        int r = s->packing == PACKING_GZIP ? gzip_some(s, &made, err) : zstd_some(s, &made, err);
        if (r < 0) return r;
        s->out_full = made == OUT_SIZE && s->inside;
        s->out_bytes += made;
        if (s->out_bytes > RATIO_FREE_BYTES && s->out_bytes / s->max_ratio > s->in_bytes) {
            err_set(err, ERR_LIMIT, 0, s->object, "it unpacks to over %llu times its size",
                    (unsigned long long)s->max_ratio);
            return err_next(err, "if you trust it, allow more with --max-ratio");
        }
        *ret = s->out;
        if (made > 0) return (ssize_t)made;
    }
}

static void inflate_free(struct stream *stream) {
    struct inflate_stream *s = container_of(stream, struct inflate_stream, stream);
    gunzip_free(s->gunzip);
    ZSTD_freeDStream(s->zstd);
    stream_free(s->in);
    free(s);
}

struct stream *stream_inflate(struct stream *in, const char *object, uint64_t max_ratio) {
    struct inflate_stream *s = in ? mem_try(struct inflate_stream) : NULL;
    if (!s) {
        stream_free(in);
        return NULL;
    }
    s->stream = (struct stream){.next = inflate_next, .free = inflate_free};
    s->in = in;
    s->object = object;
    s->max_ratio = max_ratio > 0 ? max_ratio : UINT64_MAX;
    return &s->stream;
}

// Whole files: libarchive's filters with its "raw" format, which hands the decoded bytes through.
struct decode_stream {
    struct stream stream;
    struct stream *in;
    const char *object;
    struct archive *archive;
    struct err *err; // of the call in progress: where the read callback leaves its failure
    bool in_failed, open, ended;
};

static la_ssize_t decode_read(struct archive *a, void *arg, const void **ret) {
    struct decode_stream *s = arg;
    const uint8_t *data = NULL;
    ssize_t n = stream_next(s->in, &data, s->err);
    *ret = data;
    if (n >= 0) return n;
    s->in_failed = true;
    archive_set_error(a, EIO, "the source failed");
    return -1;
}

static int decode_fail(struct decode_stream *s, struct err *err) {
    if (s->in_failed) return err_code(err) < 0 ? err_code(err) : -EIO;
    const char *text = archive_error_string(s->archive);
    return err_set(err, ERR_CORRUPT, 0, s->object, "cannot decompress it: %s",
                   text ? text : "unknown format");
}

static int decode_begin(struct decode_stream *s, struct err *err) {
    struct archive_entry *entry;
    s->archive = archive_read_new();
    if (!s->archive || archive_read_support_filter_all(s->archive) < ARCHIVE_WARN ||
        archive_read_support_format_raw(s->archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(s->archive) != ARCHIVE_OK)
        return err_os(err, ENOMEM, s->object, "no memory to read it");
    if (archive_read_open(s->archive, s, NULL, decode_read, NULL) != ARCHIVE_OK)
        return decode_fail(s, err);
    int r = archive_read_next_header(s->archive, &entry);
    s->open = true;
    s->ended = r == ARCHIVE_EOF;
    return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0 : decode_fail(s, err);
}

static ssize_t decode_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    struct decode_stream *s = container_of(stream, struct decode_stream, stream);
    struct err local = {0};
    s->err = err ? err : &local;
    if (!s->open) {
        int r = decode_begin(s, s->err);
        if (r < 0) return r;
    }
    while (!s->ended) {
        const void *data;
        size_t size;
        la_int64_t offset;
        int r = archive_read_data_block(s->archive, &data, &size, &offset);
        if (r == ARCHIVE_EOF) break;
        if (r != ARCHIVE_OK) return decode_fail(s, s->err);
        *ret = data;
        if (size > 0) return (ssize_t)size;
    }
    s->ended = true;
    return 0;
}

static void decode_free(struct stream *stream) {
    struct decode_stream *s = container_of(stream, struct decode_stream, stream);
    archive_read_free(s->archive);
    stream_free(s->in);
    free(s);
}

struct stream *stream_decode(struct stream *in, const char *object) {
    struct decode_stream *s = in ? mem_try(struct decode_stream) : NULL;
    if (!s) {
        stream_free(in);
        return NULL;
    }
    s->stream = (struct stream){.next = decode_next, .free = decode_free};
    s->in = in;
    s->object = object;
    return &s->stream;
}
