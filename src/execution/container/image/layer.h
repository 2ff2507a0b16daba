// SPDX-License-Identifier: Apache-2.0
// Unpacking a layer into a directory of its own, in the form that overlayfs takes as a lower
// directory.
//
// Invariants: (1) no object is made, changed or read outside the directory: every name is one
// component relative to a descriptor, and parents are resolved beneath the root without following
// links; (2) an entry that tries is refused by name, and with it the layer; (3) whiteouts become
// 0:0 devices, opaque directories carry the mark of the mode.
//
// image-spec layer.md; the kernel's Documentation/filesystems/overlayfs.rst.
#ifndef TRINE_IMAGE_LAYER_H
#define TRINE_IMAGE_LAYER_H

#include "execution/container/image/image.h"
#include "execution/container/image/tar.h"

// What one import may use, shared by its layers.
struct image_budget {
    struct image_limits limits;
    uint64_t bytes, entries;
};

struct layer_options {
    const char *object;   // "layer sha256:…", in errors
    enum image_mode mode; // not AUTO
    bool keep_owners;
    const int *lower_fds; // directories of the layers below, bottom first
    size_t n_lowers;
    struct image_budget *budget;
    struct image_report *report;
};

struct layer_stats {
    uint64_t bytes, entries; // content of files; entries of the archive
    uint64_t redirects;      // entries that went where a link of a lower layer leads
    bool end_marked;         // the archive has its end
};

// Everything that `tar` (the uncompressed stream) holds goes below root_fd, an empty directory.
// Reads on to the end of the stream, past the end of the archive. What was made before a failure
// stays, for the caller to remove.
int layer_unpack(struct stream *tar, int root_fd, const struct layer_options *options,
                 struct layer_stats *ret, struct err *err);

// "./a//b/" -> "a/b"; "" is the root. NULL or why it is refused: absolute, "..", too long.
const char *layer_clean_path(const char *path, char ret[TAR_PATH_MAX + 1]);

#endif
