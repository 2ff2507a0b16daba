// SPDX-License-Identifier: Apache-2.0
// Shared by the files of the tar reader.
#ifndef TRINE_IMAGE_TAR_INT_H
#define TRINE_IMAGE_TAR_INT_H

#include "base/vec.h"
#include "execution/container/image/tar.h"

// The ustar header block, POSIX.1-2001 "ustar Interchange Format"; GNU uses the prefix otherwise.
struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
    char type;
    char link[100], magic[8], user[32], group[32], dev_major[8], dev_minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is one block");

// What pax records (and GNU's long name entries) say about the next entry; a value that is not set
// leaves the header's.
struct tar_extra {
    char *path, *link; // owned; NULL: not set
    bool has_size, has_mtime, has_uid, has_gid;
    uint64_t size, uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    int sparse_major, sparse_minor; // GNU.sparse.*; 0.0 and 0.1 have a map here
    bool sparse, has_real_size;
    uint64_t real_size;
    char *sparse_name; // owned
    VEC(struct tar_region) map;
    uint64_t map_offset; // GNU.sparse.offset seen, its numbytes to come
    bool map_open;
    char *records; // owned: the pax header's bytes, xattr names and values point into it
    struct tar_xattr xattrs[TAR_XATTRS_MAX];
    size_t n_xattrs;
    bool xattrs_cut;
};

#define TAR_REGIONS_MAX 1000000

void tar_extra_clear(struct tar_extra *extra);
// One pax extended header, `size` bytes that the extra takes over (terminated by a 0 beyond size).
// `global`: only what a global header may say here is kept. -EBADMSG with err set.
int tar_parse_pax(struct tar_extra *extra, char *records, size_t size, const char *object,
                  struct err *err);
int tar_parse_map_text(struct tar_extra *extra, const char *text); // "offset,size,offset,size…"
// A header's number: octal, or base 256 when its top bit is set. -EBADMSG; -ERANGE when negative.
int tar_number(const char *field, size_t size, uint64_t *ret);
int tar_decimal(const char *text, uint64_t *ret); // digits only; -EBADMSG

#endif
