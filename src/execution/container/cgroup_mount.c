// SPDX-License-Identifier: Apache-2.0
// The "cgroup" mount: what the container sees under /sys/fs/cgroup. Version 2 is one file system;
// version 1 and hybrid are a tmpfs with one directory per hierarchy, each showing the container's
// own group as its root.
#include "execution/container/child.h"
#include "host/cgroup.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

static int set_tree(int fd, uint64_t set, unsigned long propagation) {
    struct mount_attr attr = {.attr_set = set, .propagation = propagation};
    return mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno
                                                                                        : 0;
}

static int attach_at(struct child *c, const char *path, int tree_fd, struct err *err) {
    auto_close int target = child_mount_target(c, path, true);
    int r = target < 0 ? target : child_attach(tree_fd, target);
    return r < 0 ? err_os(err, -r, path, "cannot attach the control groups") : 0;
}

static int bind_group(struct child *c, const char *host_dir, const char *path, uint64_t set,
                      struct err *err) {
    auto_close int tree = open_tree(AT_FDCWD, host_dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return errno == ENOENT ? 0 : err_os(err, errno, path, "cannot bind %s", host_dir);
    int r = set_tree(tree, set, MS_PRIVATE);
    if (r < 0) return err_os(err, -r, path, "cannot set its mount options");
    return attach_at(c, path, tree, err);
}

static int mount_unified(struct child *c, const struct plan_mount *m, struct err *err) {
    const char *where = m->spec->destination;
    if (c->plan->new_cgroup_ns) {
        auto_close int tree =
            child_new_filesystem(where, "cgroup2", "cgroup2", NULL, m->options.set, err);
        if (tree >= 0) return attach_at(c, where, tree, err);
        err_clear(err);
    }
    auto_free char *dir =
        cgroup_host_dir(c->plan->options->cgroups, CGROUP_PIDS, c->plan->cgroup_path);
    return dir ? bind_group(c, dir, where, m->options.set, err) : 0;
}

// "/sys/fs/cgroup/cpu,cpuacct/trine/x" → "cpu,cpuacct": the directory's part after the mount's
// parent, which is what the container's programs look for.
static bool hierarchy_name(const char *dir, const char *path, char *buf, size_t size) {
    size_t len = strlen(dir), tail = strlen(path);
    if (len <= tail + 1 || strcmp(dir + len - tail, path)) return false;
    const char *end = dir + len - tail - 1, *start = end;
    while (start > dir && start[-1] != '/') start--;
    if ((size_t)(end - start) >= size) return false;
    memcpy(buf, start, (size_t)(end - start));
    buf[end - start] = 0;
    return buf[0];
}

static int mount_legacy(struct child *c, const struct plan_mount *m, struct err *err) {
    const char *where = m->spec->destination;
    char *words[] = {(char[]){"mode=755"}, NULL};
    struct oci_strings data = {.items = words, .len = 1};
    auto_close int tree = child_new_filesystem(where, "tmpfs", "tmpfs", &data,
                                               m->options.set & ~(uint64_t)MOUNT_ATTR_RDONLY, err);
    if (tree < 0) return tree;
    int r = attach_at(c, where, tree, err);
    char last[64] = "";
    for (int i = 0; r == 0 && i < CGROUP_CONTROLLER_COUNT; i++) {
        auto_free char *dir = cgroup_host_dir(c->plan->options->cgroups, (enum cgroup_controller)i,
                                              c->plan->cgroup_path);
        char name[64], path[256];
        if (!dir || !hierarchy_name(dir, c->plan->cgroup_path, name, sizeof(name))) continue;
        if (!strcmp(name, last)) continue; // cpu and cpuacct share one
        snprintf(last, sizeof(last), "%s", name);
        snprintf(path, sizeof(path), "%.180s/%s", where, name);
        r = bind_group(c, dir, path, m->options.set, err);
    }
    if (r == 0 && m->options.read_only) {
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
            return err_os(err, errno, where, "cannot make it read-only");
    }
    return r;
}

int child_mount_cgroups(struct child *c, const struct plan_mount *m, struct err *err) {
    if (!c->plan->options->cgroups || !c->plan->cgroup) {
        child_warn(c, "%s is not mounted: the container has no control group",
                   m->spec->destination);
        return 0;
    }
    if (cgroup_host_mode(c->plan->options->cgroups) == CGROUP_V2) return mount_unified(c, m, err);
    return mount_legacy(c, m, err);
}
