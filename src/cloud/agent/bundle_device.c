// SPDX-License-Identifier: Apache-2.0
// Device nodes of the host for a privileged instance: every character and block device below /dev, but for those that
// each instance has of its own (pseudo terminals, console, the usual six).
#include "cloud/agent/bundle_int.h"

#include "base/str.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#define DEVICES_MAX 1024
#define DEPTH_MAX 4

struct walk {
    json_t *list;
    const char *folder; // "/dev", "/dev/input"
    int depth;
};

static bool own_device(const char *name) {
    static const char *const own[] = {"pts",     "shm",  "mqueue",   "ptmx", "console",
                                      "tty",     "null", "zero",     "full", "random",
                                      "urandom", "fd",   "hugepages"};
    for (size_t i = 0; i < array_len(own); i++) {
        if (str_same(own[i], name)) return true;
    }
    return false;
}

static int visit(int dirfd, const char *name, void *arg) {
    struct walk *w = arg;
    struct stat st;
    char path[256];
    if (json_array_size(w->list) >= DEVICES_MAX) return -ENOSPC;
    if ((w->depth == 0 && own_device(name)) || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (snprintf(path, sizeof(path), "%s/%s", w->folder, name) >= (int)sizeof(path)) return 0;
    if (S_ISDIR(st.st_mode) && w->depth < DEPTH_MAX) {
        struct walk below = {w->list, path, w->depth + 1};
        dir_each(dirfd, name, visit, &below);
    } else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
        json_array_append_new(w->list,
                              json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "path", path, "type",
                                        S_ISCHR(st.st_mode) ? "c" : "b", "major",
                                        (int)major(st.st_rdev), "minor", (int)minor(st.st_rdev),
                                        "fileMode", (int)(st.st_mode & 07777), "uid",
                                        (int)st.st_uid, "gid", (int)st.st_gid));
    }
    return 0;
}

json_t *bundle_host_devices(void) {
    struct walk w = {json_array(), "/dev", 0};
    dir_each(AT_FDCWD, "/dev", visit, &w);
    return w.list;
}
