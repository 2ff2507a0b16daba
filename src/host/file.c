// SPDX-License-Identifier: Apache-2.0
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

int file_write_all(int fd, const void *data, size_t size) {
    const char *at = data;
    while (size) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) return -EIO;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

ssize_t file_read_some(int fd, void *buf, size_t size) {
    ssize_t n;
    do n = read(fd, buf, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

// Files of /proc say size 0, and others may grow while they are read: the size is only a hint.
static int read_all(int fd, size_t max, char **ret_data, size_t *ret_size) {
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    if (S_ISDIR(st.st_mode)) return -EISDIR;
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max) return -EFBIG;
    size_t cap = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096, size = 0;
    if (cap > max) cap = max == SIZE_MAX ? max : max + 1; // one more tells "too large" from "full"
    auto_free char *data = NULL;
    for (;;) {
        char *grown = mem_try_resize(data, cap, 1);
        if (!grown) return -ENOMEM;
        data = grown;
        while (size < cap) {
            ssize_t n = file_read_some(fd, data + size, cap - size);
            if (n < 0) return (int)n;
            if (n == 0) goto end;
            size += (size_t)n;
        }
        if (size > max) return -EFBIG;
        cap = cap > max / 2 ? max + 1 : cap * 2;
    }
end:
    data[size] = '\0';
    *ret_size = size;
    *ret_data = take(data);
    return 0;
}

int file_read(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size,
              struct err *err) {
    if (max >= SSIZE_MAX) max = SSIZE_MAX - 1;
    // Non-blocking: a fifo in the file's place must not hang the reader.
    auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return err_os(err, errno, path, "cannot open the file");
    size_t size = 0;
    int r = read_all(fd, max, ret_data, &size);
    if (r == -EFBIG)
        return err_set(err, ERR_TOO_LARGE, 0, path, "the file is larger than %zu bytes", max);
    if (r < 0) return err_os(err, -r, path, "cannot read the file");
    if (ret_size) *ret_size = size;
    return 0;
}

// Splits into the folder's descriptor and the last component (borrowed from path).
static int open_parent(int dirfd, const char *path, const char **ret_name) {
    const char *slash = strrchr(path, '/');
    *ret_name = slash ? slash + 1 : path;
    if (!**ret_name) return -EISDIR;
    auto_free char *folder =
        slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
    int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int write_whole(int fd, const void *data, size_t size, mode_t mode, bool durable) {
    int r = file_write_all(fd, data, size);
    if (r < 0) return r;
    return fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0) ? -errno : 0;
}

static int write_replacing(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
                           bool durable, struct err *err) {
    const char *name;
    auto_close int parent = open_parent(dirfd, path, &name);
    if (parent < 0) return err_os(err, -parent, path, "cannot open its folder");
    char temporary[NAME_MAX + 1];
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return err_os(err, errno, path, "cannot choose a temporary name");
    snprintf(temporary, sizeof(temporary), ".%.200s.%016" PRIx64, name, random);

    auto_close int fd =
        openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_os(err, errno, path, "cannot create a temporary file next to it");
    int r = write_whole(fd, data, size, mode, durable);
    if (r == 0 && renameat(parent, temporary, parent, name) < 0) r = -errno;
    if (r < 0) {
        unlinkat(parent, temporary, 0);
        return err_os(err, -r, path, "cannot write the file");
    }
    if (durable && fsync(parent) < 0)
        return err_os(err, errno, path, "cannot make its folder durable");
    return 0;
}

int file_write_atomic(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
                      struct err *err) {
    return write_replacing(dirfd, path, data, size, mode, true, err);
}

int file_write_volatile(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
                        struct err *err) {
    return write_replacing(dirfd, path, data, size, mode, false, err);
}

int file_write_text(int dirfd, const char *path, const char *text) {
    auto_close int fd = openat(dirfd, path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -errno;
    // One write: the files of /proc and cgroup take each as a request of its own.
    size_t size = strlen(text);
    ssize_t n;
    do n = write(fd, text, size);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    return (size_t)n == size ? 0 : -EIO;
}

static pid_t read_holder(int fd) {
    char text[16] = {0};
    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

int file_lock(int dirfd, const char *path, int *ret_fd, struct err *err) {
    auto_close int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_os(err, errno, path, "cannot open the lock file");
    // Of the open file description: closing another descriptor of the file does not drop it.
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES) return err_os(err, errno, path, "cannot lock");
        pid_t holder = read_holder(fd);
        if (holder > 0)
            return err_set(err, ERR_STATE, 0, path, "process %d holds the lock", (int)holder);
        return err_set(err, ERR_STATE, 0, path, "another process holds the lock");
    }
    char text[16];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return err_os(err, errno, path, "cannot write the lock's holder");
    *ret_fd = take_fd(fd);
    return 0;
}
