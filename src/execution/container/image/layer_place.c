// SPDX-License-Identifier: Apache-2.0
// Where an entry goes: clean names, parents, what lies below, making way.
#include "base/str.h"
#include "execution/container/image/layer_int.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_LEN_MAX 255
#define REDIRECTS_MAX 40

const char *layer_clean_path(const char *path, char ret[TAR_PATH_MAX + 1]) {
    size_t len = 0;
    if (*path == '/') return "has an absolute name";
    if (strlen(path) > TAR_PATH_MAX) return "has too long a name";
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && memcmp(path, "..", 2) == 0) return "leads out of the image through '..'";
        if (n > NAME_LEN_MAX) return "has too long a name";
        if (n > 0 && !(n == 1 && *path == '.')) {
            if (len > 0) ret[len++] = '/';
            memcpy(ret + len, path, n);
            len += n;
        }
        path += n;
        while (*path == '/') path++;
    }
    ret[len] = '\0';
    return NULL;
}

static void printable(const char *from, char *to, size_t size) {
    size_t i = 0;
    for (; from[i] && i + 1 < size; i++)
        to[i] = (unsigned char)from[i] < ' ' || (unsigned char)from[i] >= 0x7f ? '?' : from[i];
    to[i] = '\0';
}

int unpack_refuse(struct unpack *u, const char *cause, struct err *err) {
    char name[200];
    printable(u->entry->path, name, sizeof(name));
    return err_set(err, ERR_CORRUPT, 0, u->options->object, "entry '%s' %s", name, cause);
}

int unpack_os(struct unpack *u, int os_errno, const char *what, struct err *err) {
    char name[200];
    printable(u->entry->path, name, sizeof(name));
    int r = err_os(err, os_errno, u->options->object, "entry '%s': %s", name, what);
    if (os_errno == ENOSPC || os_errno == EDQUOT)
        err_next(err, "free some space in the file system of the image store");
    return r;
}

int unpack_open_beneath(int dir_fd, const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    long fd = syscall(SYS_openat2, dir_fd, *path ? path : ".", &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

void unpack_leave_parent(struct unpack *u) {
    if (u->parent_fd >= 0) close(u->parent_fd);
    u->parent_fd = -1;
}

int unpack_remember_dir(struct unpack *u, const char *path, mode_t mode, struct timespec mtime,
                        struct err *err) {
    struct dir_fix fix = {.path = mem_try_dup(path, strlen(path)), .mode = mode, .mtime = mtime};
    if (fix.path && vec_try_add(&u->fixes, fix)) return 0;
    free(fix.path);
    return unpack_os(u, ENOMEM, "no memory", err);
}

int unpack_find_lower(const struct unpack *u, const char *path, struct stat *ret_st, char *ret_link,
                      size_t link_size) {
    for (size_t i = u->options->n_lowers; i > 0; i--) {
        auto_close int fd =
            unpack_open_beneath(u->options->lower_fds[i - 1], path, O_PATH | O_NOFOLLOW);
        if (fd == -ENOENT) continue;
        if (fd < 0 || fstat(fd, ret_st) < 0) return 0; // something else stands in the way
        if (whiteout_is_device(ret_st)) return 0;
        if (ret_link) {
            ssize_t n = S_ISLNK(ret_st->st_mode) ? readlinkat(fd, "", ret_link, link_size - 1) : 0;
            ret_link[n > 0 ? n : 0] = '\0';
        }
        return 1;
    }
    return 0;
}

// A missing parent that lower layers hold as a symbolic link: the entry belongs where that leads
// (an upper layer's lib/x, where the layers below have lib -> usr/lib). u->path becomes
// "target/rest"; ".." is taken by name and cannot pass the root.
static int redirect(struct unpack *u, size_t prefix_len, const char *link, struct err *err) {
    if (++u->redirects > REDIRECTS_MAX)
        return unpack_refuse(u, "goes through too many symbolic links", err);
    auto_str struct str s = {0};
    size_t dir_len = prefix_len;
    while (dir_len > 0 && u->path[dir_len - 1] != '/') dir_len--;
    if (*link != '/') str_add_n(&s, u->path, dir_len);
    str_printf(&s, "%s/%s", link, u->path + prefix_len + 1);
    if (s.failed) return unpack_os(u, ENOMEM, "no memory", err);
    size_t len = 0;
    char to[sizeof(u->path)];
    for (const char *p = s.data; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && memcmp(p, "..", 2) == 0) {
            while (len > 0 && to[--len] != '/') continue;
        } else if (n > 0 && !(n == 1 && *p == '.')) {
            if (len + n + 1 > TAR_PATH_MAX) return unpack_refuse(u, "has too long a name", err);
            if (len > 0) to[len++] = '/';
            memcpy(to + len, p, n);
            len += n;
        }
        p += n + (p[n] == '/');
    }
    memcpy(u->path, to, len);
    u->path[len] = '\0';
    return -EAGAIN;
}

// A directory that the layer implies but does not describe: as the layers below have it.
static int make_implied(struct unpack *u, int dir_fd, const char *name, const char *path,
                        struct err *err) {
    struct stat st = {0};
    char link[TAR_PATH_MAX + 1];
    bool below = unpack_find_lower(u, path, &st, link, sizeof(link)) == 1;
    if (below && S_ISLNK(st.st_mode)) return redirect(u, strlen(path), link, err);
    below = below && S_ISDIR(st.st_mode);
    if (mkdirat(dir_fd, name, 0755) < 0)
        return unpack_os(u, errno, "cannot make its directory", err);
    if (!below) return 0;
    if (u->options->keep_owners &&
        fchownat(dir_fd, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return unpack_os(u, errno, "cannot set its directory's owner", err);
    return unpack_remember_dir(u, path, st.st_mode & 07777, st.st_mtim, err);
}

// One component down. What stands there and is no directory: our own whiteout gives way.
static int step_down(struct unpack *u, int dir_fd, const char *name, const char *path,
                     struct err *err) {
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW };
    bool hidden = false;
    int fd = unpack_open_beneath(dir_fd, name, FLAGS);
    if (fd == -ENOTDIR || fd == -ELOOP) {
        struct stat st;
        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return unpack_os(u, errno, "cannot look at its directory", err);
        if (S_ISLNK(st.st_mode))
            return unpack_refuse(u, "goes through a symbolic link of the same layer", err);
        if (!whiteout_is_device(&st))
            return unpack_refuse(u, "lies below something that is no directory", err);
        if (unlinkat(dir_fd, name, 0) < 0)
            return unpack_os(u, errno, "cannot replace a whiteout", err);
        hidden = true;
        fd = -ENOENT;
    }
    if (fd == -ENOENT) {
        int r = hidden ? mkdirat(dir_fd, name, 0755) < 0 ? -errno : 0
                       : make_implied(u, dir_fd, name, path, err);
        if (r < 0) return r;
        fd = unpack_open_beneath(dir_fd, name, FLAGS);
    }
    if (fd < 0) return unpack_os(u, -fd, "cannot open its directory", err);
    int r = hidden ? whiteout_mark_opaque(u, fd, err) : 0;
    if (r < 0) close(fd);
    return r < 0 ? r : fd;
}

// From the root down to the directory `path`; the descriptor.
static int walk(struct unpack *u, const char *path, struct err *err) {
    auto_close int fd = unpack_open_beneath(u->root_fd, "", O_RDONLY | O_DIRECTORY);
    if (fd < 0) return unpack_os(u, -fd, "cannot open the layer's directory", err);
    char prefix[TAR_PATH_MAX + 1];
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/"), len = (size_t)(p - path) + n;
        memcpy(prefix, path, len);
        prefix[len] = '\0';
        int next = step_down(u, fd, prefix + (p - path), prefix, err);
        if (next < 0) return next;
        close(fd);
        fd = next;
        p += n + (p[n] == '/');
    }
    return take_fd(fd);
}

static int enter_once(struct unpack *u, struct err *err) {
    char *slash = strrchr(u->path, '/');
    size_t len = slash ? (size_t)(slash - u->path) : 0;
    u->name = slash ? slash + 1 : u->path;
    if (u->parent_fd >= 0 && strlen(u->parent_path) == len &&
        memcmp(u->parent_path, u->path, len) == 0)
        return 0;
    unpack_leave_parent(u);
    memcpy(u->parent_path, u->path, len);
    u->parent_path[len] = '\0';
    int fd = unpack_open_beneath(u->root_fd, u->parent_path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) fd = walk(u, u->parent_path, err);
    if (fd < 0) return fd;
    u->parent_fd = fd;
    return 0;
}

int unpack_enter_parent(struct unpack *u, struct err *err) {
    int r;
    u->redirects = 0;
    while ((r = enter_once(u, err)) == -EAGAIN) continue;
    u->stats.redirects += u->redirects > 0;
    return r;
}

int unpack_make_way(struct unpack *u, bool keep_dir, bool *ret_hidden, struct err *err) {
    struct stat st;
    *ret_hidden = false;
    if (fstatat(u->parent_fd, u->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : unpack_os(u, errno, "cannot look at its place", err);
    if (S_ISDIR(st.st_mode)) {
        if (keep_dir) return 1;
        return dir_remove_tree(u->parent_fd, u->name, err);
    }
    *ret_hidden = whiteout_is_device(&st);
    if (unlinkat(u->parent_fd, u->name, 0) < 0)
        return unpack_os(u, errno, "cannot replace an earlier entry", err);
    return 0;
}
