// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/layer.h"

#include "base/str.h"
#include "execution/container/image/layer_int.h"
#include "execution/container/image/report.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int charge(struct unpack *u, uint64_t bytes, struct err *err) {
    struct image_budget *b = u->options->budget;
    b->bytes += bytes;
    u->stats.bytes += bytes;
    if (b->bytes <= b->limits.max_bytes) return 0;
    err_set(err, ERR_LIMIT, 0, u->options->object, "it unpacks to more than %llu bytes",
            (unsigned long long)b->limits.max_bytes);
    return err_next(err, "if you trust it, allow more with --max-bytes");
}

static int charge_entry(struct unpack *u, struct err *err) {
    struct image_budget *b = u->options->budget;
    u->stats.entries++;
    if (++b->entries <= b->limits.max_entries) return 0;
    err_set(err, ERR_LIMIT, 0, u->options->object, "it has more than %llu entries",
            (unsigned long long)b->limits.max_entries);
    return err_next(err, "if you trust it, allow more with --max-entries");
}

static int set_owner_failed(struct unpack *u, int os_errno, struct err *err) {
    int r = unpack_os(u, os_errno, "cannot set its owner", err);
    if (os_errno == EINVAL)
        err_next(err,
                 "user or group %u:%u is outside the mapping of this user namespace: give the "
                 "user more in /etc/subuid and /etc/subgid",
                 u->entry->uid, u->entry->gid);
    return r;
}

// Attributes that the image may bring. What steers overlayfs or the host's security is not among
// them.
static bool xattr_allowed(const struct unpack *u, const char *name) {
    if (str_starts(name, "user.")) return !str_starts(name, "user.overlay.");
    return u->options->mode != IMAGE_MODE_PLAIN && strcmp(name, "security.capability") == 0;
}

static int set_xattrs(struct unpack *u, int fd, struct err *err) {
    const struct tar_entry *e = u->entry;
    for (size_t i = 0; i < e->n_xattrs; i++) {
        const struct tar_xattr *x = &e->xattrs[i];
        bool set = xattr_allowed(u, x->name);
        if (set && fsetxattr(fd, x->name, x->value, x->size, 0) < 0) {
            if (errno == ENOSPC || errno == EDQUOT || errno == EINVAL)
                return unpack_os(u, errno, "cannot set an extended attribute", err);
            set = false;
        }
        if (!set) u->xattrs_skipped++;
    }
    if (e->xattrs_cut) return unpack_refuse(u, "has too many extended attributes", err);
    return 0;
}

static struct timespec entry_time(const struct tar_entry *e) {
    return (struct timespec){.tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns};
}

// Owner before mode (it clears set-id bits) and before security.capability (it clears that).
static int finish_file(struct unpack *u, int fd, struct err *err) {
    const struct tar_entry *e = u->entry;
    if (u->options->keep_owners && fchown(fd, e->uid, e->gid) < 0)
        return set_owner_failed(u, errno, err);
    if (fchmod(fd, e->mode) < 0) return unpack_os(u, errno, "cannot set its mode", err);
    int r = set_xattrs(u, fd, err);
    if (r < 0) return r;
    struct timespec times[2] = {entry_time(e), entry_time(e)};
    return futimens(fd, times) < 0 ? unpack_os(u, errno, "cannot set its time", err) : 0;
}

// Links, devices, fifos: by name in the parent.
static int finish_by_name(struct unpack *u, struct err *err) {
    const struct tar_entry *e = u->entry;
    if (u->options->keep_owners &&
        fchownat(u->parent_fd, u->name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return set_owner_failed(u, errno, err);
    struct timespec times[2] = {entry_time(e), entry_time(e)};
    if (utimensat(u->parent_fd, u->name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return unpack_os(u, errno, "cannot set its time", err);
    u->xattrs_skipped += (unsigned)e->n_xattrs;
    return 0;
}

static int write_plain(struct unpack *u, struct tar_reader *tar, int fd, struct err *err) {
    const uint8_t *data;
    ssize_t n;
    while ((n = tar_read(tar, &data, err)) > 0) {
        int r = charge(u, (uint64_t)n, err);
        if (r < 0) return r;
        r = file_write_all(fd, data, (size_t)n);
        if (r < 0) return unpack_os(u, -r, "cannot write it", err);
    }
    return (int)n;
}

static int write_region(struct unpack *u, int fd, const uint8_t *data, size_t size, uint64_t at,
                        struct err *err) {
    while (size > 0) {
        ssize_t n = pwrite(fd, data, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return unpack_os(u, errno, "cannot write it", err);
        data += n;
        size -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

static int write_sparse(struct unpack *u, struct tar_reader *tar, int fd, struct err *err) {
    const struct tar_entry *e = u->entry;
    const uint8_t *data;
    ssize_t n;
    size_t region = 0;
    uint64_t inside = 0; // bytes of the region that are written
    if (e->real_size > u->options->budget->limits.max_bytes) return charge(u, e->real_size, err);
    while ((n = tar_read(tar, &data, err)) > 0) {
        int r = charge(u, (uint64_t)n, err);
        for (size_t left = (size_t)n; r == 0 && left > 0;) {
            const struct tar_region *g = &e->regions[region]; // exists: the sums are equal
            uint64_t room = g->size - inside;
            size_t now = left < room ? left : (size_t)room;
            r = write_region(u, fd, data, now, g->offset + inside, err);
            data += now;
            left -= now;
            inside += now;
            if (inside == g->size) {
                region++;
                inside = 0;
            }
        }
        if (r < 0) return r;
    }
    if (n == 0 && ftruncate(fd, (off_t)e->real_size) < 0)
        return unpack_os(u, errno, "cannot set its size", err);
    return (int)n;
}

static int make_file(struct unpack *u, struct tar_reader *tar, struct err *err) {
    enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };
    bool hidden;
    auto_close int fd = openat(u->parent_fd, u->name, FLAGS, 0600);
    if (fd < 0 && errno == EEXIST) {
        int r = unpack_make_way(u, false, &hidden, err);
        if (r < 0) return r;
        fd = openat(u->parent_fd, u->name, FLAGS, 0600);
    }
    if (fd < 0) return unpack_os(u, errno, "cannot make it", err);
    int r = u->entry->sparse ? write_sparse(u, tar, fd, err) : write_plain(u, tar, fd, err);
    return r < 0 ? r : finish_file(u, fd, err);
}

static int make_dir(struct unpack *u, struct err *err) {
    const struct tar_entry *e = u->entry;
    bool hidden = false;
    if (mkdirat(u->parent_fd, u->name, 0700) < 0) {
        int r = errno == EEXIST ? unpack_make_way(u, true, &hidden, err)
                                : unpack_os(u, errno, "cannot make it", err);
        if (r < 0) return r;
        if (r == 0 && mkdirat(u->parent_fd, u->name, 0700) < 0)
            return unpack_os(u, errno, "cannot make it", err);
    }
    auto_close int fd = unpack_open_beneath(u->parent_fd, u->name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return unpack_os(u, -fd, "cannot open it", err);
    int r = hidden ? whiteout_mark_opaque(u, fd, err) : 0;
    if (r == 0 && u->options->keep_owners && fchown(fd, e->uid, e->gid) < 0)
        return set_owner_failed(u, errno, err);
    if (r == 0 && fchmod(fd, e->mode | 0700) < 0)
        return unpack_os(u, errno, "cannot set its mode", err);
    if (r == 0) r = set_xattrs(u, fd, err);
    return r < 0 ? r : unpack_remember_dir(u, u->path, e->mode, entry_time(e), err);
}

static int make_root(struct unpack *u, struct err *err) {
    const struct tar_entry *e = u->entry;
    if (e->type != TAR_DIR) return unpack_refuse(u, "is the root and no directory", err);
    if (u->options->keep_owners && fchown(u->root_fd, e->uid, e->gid) < 0)
        return set_owner_failed(u, errno, err);
    int r = set_xattrs(u, u->root_fd, err);
    return r < 0 ? r : unpack_remember_dir(u, "", e->mode, entry_time(e), err);
}

static int make_symlink(struct unpack *u, struct err *err) {
    bool hidden;
    const char *to = u->entry->link;
    if (*to == '\0') return unpack_refuse(u, "is a symbolic link to nothing", err);
    if (symlinkat(to, u->parent_fd, u->name) < 0) {
        int r = errno == EEXIST ? unpack_make_way(u, false, &hidden, err)
                                : unpack_os(u, errno, "cannot make it", err);
        if (r < 0) return r;
        if (symlinkat(to, u->parent_fd, u->name) < 0)
            return unpack_os(u, errno, "cannot make it", err);
    }
    return finish_by_name(u, err);
}

// Devices that may not be made are left out: a container's own /dev is made at its start anyway.
static int make_node(struct unpack *u, mode_t type, struct err *err) {
    const struct tar_entry *e = u->entry;
    bool hidden, device = type != S_IFIFO;
    int r = unpack_make_way(u, false, &hidden, err);
    if (r < 0) return r;
    if (device && u->options->mode != IMAGE_MODE_ROOT) {
        u->devices_skipped++;
        return 0;
    }
    if (mknodat(u->parent_fd, u->name, type | e->mode, makedev(e->dev_major, e->dev_minor)) < 0) {
        if (!device || errno != EPERM) return unpack_os(u, errno, "cannot make it", err);
        u->devices_skipped++;
        return 0;
    }
    return finish_by_name(u, err);
}

static int make_hard_link(struct unpack *u, struct err *err) {
    char to[TAR_PATH_MAX + 1];
    const char *cause = layer_clean_path(u->entry->link, to);
    if (cause || to[0] == '\0')
        return unpack_refuse(u, "is a hard link that leads out of the image", err);
    char *slash = strrchr(to, '/');
    const char *name = slash ? slash + 1 : to;
    if (slash) *slash = '\0';
    auto_close int dir = unpack_open_beneath(u->root_fd, slash ? to : "", O_PATH | O_DIRECTORY);
    if (dir == -ELOOP)
        return unpack_refuse(u, "is a hard link that goes through a symbolic link", err);
    struct stat st, here;
    if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || whiteout_is_device(&st))
        return unpack_refuse(u, "is a hard link to something that is not in its layer", err);
    if (S_ISDIR(st.st_mode)) return unpack_refuse(u, "is a hard link to a directory", err);
    if (fstatat(u->parent_fd, u->name, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
        here.st_ino == st.st_ino && here.st_dev == st.st_dev)
        return 0; // to itself, or told twice
    bool hidden;
    int r = unpack_make_way(u, false, &hidden, err);
    if (r < 0) return r;
    if (linkat(dir, name, u->parent_fd, u->name, 0) < 0)
        return unpack_os(u, errno, "cannot make the hard link", err);
    return 0;
}

static int unpack_entry(struct unpack *u, struct tar_reader *tar, struct err *err) {
    const struct tar_entry *e = u->entry;
    const char *cause = layer_clean_path(e->path, u->path);
    if (cause) return unpack_refuse(u, cause, err);
    if (u->path[0] == '\0') return make_root(u, err);
    int r = unpack_enter_parent(u, err);
    if (r < 0) return r;
    if (whiteout_is_name(u->name)) return whiteout_apply(u, err);
    switch (e->type) {
    case TAR_FILE:
        return make_file(u, tar, err);
    case TAR_HARD_LINK:
        return make_hard_link(u, err);
    case TAR_SYMLINK:
        return make_symlink(u, err);
    case TAR_CHAR:
        return make_node(u, S_IFCHR, err);
    case TAR_BLOCK_DEVICE:
        return make_node(u, S_IFBLK, err);
    case TAR_FIFO:
        return make_node(u, S_IFIFO, err);
    case TAR_DIR:
        return make_dir(u, err);
    }
    return unpack_refuse(u, "is of an unknown type", err);
}

// In the order of the archive: the last word on a directory holds. Those that went away since are
// passed over. Without rights they stay open to their owner.
static int fix_dirs(struct unpack *u, struct err *err) {
    mode_t open_mode = u->options->mode == IMAGE_MODE_PLAIN ? 0700 : 0;
    for (size_t i = 0; i < u->fixes.len; i++) {
        const struct dir_fix *fix = &u->fixes.items[i];
        auto_close int fd = unpack_open_beneath(u->root_fd, fix->path, O_RDONLY | O_DIRECTORY);
        if (fd < 0) continue;
        struct timespec times[2] = {fix->mtime, fix->mtime};
        if (futimens(fd, times) < 0 || fchmod(fd, fix->mode | open_mode) < 0)
            return err_os(err, errno, u->options->object, "cannot finish directory '%s'",
                          fix->path);
    }
    return 0;
}

static void tell_skipped(const struct unpack *u) {
    if (u->devices_skipped > 0)
        report_warning(u->options->report, "%s: %u device files were left out: not permitted here",
                       u->options->object, u->devices_skipped);
    if (u->xattrs_skipped > 0)
        report_warning(u->options->report, "%s: %u extended attributes were left out",
                       u->options->object, u->xattrs_skipped);
}

static int unpack_all(struct unpack *u, struct stream *in, struct err *err) {
    auto_tar struct tar_reader *tar = tar_reader_new(in, u->options->object);
    if (!tar) return err_os(err, ENOMEM, u->options->object, "no memory to unpack it");
    struct tar_entry *entry;
    int r;
    while ((r = tar_next(tar, &entry, err)) > 0) {
        u->entry = entry;
        r = charge_entry(u, err);
        if (r == 0) r = unpack_entry(u, tar, err);
        if (r < 0) return r;
    }
    u->stats.end_marked = tar_end_marked(tar);
    if (r == 0) r = fix_dirs(u, err);
    return r < 0 ? r : stream_drain(in, err);
}

int layer_unpack(struct stream *tar, int root_fd, const struct layer_options *options,
                 struct layer_stats *ret, struct err *err) {
    struct unpack *u = mem_try(struct unpack);
    if (!u) return err_os(err, ENOMEM, options->object, "no memory to unpack it");
    u->options = options;
    u->root_fd = root_fd;
    u->parent_fd = -1;
    mode_t mask = umask(0);
    int r = unpack_all(u, tar, err);
    umask(mask);
    if (r == 0) tell_skipped(u);
    *ret = u->stats;
    unpack_leave_parent(u);
    for (size_t i = 0; i < u->fixes.len; i++) free(u->fixes.items[i].path);
    vec_free(&u->fixes);
    free(u);
    return r;
}
