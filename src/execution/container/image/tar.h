// SPDX-License-Identifier: Apache-2.0
// Reading and writing of tar streams as image layers use them: ustar, pax (POSIX.1-2001 pax(1)),
// and GNU's long names, large numbers and sparse files. Names are bytes: no character set is
// assumed and nothing is normalised, because the digest covers them as they are.
#ifndef TRINE_IMAGE_TAR_H
#define TRINE_IMAGE_TAR_H

#include "base/err.h"
#include "execution/container/image/stream.h"

#include <stdbool.h>
#include <stdint.h>

#define TAR_BLOCK 512
#define TAR_PATH_MAX 4095
#define TAR_XATTRS_MAX 64

enum tar_type {
    TAR_FILE = '0',
    TAR_HARD_LINK = '1',
    TAR_SYMLINK = '2',
    TAR_CHAR = '3',
    TAR_BLOCK_DEVICE = '4',
    TAR_DIR = '5',
    TAR_FIFO = '6',
};

struct tar_xattr {
    const char *name; // points into the reader
    const uint8_t *value;
    size_t size;
};

struct tar_region { // of a sparse file
    uint64_t offset, size;
};

// Strings are borrowed until the next entry, terminated, and may hold anything else.
struct tar_entry {
    enum tar_type type;
    const char *path, *link;
    uint64_t size;      // of the content in the stream
    uint64_t real_size; // of the file; differs from size when sparse
    uint32_t mode, uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t dev_major, dev_minor;
    struct tar_xattr xattrs[TAR_XATTRS_MAX];
    size_t n_xattrs;
    bool xattrs_cut; // there were more
    bool sparse;
    const struct tar_region *regions; // ascending, inside real_size, their sizes add up to size
    size_t n_regions;
};

struct tar_reader;
// `in` is borrowed; `object` names the archive in errors and is borrowed. NULL: no memory.
struct tar_reader *tar_reader_new(struct stream *in, const char *object);
void tar_reader_free(struct tar_reader *tar);
void tar_reader_autofree(struct tar_reader **tar);
#define auto_tar __attribute__((cleanup(tar_reader_autofree)))
// The next entry, skipping what is left of the last one's content. 1, 0 at the end of the archive,
// or negative: damaged or cut short.
int tar_next(struct tar_reader *tar, struct tar_entry **ret, struct err *err);
// Whether the end of the archive was marked, or the stream just stopped between two entries.
bool tar_end_marked(const struct tar_reader *tar);
// Content of the entry as stored: > 0 bytes in *ret (borrowed), 0 at its end, negative.
ssize_t tar_read(struct tar_reader *tar, const uint8_t **ret, struct err *err);
// Content up to `max` bytes as one allocation (the caller's, a 0 added).
int tar_read_all(struct tar_reader *tar, size_t max, char **ret, size_t *ret_size, struct err *err);

// Writing: a header (with a pax one before it where a ustar field is too small) to `put`; content
// and tar_pad are the caller's duty.
typedef int tar_put_fn(void *arg, const void *data, size_t size, struct err *err);
int tar_write_header(const struct tar_entry *entry, tar_put_fn *put, void *arg, struct err *err);
int tar_write_pad(uint64_t size, tar_put_fn *put, void *arg, struct err *err);
int tar_write_end(tar_put_fn *put, void *arg, struct err *err);

#endif
