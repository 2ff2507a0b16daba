// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/tree_usage.h"

#include "host/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// Programs of an instance decide how deep their tree is: neither our stack nor our descriptors may
// grow with it.
#define DEPTH_MAX 128

struct walk {
    dev_t device;
    unsigned depth;
    struct tree_usage *usage;
};

static int walk_dir(int parent, const char *name, struct walk *walk);

static int walk_entry(int dirfd, const char *name, void *arg) {
    struct walk *walk = arg;
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (st.st_dev != walk->device) return 0;
    walk->usage->bytes += (uint64_t)st.st_blocks * 512;
    if (S_ISDIR(st.st_mode)) return walk_dir(dirfd, name, walk);
    walk->usage->files++;
    return 0;
}

static int walk_dir(int parent, const char *name, struct walk *walk) {
    if (walk->depth == DEPTH_MAX) return -ELOOP;
    auto_close int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    walk->depth++;
    int rc = dir_each(dir, ".", walk_entry, walk);
    walk->depth--;
    return rc;
}

int tree_usage_read(int dirfd, const char *path, struct tree_usage *ret, struct err *err) {
    struct stat st;
    *ret = (struct tree_usage){0};
    if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_os(err, errno, path, "cannot measure it");
    struct walk walk = {.device = st.st_dev, .usage = ret};
    int rc = walk_dir(dirfd, path, &walk);
    if (rc == -ELOOP)
        return err_set(err, ERR_TOO_LARGE, 0, path, "directories are nested deeper than %d",
                       DEPTH_MAX);
    return rc < 0 ? err_os(err, -rc, path, "cannot measure it") : 0;
}
