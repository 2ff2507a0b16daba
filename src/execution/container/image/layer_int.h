// SPDX-License-Identifier: Apache-2.0
// Shared by the files of the layer unpacker.
#ifndef TRINE_IMAGE_LAYER_INT_H
#define TRINE_IMAGE_LAYER_INT_H

#include "base/vec.h"
#include "execution/container/image/layer.h"

#include <sys/stat.h>

// Set at the end, when nothing is made in a directory any more.
struct dir_fix {
    char *path; // owned
    mode_t mode;
    struct timespec mtime;
};

struct unpack {
    const struct layer_options *options;
    int root_fd;
    const struct tar_entry *entry;
    char path[TAR_PATH_MAX + 1]; // of the entry, clean; may be rewritten by links of lower layers
    char *name;                  // its last component, inside path
    int parent_fd;               // the directory of parent_path; -1: none yet
    char parent_path[TAR_PATH_MAX + 1];
    VEC(struct dir_fix) fixes;
    struct layer_stats stats;
    unsigned devices_skipped, xattrs_skipped, redirects;
};

// Refuse the entry: "entry NAME cause". Bytes of the name that are no text are shown as '?'.
int unpack_refuse(struct unpack *u, const char *cause, struct err *err);
int unpack_os(struct unpack *u, int os_errno, const char *what, struct err *err);

// Make parent_fd the directory that holds the last component of `path`, making what is missing
// with the attributes that lower layers give it.
int unpack_enter_parent(struct unpack *u, struct err *err);
void unpack_leave_parent(struct unpack *u); // forget it: a directory went away
// The topmost lower layer's object at `path`; 1 found, 0 absent (or hidden by a whiteout).
int unpack_find_lower(const struct unpack *u, const char *path, struct stat *ret_st, char *ret_link,
                      size_t link_size);
// Make way for the entry: what the same layer put there before goes. *ret_hidden: it was a
// whiteout, so a directory must become opaque. An existing directory stays when keep_dir (1).
int unpack_make_way(struct unpack *u, bool keep_dir, bool *ret_hidden, struct err *err);
int unpack_remember_dir(struct unpack *u, const char *path, mode_t mode, struct timespec mtime,
                        struct err *err);
int unpack_open_beneath(int dir_fd, const char *path, int flags); // no links; descriptor or -errno

// whiteout.c
bool whiteout_is_name(const char *name); // starts with ".wh."
bool whiteout_is_device(const struct stat *st);
int whiteout_apply(struct unpack *u, struct err *err); // the entry's name is a whiteout name
int whiteout_mark_opaque(struct unpack *u, int dir_fd, struct err *err);

#endif
