// SPDX-License-Identifier: Apache-2.0
// What the creating process and the new one say to each other, over a pair of SOCK_SEQPACKET
// sockets of the same program: warnings and errors travel up as words, descriptors with them.
#ifndef TRINE_EXECUTION_CONTAINER_SYNC_H
#define TRINE_EXECUTION_CONTAINER_SYNC_H

#include "base/err.h"

enum sync_kind {
    SYNC_GO,      // down: the id maps are written / the hooks have run
    SYNC_WARN,    // up: text
    SYNC_ERROR,   // up: struct err; the sender ends after it
    SYNC_HOOKS,   // up: mounts are done, run the prestart and createRuntime hooks
    SYNC_CONSOLE, // up: with the pty's master
    SYNC_PID,     // up (from a process in the middle): pid of init, with its pidfd
    SYNC_NOTIFY,  // up: with the seccomp listener
    SYNC_READY,   // up: init waits at its gate / the program is about to run
    SYNC_CLOSED,  // never sent: the other side is gone
};
struct sync_message {
    enum sync_kind kind;
    int fd; // received with it, or -1; the receiver's
    int pid;
    struct err err; // of SYNC_ERROR; of SYNC_WARN the cause is the text
};

int sync_send(int sock, enum sync_kind kind, int fd);
int sync_send_err(int sock, const struct err *err);
int sync_write_err(int fd, const struct err *err); // through a gate, which may be a FIFO
int sync_send_warn(int sock, const char *text);
int sync_send_pid(int sock, int pid, int pidfd);
int sync_receive(int sock, struct sync_message *ret, struct err *err); // one message

// The other end of a gate: opens it and waits. 0 when the program was executed (the gate closed),
// else its error.
int sync_open_gate(int write_fd, int read_fd, struct err *err);

#endif
