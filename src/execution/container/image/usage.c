// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/usage.h"

#include "base/mem.h"
#include "execution/container/image/image.h"
#include "execution/container/image/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 2048 // a path of 4096 bytes has no more components

static int walk(int fd, dev_t dev, int depth, struct usage *usage);

static int walk_into(int dirfd, const char *name, dev_t dev, int depth, struct usage *usage) {
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno; // it went away meanwhile
    return walk(fd, dev, depth, usage);
}

// Takes fd over.
static int walk(int fd, dev_t dev, int depth, struct usage *usage) {
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int r = -errno;
        close(fd);
        return r;
    }
    int r = 0;
    struct dirent *entry;
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
        usage->entries++;
        if (st.st_dev != dev) continue;
        usage->bytes += (uint64_t)st.st_blocks * 512;
        if (!S_ISDIR(st.st_mode)) continue;
        r = depth > 0 ? walk_into(dirfd(dir), entry->d_name, dev, depth - 1, usage) : -ELOOP;
    }
    if (r == 0 && !entry && errno != 0) r = -errno;
    closedir(dir);
    return r;
}

int usage_add(int dirfd, const char *name, struct usage *usage) {
    struct stat st;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    if (fstat(fd, &st) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return walk(fd, st.st_dev, DEPTH_MAX, usage);
}

int image_usage(int dir_fd, char **ret_json, struct err *err) {
    struct usage usage = {0};
    int r = usage_add(dir_fd, ".", &usage);
    if (r < 0) return err_os(err, -r, "directory", "cannot read all of it");
    auto_json json_t *json = json_pack("{s:I, s:I}", "bytes", (json_int_t)usage.bytes, "entries",
                                       (json_int_t)usage.entries);
    *ret_json = json ? json_line(json) : NULL;
    return *ret_json ? 0 : err_os(err, ENOMEM, "result", "no memory to write it");
}
