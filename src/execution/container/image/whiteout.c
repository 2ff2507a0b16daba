// SPDX-License-Identifier: Apache-2.0
// Whiteouts: ".wh.NAME" hides NAME of the layers below, ".wh..wh..opq" hides all that they have in
// its directory (image-spec layer.md, "Whiteouts"). They never hide what their own layer brings.
#include "base/str.h"
#include "execution/container/image/layer_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

bool whiteout_is_name(const char *name) {
    return str_starts(name, WHITEOUT_PREFIX);
}

bool whiteout_is_device(const struct stat *st) {
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int whiteout_mark_opaque(struct unpack *u, int dir_fd, struct err *err) {
    const char *mark =
        u->options->mode == IMAGE_MODE_ROOT ? "trusted.overlay.opaque" : "user.overlay.opaque";
    if (u->options->n_lowers == 0) return 0;
    if (fsetxattr(dir_fd, mark, "y", 1, 0) == 0) return 0;
    int r = unpack_os(u, errno, "cannot mark its directory as opaque", err);
    if (r == -EOPNOTSUPP)
        err_next(err, "put the image store on a file system with extended attributes (ext4, xfs, "
                      "btrfs, tmpfs since Linux 6.6)");
    return r;
}

// What the layer already has under the hidden name stays; a directory stops showing what is below.
static int hide_beside_own(struct unpack *u, const char *name, const struct stat *st,
                           struct err *err) {
    if (!S_ISDIR(st->st_mode)) return 0;
    auto_close int fd = unpack_open_beneath(u->parent_fd, name, O_RDONLY | O_DIRECTORY);
    return fd < 0 ? unpack_os(u, -fd, "cannot open what it hides", err)
                  : whiteout_mark_opaque(u, fd, err);
}

int whiteout_apply(struct unpack *u, struct err *err) {
    if (strcmp(u->name, WHITEOUT_OPAQUE) == 0) return whiteout_mark_opaque(u, u->parent_fd, err);
    if (str_starts(u->name, WHITEOUT_META)) return 0; // aufs' own bookkeeping
    const char *name = u->name + strlen(WHITEOUT_PREFIX);
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return unpack_refuse(u, "is a whiteout of its own or its parent directory", err);
    struct stat st;
    if (fstatat(u->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return hide_beside_own(u, name, &st, err);
    // Without anything to hide the device would show in directories that only this layer has.
    char path[TAR_PATH_MAX + 1];
    snprintf(path, sizeof(path), "%.*s%s", (int)(u->name - u->path), u->path, name);
    if (unpack_find_lower(u, path, &st, NULL, 0) == 0) return 0;
    if (mknodat(u->parent_fd, name, S_IFCHR, makedev(0, 0)) < 0)
        return unpack_os(u, errno, "cannot make a whiteout", err);
    return 0;
}
