// SPDX-License-Identifier: Apache-2.0
// The container's mounts, in the order of the list. Every file system is made unattached, gets its
// attributes, and is attached by descriptor to a target that was resolved inside the root: no path
// is walked twice and no link of the image leads out.
#include "base/str.h"
#include "execution/container/child.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FSCONFIG_STRING_MAX 255

// The kernel explains itself on the context's descriptor: "e tmpfs: Bad value for 'size'".
static int explain(int fs_fd, const char *what, const char *doing, int number, struct err *err) {
    char text[256];
    ssize_t n = read(fs_fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    const char *words = text[0] && text[1] == ' ' ? text + 2 : text;
    if (*words) return err_os(err, number, what, "%s: %s", doing, words);
    return err_os(err, number, what, "%s", doing);
}

static int configure(int fs_fd, const char *what, const char *word, struct err *err) {
    const char *equals = strchr(word, '=');
    int r;
    if (equals) {
        char key[64];
        size_t len = (size_t)(equals - word);
        if (len >= sizeof(key) || strlen(equals + 1) > FSCONFIG_STRING_MAX)
            return err_set(err, ERR_INVALID, 0, what, "the option \"%.40s…\" is too long", word);
        memcpy(key, word, len);
        key[len] = 0;
        r = fsconfig(fs_fd, FSCONFIG_SET_STRING, key, equals + 1, 0);
    } else {
        r = fsconfig(fs_fd, FSCONFIG_SET_FLAG, word, NULL, 0);
    }
    if (r == 0) return 0;
    char doing[128];
    snprintf(doing, sizeof(doing), "the option \"%.80s\" is refused", word);
    return explain(fs_fd, what, doing, errno, err);
}

int child_new_filesystem(const char *what, const char *type, const char *source,
                         const struct oci_strings *data, uint64_t attributes, struct err *err) {
    auto_close int fs_fd = fsopen(type, FSOPEN_CLOEXEC);
    if (fs_fd < 0) return err_os(err, errno, what, "this kernel cannot mount the type %s", type);
    if (source && *source && fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return explain(fs_fd, what, "the source is refused", errno, err);
    for (size_t i = 0; data && i < data->len; i++) {
        int r = configure(fs_fd, what, data->items[i], err);
        if (r < 0) return r;
    }
    if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return explain(fs_fd, what, "cannot make the file system", errno, err);
    int tree_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned)attributes);
    return tree_fd < 0 ? explain(fs_fd, what, "cannot mount it", errno, err) : tree_fd;
}

int child_attach(int tree_fd, int target_fd) {
    int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    return move_mount(tree_fd, "", target_fd, "", (unsigned)flags) < 0 ? -errno : 0;
}

int child_mount_target(struct child *c, const char *path, bool directory) {
    if (directory) return path_make_dir_in_root(c->root_fd, path, 0755);
    int fd = path_open_in_root(c->root_fd, path, O_PATH | O_CLOEXEC, 0);
    if (fd != -ENOENT) return fd;
    const char *slash = strrchr(path, '/');
    if (slash && slash != path) {
        auto_free char *parent = mem_strndup(path, (size_t)(slash - path));
        auto_close int made = path_make_dir_in_root(c->root_fd, parent, 0755);
        if (made < 0) return made;
    }
    auto_close int file = path_open_in_root(c->root_fd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (file < 0) return file;
    return path_open_in_root(c->root_fd, path, O_PATH | O_CLOEXEC, 0);
}

static int apply_attributes(int tree_fd, const struct mount_options *o, uint64_t set,
                            uint64_t clear, unsigned long propagation, bool all) {
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
    if (clear & MOUNT_ATTR__ATIME) attr.attr_clr |= MOUNT_ATTR__ATIME;
    if (!set && !attr.attr_clr && !propagation) return 0;
    unsigned flags = AT_EMPTY_PATH | (all ? AT_RECURSIVE : 0);
    return mount_setattr(tree_fd, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

// A fresh clone is in the peer group of its source: it leaves that before it is attached, so that
// nothing mounted inside ever shows outside (unless the configuration asks for sharing).
static int set_attributes(int tree_fd, const struct plan_mount *m, struct err *err) {
    const struct mount_options *o = &m->options;
    unsigned long propagation = o->propagation;
    bool all = o->propagation_all;
    if (!propagation && o->bind) propagation = MS_PRIVATE, all = true;
    int r = 0;
    if (o->bind) r = apply_attributes(tree_fd, o, o->set, o->clear, 0, false);
    if (r == 0) r = apply_attributes(tree_fd, o, o->set_all, o->clear_all, 0, true);
    if (r == 0) r = apply_attributes(tree_fd, o, 0, 0, propagation, all);
    if (r < 0) return err_os(err, -r, m->spec->destination, "cannot set its mount options");
    return 0;
}

static int clone_source(const struct plan_mount *m, struct err *err) {
    if (m->tree_fd >= 0) return fcntl(m->tree_fd, F_DUPFD_CLOEXEC, 3);
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    if (m->options.bind_all) flags |= AT_RECURSIVE;
    int fd = open_tree(AT_FDCWD, m->source, flags);
    if (fd >= 0) return fd;
    return err_os(err, errno, m->spec->destination, "cannot bind %s there", m->source);
}

static int superblock_words(struct child *c, const struct plan_mount *m, struct oci_strings *ret) {
    const struct mount_options *o = &m->options;
    ret->items = arena_array(c->plan->arena, o->data.len + 4, sizeof(char *));
    if (!ret->items) return -ENOMEM;
    for (ret->len = 0; ret->len < o->data.len; ret->len++)
        ret->items[ret->len] = o->data.items[ret->len];
    if (o->synchronous) ret->items[ret->len++] = arena_strdup(c->plan->arena, "sync");
    if (o->dir_sync) ret->items[ret->len++] = arena_strdup(c->plan->arena, "dirsync");
    if (o->lazy_time) ret->items[ret->len++] = arena_strdup(c->plan->arena, "lazytime");
    return 0;
}

static int new_tree(struct child *c, const struct plan_mount *m, struct err *err) {
    const char *where = m->spec->destination, *type = m->spec->type;
    struct oci_strings words;
    if (superblock_words(c, m, &words) < 0)
        return err_set(err, ERR_NO_SPACE, 0, where, "no memory for its options");
    uint64_t attributes = m->options.set;
    // A tmpfs that is filled first must not be read-only while that happens.
    if (m->options.copy_up) attributes &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    int fd = child_new_filesystem(where, type, m->spec->source, &words, attributes, err);
    if (fd == -EPERM && c->plan->in_user_ns && !strcmp(type, "sysfs")) {
        // Without an own network namespace the kernel refuses a new sysfs: show the host's.
        err_clear(err);
        fd = open_tree(AT_FDCWD, "/sys", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (fd < 0) return err_os(err, errno, where, "cannot bind the host's /sys");
        apply_attributes(fd, &m->options, attributes, 0, MS_PRIVATE, true);
    }
    if (fd < 0) return fd;
    int r = m->options.copy_up ? child_copy_up(c, where, fd, err) : 0;
    if (r == 0 && m->options.copy_up && m->options.read_only)
        r = apply_attributes(fd, &m->options, MOUNT_ATTR_RDONLY, 0, 0, false);
    if (r < 0) close(fd);
    return r < 0 ? r : fd;
}

// An image may carry links that lead a harmless looking destination into /proc (where a mount would
// hide what masks and labels are made of), and a link in place of /proc or /sys themselves.
static int check_target(const struct plan_mount *m, int target_fd, struct err *err) {
    struct statfs fs;
    const char *where = m->spec->destination;
    if (fstatfs(target_fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
        !str_starts(where, "/proc/") && strcmp(where, "/proc"))
        return err_set(err, ERR_DENIED, 0, where, "a link in the image leads it into /proc");
    return 0;
}

static int open_target(struct child *c, const struct plan_mount *m, int tree_fd, struct err *err) {
    struct stat st;
    const char *where = m->spec->destination, *type = m->spec->type ? m->spec->type : "";
    if (fstat(tree_fd, &st) < 0) return err_os(err, errno, where, "cannot look at its source");
    if (!strcmp(type, "proc") || !strcmp(type, "sysfs")) {
        int link = path_open_in_root(c->root_fd, where, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
        struct stat there = {0};
        // The very directory that was looked at: a second walk could find a link.
        if (link >= 0 && fstat(link, &there) == 0 && S_ISDIR(there.st_mode)) return link;
        bool is_link = link >= 0 && S_ISLNK(there.st_mode);
        if (link >= 0) close(link);
        if (is_link)
            return err_set(err, ERR_DENIED, 0, where,
                           "it is a symbolic link in the image, and %s must not follow one", type);
    }
    int fd = child_mount_target(c, where, S_ISDIR(st.st_mode));
    if (fd < 0) return err_os(err, -fd, where, "cannot make the mount point");
    int r = check_target(m, fd, err);
    if (r == 0) return fd;
    close(fd);
    return r;
}

static int mount_one(struct child *c, const struct plan_mount *m, struct err *err) {
    const char *where = m->spec->destination, *type = m->spec->type ? m->spec->type : "";
    if (!m->options.bind && (!strcmp(type, "cgroup") || !strcmp(type, "cgroup2")))
        return child_mount_cgroups(c, m, err);
    auto_close int tree_fd = m->options.bind ? clone_source(m, err) : new_tree(c, m, err);
    if (tree_fd < 0) return tree_fd;
    int r = set_attributes(tree_fd, m, err);
    bool is_dev = !m->options.bind && !strcmp(type, "tmpfs") &&
                  (!strcmp(where, "/dev") || !strcmp(where, "/dev/"));
    // Device nodes cannot be made in a user namespace; there they are bound, which needs a place.
    if (r == 0 && is_dev && !c->plan->in_user_ns) r = child_fill_dev(c, tree_fd, true, err);
    if (r < 0) return r;
    auto_close int target_fd = open_target(c, m, tree_fd, err);
    if (target_fd < 0) return target_fd;
    r = child_attach(tree_fd, target_fd);
    if (r < 0) return err_os(err, -r, where, "cannot attach the mount");
    if (is_dev && c->plan->in_user_ns) return child_fill_dev(c, tree_fd, false, err);
    return 0;
}

int child_mount_all(struct child *c, struct err *err) {
    for (size_t i = 0; i < c->plan->n_mounts; i++) {
        const struct plan_mount *m = &c->plan->mounts[i];
        if (m->spec == c->plan->root_mount) continue;
        int r = mount_one(c, m, err);
        if (r < 0) return err_while(err, "mounting mounts[%zu]", i);
    }
    return 0;
}
