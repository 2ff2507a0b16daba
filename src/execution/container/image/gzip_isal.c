// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/gzip.h"

#include "base/mem.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

struct gunzip {
    struct inflate_state state;
    bool fresh; // the next byte starts a member
};

struct gunzip *gunzip_new(void) {
    struct gunzip *g = mem_try(struct gunzip);
    if (g) g->fresh = true;
    return g;
}

void gunzip_free(struct gunzip *g) {
    free(g);
}

int gunzip_step(struct gunzip *g, struct gzip_io *io) {
    struct inflate_state *s = &g->state;
    if (g->fresh) {
        isal_inflate_init(s);
        s->crc_flag = ISAL_GZIP;
        g->fresh = false;
    }
    uint32_t in_size = io->in_size > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)io->in_size;
    uint32_t out_size = io->out_size > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)io->out_size;
    s->next_in = (uint8_t *)(uintptr_t)io->in; // only read
    s->avail_in = in_size;
    s->next_out = io->out;
    s->avail_out = out_size;
    int r = isal_inflate(s);
    io->in += in_size - s->avail_in;
    io->in_size -= in_size - s->avail_in;
    io->out += out_size - s->avail_out;
    io->out_size -= out_size - s->avail_out;
    if (r < 0 || r == ISAL_NEED_DICT) return -EBADMSG;
    if (s->block_state != ISAL_BLOCK_FINISH) return 0;
    g->fresh = true;
    return 1;
}

struct gzip {
    struct isal_zstream stream;
    uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
};

struct gzip *gzip_new(void) {
    struct gzip *g = mem_try(struct gzip);
    if (!g) return NULL;
    isal_deflate_init(&g->stream);
    g->stream.level = 1;
    g->stream.level_buf = g->level_buf;
    g->stream.level_buf_size = sizeof(g->level_buf);
    g->stream.gzip_flag = IGZIP_GZIP;
    return g;
}

void gzip_free(struct gzip *g) {
    free(g);
}

int gzip_step(struct gzip *g, struct gzip_io *io, bool last) {
    struct isal_zstream *s = &g->stream;
    uint32_t in_size = io->in_size > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)io->in_size;
    uint32_t out_size = io->out_size > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)io->out_size;
    s->next_in = (uint8_t *)(uintptr_t)io->in; // only read
    s->avail_in = in_size;
    s->next_out = io->out;
    s->avail_out = out_size;
    s->end_of_stream = last;
    int r = isal_deflate(s);
    io->in += in_size - s->avail_in;
    io->in_size -= in_size - s->avail_in;
    io->out += out_size - s->avail_out;
    io->out_size -= out_size - s->avail_out;
    if (r != COMP_OK) return -EIO;
    return s->internal_state.state == ZSTATE_END;
}
