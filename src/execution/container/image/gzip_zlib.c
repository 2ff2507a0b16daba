// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/gzip.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) // largest window, gzip wrapper
#define STEP_MAX ((size_t)1 << 30)

static size_t at_most(size_t size) {
    return size < STEP_MAX ? size : STEP_MAX;
}

static void step_begin(z_stream *s, const struct gzip_io *io) {
    s->next_in = (Bytef *)(uintptr_t)io->in; // only read
    s->avail_in = (uInt)at_most(io->in_size);
    s->next_out = io->out;
    s->avail_out = (uInt)at_most(io->out_size);
}

static void step_end(z_stream *s, struct gzip_io *io) {
    io->in_size -= at_most(io->in_size) - s->avail_in;
    io->out_size -= at_most(io->out_size) - s->avail_out;
    io->in = s->next_in;
    io->out = s->next_out;
}

struct gunzip {
    z_stream stream;
    bool fresh; // the next byte starts a member
};

struct gunzip *gunzip_new(void) {
    struct gunzip *g = mem_try(struct gunzip);
    if (g && inflateInit2(&g->stream, GZIP_WINDOW) == Z_OK) return g;
    free(g);
    return NULL;
}

void gunzip_free(struct gunzip *g) {
    if (g) inflateEnd(&g->stream);
    free(g);
}

int gunzip_step(struct gunzip *g, struct gzip_io *io) {
    if (g->fresh && inflateReset(&g->stream) != Z_OK) return -EBADMSG;
    g->fresh = false;
    step_begin(&g->stream, io);
    int r = inflate(&g->stream, Z_NO_FLUSH);
    step_end(&g->stream, io);
    g->fresh = r == Z_STREAM_END;
    if (r == Z_STREAM_END) return 1;
    return r == Z_OK || r == Z_BUF_ERROR ? 0 : -EBADMSG;
}

struct gzip {
    z_stream stream;
};

struct gzip *gzip_new(void) {
    struct gzip *g = mem_try(struct gzip);
    if (g && deflateInit2(&g->stream, 1, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) == Z_OK)
        return g;
    free(g);
    return NULL;
}

void gzip_free(struct gzip *g) {
    if (g) deflateEnd(&g->stream);
    free(g);
}

int gzip_step(struct gzip *g, struct gzip_io *io, bool last) {
    step_begin(&g->stream, io);
    int r = deflate(&g->stream, last ? Z_FINISH : Z_NO_FLUSH);
    step_end(&g->stream, io);
    if (r == Z_STREAM_END) return 1;
    return r == Z_OK || r == Z_BUF_ERROR ? 0 : -EIO;
}
