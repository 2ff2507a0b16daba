// SPDX-License-Identifier: Apache-2.0
// Paths inside a root that somebody else controls: the kernel resolves them (openat2,
// RESOLVE_IN_ROOT), we never join strings and hope.
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RACE_TRIES = 64, LINKS_MAX = 40 };

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode) {
    bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = creates ? mode & 07777 : 0,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    // EAGAIN: somebody renamed folders meanwhile and ".." could not be proven safe.
    for (int i = 0; i < RACE_TRIES; i++) {
        long fd = syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof(how));
        if (fd >= 0) return (int)fd;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
    return -EAGAIN;
}

static int make_in_root(int root_fd, const char *path, mode_t mode, int *links_left);

static int open_folder(int root_fd, const char *path) {
    return path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
}

// `prefix` names a link that leads nowhere: what it names is made, inside the root too.
static int make_link_target(int root_fd, int parent, const char *prefix, const char *name,
                            mode_t mode, int *links_left) {
    if ((*links_left)-- == 0) return -ELOOP;
    char target[PATH_MAX], joined[PATH_MAX];
    ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);
    if (n < 0) return -errno;
    target[n] = '\0';
    int len = target[0] == '/' ? 0 : (int)(name - prefix);
    if (snprintf(joined, sizeof(joined), "%.*s/%s", len, prefix, target) >= (int)sizeof(joined))
        return -ENAMETOOLONG;
    return make_in_root(root_fd, joined, mode, links_left);
}

// `prefix` ends with `name`; parent is the folder that holds it. An O_PATH descriptor or -errno.
static int enter_or_make(int root_fd, int parent, const char *prefix, const char *name, mode_t mode,
                         int *links_left) {
    int fd = open_folder(root_fd, prefix);
    if (fd != -ENOENT) return fd;
    if (mkdirat(parent, name, mode) < 0 && errno != EEXIST) return -errno;
    fd = open_folder(root_fd, prefix);
    if (fd != -ENOENT) return fd;
    return make_link_target(root_fd, parent, prefix, name, mode, links_left);
}

static int make_in_root(int root_fd, const char *path, mode_t mode, int *links_left) {
    char prefix[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(prefix)) return -ENAMETOOLONG;
    auto_close int at = open_folder(root_fd, "/");
    if (at < 0) return at;
    for (size_t start = 0; start < len;) {
        size_t end = start + strcspn(path + start, "/");
        if (end > start) {
            memcpy(prefix, path, end);
            prefix[end] = '\0';
            int fd = enter_or_make(root_fd, at, prefix, prefix + start, mode, links_left);
            if (fd < 0) return fd;
            close(at);
            at = fd;
        }
        start = end + 1;
    }
    return take_fd(at);
}

int path_make_dir_in_root(int root_fd, const char *path, mode_t mode) {
    int links_left = LINKS_MAX;
    return make_in_root(root_fd, path, mode, &links_left);
}
