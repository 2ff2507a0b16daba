// SPDX-License-Identifier: Apache-2.0
#include "host/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static void close_dir(DIR **dir) {
    if (*dir) closedir(*dir);
}

static int make_one(int dirfd, const char *path, mode_t mode) {
    if (mkdirat(dirfd, path, mode) == 0) return 0;
    if (errno != EEXIST) return -errno;
    struct stat st;
    if (fstatat(dirfd, path, &st, 0) < 0) return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(int dirfd, const char *path, mode_t mode, struct err *err) {
    char prefix[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(prefix))
        return err_os(err, len ? ENAMETOOLONG : ENOENT, path, "cannot create the folder");
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        if (path[i - 1] == '/') continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        int r = make_one(dirfd, prefix, mode);
        if (r < 0) return err_os(err, -r, path, "cannot create the folder");
    }
    return 0;
}

int dir_open(int dirfd, const char *path, int *ret_fd, struct err *err) {
    int fd = openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_os(err, errno, path, "cannot open the folder");
    *ret_fd = fd;
    return 0;
}

static bool is_dots(const char *name) {
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

// Takes the descriptor in any case.
static int each_in(int fd, dir_each_fn *fn, void *arg) {
    auto_call(close_dir) DIR *dir = fdopendir(fd);
    if (!dir) {
        int r = -errno;
        close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) return -errno;
        if (is_dots(entry->d_name)) continue;
        int r = fn(fd, entry->d_name, arg);
        if (r < 0) return r;
    }
}

int dir_each(int dirfd, const char *path, dir_each_fn *fn, void *arg) {
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : each_in(fd, fn, arg);
}

// Removing a tree. Each folder below is opened from its parent without links and without crossing
// a mount. A tree deeper than DEPTH_MAX is cut: the deep part is moved up to the top and removed
// from there, so neither the stack nor the descriptors grow with what somebody nested.
enum { DEPTH_MAX = 32 };

struct removal {
    int top; // borrowed
    unsigned moved;
    bool again; // something was moved up, or came while we read
    int depth;
};

static int open_child(int parent, const char *name) {
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve =
                               RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, parent, name, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

// Folders that their owner may not even read: the owner may change that.
static int open_child_by_force(int parent, const char *name) {
    int fd = open_child(parent, name);
    if (fd != -EACCES) return fd;
    auto_close int handle = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char path[FD_PATH_SIZE];
    if (handle < 0 || chmod(fd_path(handle, path), 0700) < 0) return -EACCES;
    return open_child(parent, name);
}

static int remove_entry(int parent, const char *name, void *arg);

static int empty_folder(int fd, struct removal *removal) {
    removal->depth++;
    int r = each_in(fd, remove_entry, removal);
    removal->depth--;
    return r;
}

static int move_up(int parent, const char *name, struct removal *removal) {
    char new_name[32];
    do snprintf(new_name, sizeof(new_name), ".deep-%u", removal->moved++);
    while (faccessat(removal->top, new_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    removal->again = true;
    return renameat(parent, name, removal->top, new_name) < 0 ? -errno : 0;
}

static int remove_entry(int parent, const char *name, void *arg) {
    struct removal *removal = arg;
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno; // EPERM: a folder, as POSIX has it
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES) return -errno;
    int fd = open_child_by_force(parent, name);
    if (fd < 0) return fd;
    if (removal->depth >= DEPTH_MAX) {
        close(fd);
        return move_up(parent, name, removal);
    }
    int r = empty_folder(fd, removal);
    if (r < 0) return r;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
    removal->again = true; // reading a folder that changes may miss entries
    return 0;
}

static int remove_tree(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
    auto_close int top = open_child_by_force(parent, name);
    if (top < 0) return top == -ENOENT ? 0 : top;
    struct removal removal = {.top = top};
    for (int rounds = 0;; rounds++) {
        removal.again = false;
        int fd = open_child(parent, name);
        if (fd < 0) return fd == -ENOENT ? 0 : fd;
        int r = empty_folder(fd, &removal);
        if (r < 0) return r;
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
        if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
        // Deep trees need a round per DEPTH_MAX levels; anything else that comes back is somebody
        // who still creates files.
        if (!removal.again && rounds > 16) return -ENOTEMPTY;
    }
}

int dir_remove_tree(int dirfd, const char *path, struct err *err) {
    auto_free char *copy = mem_strdup(path);
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/') copy[--len] = '\0';
    char *slash = strrchr(copy, '/'), *name = slash ? slash + 1 : copy;
    if (!*name || is_dots(name))
        return err_set(err, ERR_INVALID, 0, path, "not a folder that can be removed by name");
    if (slash) *slash = '\0';
    const char *folder = !slash ? "." : slash == copy ? "/" : copy;
    auto_close int parent = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 && errno == ENOENT) return 0;
    if (parent < 0) return err_os(err, errno, path, "cannot open the folder above");
    int r = remove_tree(parent, name);
    if (r == -EXDEV || r == -EBUSY) {
        err_set(err, ERR_STATE, -r, path, "cannot remove it: something is mounted there");
        return err_next(err, "unmount what is mounted below it");
    }
    return r < 0 ? err_os(err, -r, path, "cannot remove it") : 0;
}
