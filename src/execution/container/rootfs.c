// SPDX-License-Identifier: Apache-2.0
// The root of the container: isolating the mount namespace, mounting the root, entering it, and
// what is hidden or made read-only in it.
//
// The new root is attached on top of the namespace's own "/": host paths stay reachable by absolute
// paths until pivot_root, and no directory of the host is needed as a mount point.
#include "base/str.h"
#include "execution/container/child.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_attr(int fd, uint64_t set, unsigned long propagation, bool all) {
    struct mount_attr attr = {.attr_set = set, .propagation = propagation};
    unsigned flags = AT_EMPTY_PATH | (all ? AT_RECURSIVE : 0);
    return mount_setattr(fd, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int child_isolate_mounts(struct child *c, struct err *err) {
    if (!(c->plan->new_namespaces & CLONE_NEWNS)) return 0;
    // Sharing with the host is only kept where the configuration wants it; the mount that carries
    // our new root never shares, or attaching it would show on the host.
    bool shared = c->plan->root_propagation & MS_SHARED && !c->plan->root_mount;
    unsigned long flags = shared ? MS_PRIVATE : MS_SLAVE | MS_REC;
    if (c->plan->root_propagation & MS_PRIVATE) flags = MS_PRIVATE | MS_REC;
    if (mount(NULL, "/", NULL, flags, NULL) < 0)
        return err_os(err, errno, "mount namespace", "cannot isolate it from the host");
    return 0;
}

// The option page of mount(2) has 4096 bytes. Relative layers keep 128 of them inside it.
static int mount_overlay(struct child *c, const struct plan_mount *m, struct err *err) {
    auto_str struct str data = {0};
    for (size_t i = 0; i < m->options.data.len; i++)
        str_printf(&data, "%s%s", i ? "," : "", m->options.data.items[i]);
    bool has_upper = strstr(str_text(&data), "upperdir=") != NULL;
    if (c->plan->in_user_ns && has_upper && !strstr(str_text(&data), "userxattr"))
        str_add(&data, ",userxattr");
    if (data.len >= 4096)
        return err_set(err, ERR_TOO_LARGE, 0, "/", "%zu bytes of overlay options, 4095 fit",
                       data.len);
    if (m->options.base && chdir(m->options.base) < 0)
        return err_os(err, errno, m->options.base, "cannot enter the directory of the layers");
    const char *source = m->spec->source ? m->spec->source : "overlay";
    if (mount(source, "/", "overlay", 0, str_text(&data)) < 0) {
        err_os(err, errno, "/", "cannot mount the overlay (%.200s)", str_text(&data));
        return err_next(err, "look at the kernel log: overlayfs explains itself there");
    }
    // "/" is our old root still; its ".." is itself again, and steps onto what is mounted there.
    c->root_fd = open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->root_fd < 0) return err_os(err, errno, "/", "cannot open the mounted overlay");
    int r = set_attr(c->root_fd, m->options.set, MS_PRIVATE, false);
    return r < 0 ? err_os(err, -r, "/", "cannot set its mount options") : 0;
}

static int bind_root(struct child *c, const char *path, bool recursive, uint64_t set,
                     struct err *err) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
    c->root_fd = c->plan->root_fd >= 0 ? fcntl(c->plan->root_fd, F_DUPFD_CLOEXEC, 3)
                                       : open_tree(AT_FDCWD, path, flags);
    if (c->root_fd < 0) return err_os(err, errno, "root.path", "cannot bind %s", path);
    int r = set_attr(c->root_fd, set, MS_PRIVATE, true);
    if (r < 0) return err_os(err, -r, "root.path", "cannot make it private");
    if (move_mount(c->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_os(err, errno, "root.path", "cannot attach %s", path);
    return 0;
}

static int mount_root(struct child *c, struct err *err) {
    if (!(c->plan->new_namespaces & CLONE_NEWNS)) {
        c->root_fd = open(c->plan->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (c->root_fd < 0) return err_os(err, errno, "root.path", "cannot open it");
        return 0;
    }
    const struct plan_mount *m = c->plan->root_mount ? &c->plan->mounts[0] : NULL;
    if (!m) return bind_root(c, c->plan->root_path, true, 0, err);
    if (m->options.bind) return bind_root(c, m->source, m->options.bind_all, m->options.set, err);
    if (!strcmp(m->spec->type, "overlay")) return mount_overlay(c, m, err);
    c->root_fd = child_new_filesystem("/", m->spec->type, m->spec->source, &m->options.data,
                                      m->options.set, err);
    if (c->root_fd < 0) return c->root_fd;
    if (move_mount(c->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_os(err, errno, "/", "cannot attach the root file system");
    return 0;
}

int child_mount_root(struct child *c, struct err *err) {
    int r = mount_root(c, err);
    if (r < 0 || !c->plan->no_devices || !(c->plan->new_namespaces & CLONE_NEWNS)) return r;
    r = set_attr(c->root_fd, MOUNT_ATTR_NODEV, 0, true);
    return r < 0 ? err_os(err, -r, "root", "cannot keep devices from being opened in it") : 0;
}

// Engines expect the working directory to be made. A root that cannot be written decides later,
// with the words of chdir.
int child_make_cwd(struct child *c, struct err *err) {
    if (!strcmp(c->plan->process->cwd, "/")) return 0;
    auto_close int fd = path_make_dir_in_root(c->root_fd, c->plan->process->cwd, 0755);
    (void)fd;
    return 0;
}

static int pivot(struct child *c, struct err *err) {
    auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0 || fchdir(c->root_fd) < 0)
        return err_os(err, errno, "root", "cannot enter the new root");
    if (syscall(SYS_pivot_root, ".", ".") < 0) {
        err_os(err, errno, "root", "pivot_root is refused");
        return err_next(err, "a host that runs from its initramfs needs --no-pivot");
    }
    // The old root now lies on top of the new one. It must not share when it goes, or its
    // unmounting would reach the host.
    if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_os(err, errno, "root", "cannot leave the host's root");
    return 0;
}

int child_enter_root(struct child *c, struct err *err) {
    int r = 0;
    if (c->plan->new_namespaces & CLONE_NEWNS && !c->plan->options->no_pivot) {
        r = pivot(c, err);
    } else if (fchdir(c->root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0) {
        r = err_os(err, errno, "root", "cannot change the root");
    }
    if (r < 0) return r;
    close(c->root_fd);
    c->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return c->root_fd < 0 ? err_os(err, errno, "root", "cannot open it") : 0;
}

static int mask_directory(struct child *c, int target, const char *path, struct err *err) {
    auto_close int tree = -1;
    if (c->zero_dir < 0) {
        char *words[] = {(char[]){"size=0k"}, (char[]){"nr_inodes=2"}, NULL};
        struct oci_strings data = {.items = words, .len = 2};
        tree = child_new_filesystem(path, "tmpfs", "tmpfs", &data, MOUNT_ATTR_RDONLY, err);
        if (tree < 0) return tree;
    } else {
        tree = open_tree(c->zero_dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0) return err_os(err, errno, path, "cannot copy the empty directory");
    }
    int r = child_attach(tree, target);
    if (r < 0) return err_os(err, -r, path, "cannot be masked");
    if (c->zero_dir < 0) c->zero_dir = take_fd(tree);
    return 0;
}

static int mask(struct child *c, int null_fd, const char *path, struct err *err) {
    auto_close int target = path_open_in_root(c->root_fd, path, O_PATH | O_CLOEXEC, 0);
    if (target == -ENOENT || target == -ENOTDIR || target == -EACCES) return 0;
    if (target < 0) return err_os(err, -target, path, "cannot be masked");
    struct stat st;
    if (fstat(target, &st) < 0) return err_os(err, errno, path, "cannot be masked");
    if (S_ISDIR(st.st_mode)) return mask_directory(c, target, path, err);
    auto_close int tree =
        open_tree(null_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int r = tree < 0 ? -errno : child_attach(tree, target);
    return r < 0 ? err_os(err, -r, path, "cannot be masked") : 0;
}

static int protect(struct child *c, const char *path, struct err *err) {
    auto_close int target = path_open_in_root(c->root_fd, path, O_PATH | O_CLOEXEC, 0);
    if (target == -ENOENT || target == -ENOTDIR || target == -EACCES) return 0;
    if (target < 0) return err_os(err, -target, path, "cannot be made read-only");
    unsigned flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    auto_close int tree = open_tree(target, "", flags);
    int r = tree < 0 ? -errno : set_attr(tree, MOUNT_ATTR_RDONLY, 0, true);
    if (r == 0) r = child_attach(tree, target);
    return r < 0 ? err_os(err, -r, path, "cannot be made read-only") : 0;
}

// The null device is the container's own: it is checked to be one, for an image could put anything
// in its place (and a mask that is a file of the image hides nothing).
static int open_null(struct child *c, struct err *err) {
    struct stat st;
    int fd = path_open_in_root(c->root_fd, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != 0x103) {
        if (fd >= 0) close(fd);
        return err_set(err, ERR_DENIED, 0, "/dev/null",
                       "it is not the null device, so that paths cannot be masked with it");
    }
    return fd;
}

int child_protect_paths(struct child *c, struct err *err) {
    const struct oci_linux *linux_ = &c->plan->spec->linux_;
    if (!c->plan->has_mount_ns) return 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < linux_->readonly_paths.len; i++)
        r = protect(c, linux_->readonly_paths.items[i], err);
    if (r < 0 || !linux_->masked_paths.len) return r;
    auto_close int null_fd = open_null(c, err);
    if (null_fd < 0) return null_fd;
    for (size_t i = 0; r == 0 && i < linux_->masked_paths.len; i++)
        r = mask(c, null_fd, linux_->masked_paths.items[i], err);
    return r;
}

int child_seal_root(struct child *c, struct err *err) {
    const struct oci_root *root = c->plan->spec->root;
    if (!c->plan->has_mount_ns) return 0;
    if (c->plan->root_propagation && mount(NULL, "/", NULL, c->plan->root_propagation, NULL) < 0)
        return err_os(err, errno, "linux.rootfsPropagation", "cannot be set");
    if (root && root->readonly) {
        int r = set_attr(c->root_fd, MOUNT_ATTR_RDONLY, 0, false);
        if (r < 0) return err_os(err, -r, "root.readonly", "cannot make the root read-only");
    }
    return 0;
}
