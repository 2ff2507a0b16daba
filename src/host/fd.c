// SPDX-License-Identifier: Apache-2.0
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t fd_send(int sock, const void *data, size_t size, const int *fds, size_t n_fds, int flags) {
    if (n_fds > FD_PASS_MAX) return -EINVAL;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FD_PASS_MAX * sizeof(int))] = {0};
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
    }
    ssize_t n;
    do n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void close_all(const int *fds, size_t n) {
    for (size_t i = 0; i < n; i++) close(fds[i]);
}

// The control buffer holds FD_PASS_MAX exactly (the kernel drops the rest and says so), so the
// copy cannot overflow.
static size_t take_fds(struct msghdr *msg, int fds[FD_PASS_MAX]) {
    size_t n = 0;
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) continue;
        size_t bytes = cmsg->cmsg_len - CMSG_LEN(0), count = bytes / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
            if (n < FD_PASS_MAX)
                fds[n++] = fd;
            else
                close(fd);
        }
    }
    return n;
}

ssize_t fd_recv(int sock, void *data, size_t size, int fds[FD_PASS_MAX], size_t *ret_n_fds,
                int flags) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
    struct iovec iov = {data, size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;
    do n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    int received[FD_PASS_MAX];
    size_t count = take_fds(&msg, received);
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        close_all(received, count);
        return -EMSGSIZE;
    }
    if (!ret_n_fds) {
        close_all(received, count);
        return n;
    }
    memcpy(fds, received, count * sizeof(int));
    *ret_n_fds = count;
    return n;
}

static int set_flag(int fd, int get, int set, int flag, bool on) {
    int flags = fcntl(fd, get);
    if (flags < 0) return -errno;
    int wanted = on ? flags | flag : flags & ~flag;
    return wanted != flags && fcntl(fd, set, wanted) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, bool on) {
    return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on) {
    return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_memory(const char *name, const void *data, size_t size, int *ret_fd) {
    auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    int r = file_write_all(fd, data, size);
    if (r < 0) return r;
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = take_fd(fd);
    return 0;
}

const char *fd_path(int fd, char buf[FD_PATH_SIZE]) {
    snprintf(buf, FD_PATH_SIZE, "/proc/self/fd/%d", fd);
    return buf;
}
