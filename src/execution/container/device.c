// SPDX-License-Identifier: Apache-2.0
// /dev: the devices and links that every container has (config-linux.md, "Default Devices"), and
// those of linux.devices. Made as nodes where we may, else bound from the host.
#include "base/str.h"
#include "execution/container/child.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct node {
    const char *name; // below /dev
    mode_t mode;      // with the type
    unsigned major, minor;
    uid_t uid;
    gid_t gid;
};

static const struct node default_nodes[] = {
    {"null", S_IFCHR | 0666, 1, 3, 0, 0},    {"zero", S_IFCHR | 0666, 1, 5, 0, 0},
    {"full", S_IFCHR | 0666, 1, 7, 0, 0},    {"random", S_IFCHR | 0666, 1, 8, 0, 0},
    {"urandom", S_IFCHR | 0666, 1, 9, 0, 0}, {"tty", S_IFCHR | 0666, 5, 0, 0, 0},
};
static const struct {
    const char *name, *target;
} default_links[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
};

static int bind_node(int root_fd, const struct node *node, struct err *err) {
    char host[256];
    snprintf(host, sizeof(host), "/dev/%s", node->name);
    auto_close int tree = open_tree(AT_FDCWD, host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return err_os(err, errno, host, "cannot bind the host's device");
    auto_close int file =
        path_open_in_root(root_fd, node->name, O_CREAT | O_WRONLY | O_CLOEXEC | O_NONBLOCK, 0644);
    if (file < 0) return err_os(err, -file, host, "cannot make the place to bind it to");
    auto_close int place = path_open_in_root(root_fd, node->name, O_PATH | O_CLOEXEC, 0);
    int r = place < 0 ? place : child_attach(tree, place);
    return r < 0 ? err_os(err, -r, host, "cannot attach the host's device") : 0;
}

// The directory of a name such as "mapper/x" inside /dev; the last part is left in *ret_leaf.
static int open_parent(int dev_fd, const char *name, const char **ret_leaf) {
    const char *slash = strrchr(name, '/');
    *ret_leaf = slash ? slash + 1 : name;
    if (!slash) return fcntl(dev_fd, F_DUPFD_CLOEXEC, 3);
    auto_free char *parent = mem_strndup(name, (size_t)(slash - name));
    return path_make_dir_in_root(dev_fd, parent, 0755);
}

static bool same_node(int dir_fd, const char *leaf, const struct node *node) {
    struct stat st;
    return fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (st.st_mode & S_IFMT) == (node->mode & S_IFMT) &&
           (S_ISFIFO(st.st_mode) || st.st_rdev == makedev(node->major, node->minor));
}

static int make_node(struct child *c, int dev_fd, const struct node *node, struct err *err) {
    if (c->plan->in_user_ns && !S_ISFIFO(node->mode)) return bind_node(dev_fd, node, err);
    const char *leaf;
    auto_close int dir = open_parent(dev_fd, node->name, &leaf);
    if (dir < 0) return err_os(err, -dir, node->name, "cannot make its directory in /dev");
    if (mknodat(dir, leaf, node->mode, makedev(node->major, node->minor)) < 0) {
        if (errno == EEXIST && same_node(dir, leaf, node)) return 0;
        if (errno == EPERM) return bind_node(dev_fd, node, err);
        return err_os(err, errno, node->name, "cannot make the device");
    }
    if ((node->uid || node->gid) &&
        fchownat(dir, leaf, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_os(err, errno, node->name, "cannot give the device to its owner");
    return 0;
}

static int device_node(const struct oci_device *device, struct node *ret, struct err *err) {
    static const struct {
        const char *word;
        mode_t type;
    } types[] = {{"c", S_IFCHR}, {"u", S_IFCHR}, {"b", S_IFBLK}, {"p", S_IFIFO}};
    size_t i = 0;
    while (i < array_len(types) && strcmp(device->type, types[i].word)) i++;
    if (i == array_len(types))
        return err_set(err, ERR_INVALID, 0, device->path, "\"%s\" is no device type: c, b, u or p",
                       device->type);
    if (types[i].type != S_IFIFO && (!device->major.set || !device->minor.set))
        return err_set(err, ERR_INVALID, 0, device->path, "major and minor are missing");
    mode_t mode = device->file_mode.set ? (mode_t)device->file_mode.value & 07777 : 0666;
    *ret = (struct node){.name = device->path,
                         .mode = types[i].type | mode,
                         .major = (unsigned)device->major.value,
                         .minor = (unsigned)device->minor.value,
                         .uid = (uid_t)device->uid.value,
                         .gid = (gid_t)device->gid.value};
    return 0;
}

static int make_listed(struct child *c, int dev_fd, bool below_dev, struct err *err) {
    const struct oci_linux *linux_ = &c->plan->spec->linux_;
    for (size_t i = 0; i < linux_->devices.len; i++) {
        struct node node = {0};
        int r = device_node(&linux_->devices.items[i], &node, err);
        if (r < 0) return r;
        if (str_starts(node.name, "/dev/") != below_dev) continue;
        node.name += below_dev ? 5 : 1;
        if ((r = make_node(c, dev_fd, &node, err)) < 0) return r;
    }
    return 0;
}

int child_fill_dev(struct child *c, int dev_fd, bool detached, struct err *err) {
    int r = make_listed(c, dev_fd, true, err);
    for (size_t i = 0; r == 0 && i < array_len(default_nodes); i++)
        r = make_node(c, dev_fd, &default_nodes[i], err);
    if (r < 0) return r;
    for (size_t i = 0; i < array_len(default_links); i++)
        if (symlinkat(default_links[i].target, dev_fd, default_links[i].name) < 0 &&
            errno != EEXIST)
            return err_os(err, errno, default_links[i].name, "cannot make the link in /dev");
    // Where the mounts that nearly always follow will sit.
    if (detached)
        for (size_t i = 0; i < 3; i++)
            (void)mkdirat(dev_fd, (const char *[]){"pts", "shm", "mqueue"}[i], 0755);
    c->dev_ready = true;
    return 0;
}

int child_make_devices(struct child *c, struct err *err) {
    if (!c->plan->has_mount_ns) return 0;
    bool bound = false;
    for (size_t i = 0; i < c->plan->n_mounts; i++)
        bound |= c->plan->mounts[i].options.bind &&
                 !strcmp(c->plan->mounts[i].spec->destination, "/dev");
    if (!c->dev_ready && !bound) {
        auto_close int dev_fd = path_make_dir_in_root(c->root_fd, "/dev", 0755);
        if (dev_fd < 0) return err_os(err, -dev_fd, "/dev", "cannot make it");
        int r = child_fill_dev(c, dev_fd, false, err);
        if (r < 0) return r;
    }
    return make_listed(c, c->root_fd, false, err);
}
