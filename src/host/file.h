// SPDX-License-Identifier: Apache-2.0
// Files and directories the way a daemon needs them: bounded, atomic, durable, blind to
// symbolic-link tricks.
#ifndef TRINE_HOST_FILE_H
#define TRINE_HOST_FILE_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

// Whole file, at most max bytes (ERR_TOO_LARGE past that); terminated by a 0 that is not counted.
// Caller frees.
int file_read(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size,
              struct err *err);
// Into a temporary neighbour, fsync, rename, fsync of the directory. Nobody ever sees half of it.
int file_write_atomic(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
                      struct err *err);
// The same without fsync, for what means nothing after a reboot: whole or absent for other processes.
int file_write_volatile(int dirfd, const char *path, const void *data, size_t size, mode_t mode,
                        struct err *err);
int file_write_text(int dirfd, const char *path,
                    const char *text); // plain write to an existing file (cgroup, proc)
int file_write_all(int fd, const void *data, size_t size); // loops over short writes and EINTR
ssize_t file_read_some(int fd, void *buf, size_t size);    // one read, EINTR repeated; -errno

int dir_make(int dirfd, const char *path, mode_t mode, struct err *err); // mkdir -p
int dir_remove_tree(int dirfd, const char *path,
                    struct err *err); // never follows links, never crosses a mount; absent is fine
int dir_open(int dirfd, const char *path, int *ret_fd,
             struct err *err);                                   // O_PATH|O_DIRECTORY|O_CLOEXEC
typedef int dir_each_fn(int dirfd, const char *name, void *arg); // negative stops
int dir_each(int dirfd, const char *path, dir_each_fn *fn,
             void *arg); // skips . and ..; -errno or fn's value

// Resolve `path` as if `root_fd` were "/": links and ".." cannot leave it (openat2
// RESOLVE_IN_ROOT).
int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode);
// The same, and missing directories are made on the way (as mkdir -p inside the root). O_PATH
// descriptor or -errno.
int path_make_dir_in_root(int root_fd, const char *path, mode_t mode);

// An advisory lock that goes with the process. ERR_STATE naming the holder's pid when it is taken.
int file_lock(int dirfd, const char *path, int *ret_fd, struct err *err);

// Descriptors: pass and receive at most FD_PASS_MAX with one datagram or message. Sent ones stay
// the caller's.
#define FD_PASS_MAX 16
ssize_t fd_send(int sock, const void *data, size_t size, const int *fds, size_t n_fds,
                int flags); // or -errno
ssize_t fd_recv(int sock, void *data, size_t size, int fds[FD_PASS_MAX], size_t *ret_n_fds,
                int flags); // CLOEXEC; -errno; -EMSGSIZE when truncated (descriptors are closed)
int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);
int fd_memory(const char *name, const void *data, size_t size,
              int *ret_fd); // sealed memfd holding data, offset 0
// "/proc/self/fd/N" for calls that only take paths.
#define FD_PATH_SIZE 32
const char *fd_path(int fd, char buf[FD_PATH_SIZE]);

// Unix sockets with paths longer than sun_path go through /proc/self/fd of the directory. type:
// SOCK_STREAM or SOCK_SEQPACKET; CLOEXEC, non-blocking. Listening removes a stale socket that
// nobody serves; -EADDRINUSE if served.
int unix_listen(const char *path, int type, mode_t mode, int *ret_fd, struct err *err);
int unix_connect(const char *path, int type, int *ret_fd, struct err *err); // blocking
struct peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
int unix_peer(int fd, struct peer *ret);

#endif
