// SPDX-License-Identifier: Apache-2.0
// gzip both ways, behind one interface: gzip_isal.c (ISA-L, several times faster) where the library
// is there, gzip_zlib.c elsewhere.
#ifndef TRINE_IMAGE_GZIP_H
#define TRINE_IMAGE_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gzip_io {
    const uint8_t *in; // moves on by what was used
    size_t in_size;
    uint8_t *out; // moves on by what was made
    size_t out_size;
};

struct gunzip;
struct gunzip *gunzip_new(void); // NULL: no memory
void gunzip_free(struct gunzip *g);
// Inflate one member. 1: its end, checked (io->in stands behind it; the next call starts a new
// member); 0: wants input or room; -EBADMSG: not gzip, or damaged.
int gunzip_step(struct gunzip *g, struct gzip_io *io);

struct gzip;
struct gzip *gzip_new(void); // the fastest level; no time or name in the header
void gzip_free(struct gzip *g);
// Deflate. With `last` set and no input left, call until it returns 1: all is out. 0: wants input
// or room; -EIO.
int gzip_step(struct gzip *g, struct gzip_io *io, bool last);

#endif
