// SPDX-License-Identifier: Apache-2.0
// tmpcopyup: a new tmpfs starts with a copy of what the image has in its place.
#include "execution/container/child.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_DEPTH_MAX 64

struct copy {
    int to;
    unsigned depth;
};

static int copy_entry(int dirfd, const char *name, void *arg);

static int copy_file(int dirfd, const char *name, int to, const struct stat *st) {
    auto_close int in = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0) return -errno;
    auto_close int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) return -errno;
    for (;;) {
        ssize_t n = sendfile(out, in, NULL, 1 << 20);
        if (n == 0) break;
        if (n < 0 && errno != EINTR) return -errno;
    }
    return fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0 ? -errno
                                                                                           : 0;
}

static int copy_dir(int dirfd, const char *name, const struct copy *up, const struct stat *st) {
    if (up->depth >= COPY_DEPTH_MAX) return -ELOOP;
    if (mkdirat(up->to, name, 0700) < 0) return -errno;
    auto_close int to = openat(up->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0) return -errno;
    struct copy copy = {.to = to, .depth = up->depth + 1};
    int r = dir_each(dirfd, name, copy_entry, &copy);
    if (r < 0) return r;
    return fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 ? -errno
                                                                                         : 0;
}

static int copy_link(int dirfd, const char *name, int to, const struct stat *st) {
    char target[4097];
    ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);
    if (n < 0) return -errno;
    target[n] = 0;
    if (symlinkat(target, to, name) < 0) return -errno;
    return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_entry(int dirfd, const char *name, void *arg) {
    const struct copy *copy = arg;
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    if (S_ISREG(st.st_mode)) return copy_file(dirfd, name, copy->to, &st);
    if (S_ISDIR(st.st_mode)) return copy_dir(dirfd, name, copy, &st);
    if (S_ISLNK(st.st_mode)) return copy_link(dirfd, name, copy->to, &st);
    if (mknodat(copy->to, name, st.st_mode, st.st_rdev) < 0) return -errno;
    return fchownat(copy->to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int child_copy_up(struct child *c, const char *path, int tree_fd, struct err *err) {
    auto_close int from =
        path_open_in_root(c->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (from == -ENOENT || from == -ENOTDIR) return 0;
    if (from < 0) return err_os(err, -from, path, "cannot read what the image has there");
    // The descriptor of a new mount only names it; this one can be changed.
    auto_close int to = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to < 0) return err_os(err, errno, path, "cannot open the new file system");
    struct copy copy = {.to = to};
    int r = dir_each(from, ".", copy_entry, &copy);
    struct stat st;
    if (r == 0 && fstat(from, &st) == 0 &&
        (fchmod(to, st.st_mode & 07777) < 0 || fchown(to, st.st_uid, st.st_gid) < 0))
        r = -errno;
    return r < 0 ? err_os(err, -r, path, "cannot copy what the image has there") : 0;
}
