// SPDX-License-Identifier: Apache-2.0
#include "execution/container/sync.h"

#include "host/file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
    uint32_t kind;
    int32_t pid;
    struct err err; // only sent where it says something
};
#define WIRE_SHORT offsetof(struct wire, err)

static int send_wire(int sock, const struct wire *wire, size_t size, int fd) {
    ssize_t n = fd_send(sock, wire, size, &fd, fd >= 0 ? 1 : 0, MSG_NOSIGNAL);
    return n < 0 ? (int)n : 0;
}

int sync_send(int sock, enum sync_kind kind, int fd) {
    struct wire wire = {.kind = kind};
    return send_wire(sock, &wire, WIRE_SHORT, fd);
}

int sync_send_pid(int sock, int pid, int pidfd) {
    struct wire wire = {.kind = SYNC_PID, .pid = pid};
    return send_wire(sock, &wire, WIRE_SHORT, pidfd);
}

int sync_send_err(int sock, const struct err *err) {
    struct wire wire = {.kind = SYNC_ERROR, .err = *err};
    return send_wire(sock, &wire, sizeof(wire), -1);
}

int sync_send_warn(int sock, const char *text) {
    struct wire wire = {.kind = SYNC_WARN};
    snprintf(wire.err.cause, sizeof(wire.err.cause), "%s", text);
    return send_wire(sock, &wire, sizeof(wire), -1);
}

int sync_receive(int sock, struct sync_message *ret, struct err *err) {
    struct wire wire = {0};
    int fds[FD_PASS_MAX];
    size_t n_fds = 0;
    ssize_t n = fd_recv(sock, &wire, sizeof(wire), fds, &n_fds, 0);
    if (n == -ECONNRESET) n = 0;
    if (n < 0) return err_os(err, (int)-n, "container", "lost touch with the new process");
    *ret = (struct sync_message){.fd = n_fds ? fds[0] : -1, .kind = SYNC_CLOSED};
    if (n == 0) return 0;
    if ((size_t)n != WIRE_SHORT && (size_t)n != sizeof(wire))
        return err_set(err, ERR_INTERNAL, 0, "container", "a message of %zd bytes", n);
    ret->kind = (enum sync_kind)wire.kind;
    ret->pid = wire.pid;
    ret->err = wire.err;
    return 0;
}

int sync_write_err(int fd, const struct err *err) {
    struct wire wire = {.kind = SYNC_ERROR, .err = *err};
    (void)signal(SIGPIPE, SIG_IGN);
    return file_write_all(fd, &wire, sizeof(wire));
}

// Init closes its end by exec. Until it has taken the byte, a FIFO would show that byte to us, so
// only the hang-up or an error message (larger than a byte) counts as an answer.
int sync_open_gate(int write_fd, int read_fd, struct err *err) {
    if (file_write_all(write_fd, "", 1) < 0)
        return err_set(err, ERR_STATE, 0, "container", "its process is gone");
    if (write_fd != read_fd) close(write_fd);
    struct wire wire = {0};
    size_t have = 0;
    struct pollfd p = {.fd = read_fd, .events = write_fd == read_fd ? POLLIN : 0};
    while (have < sizeof(wire)) {
        if (poll(&p, 1, -1) < 0) {
            if (errno == EINTR) continue;
            return err_os(err, errno, "container", "cannot wait for its start");
        }
        ssize_t n = file_read_some(read_fd, (char *)&wire + have, sizeof(wire) - have);
        if (n <= 0) break;
        have += (size_t)n;
    }
    if (have == 0) return 0;
    if (have != sizeof(wire) || wire.kind != SYNC_ERROR)
        return err_set(err, ERR_STATE, 0, "container", "its process ended before the start");
    if (err) *err = wire.err;
    return err_code(&wire.err);
}
