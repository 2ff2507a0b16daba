// SPDX-License-Identifier: Apache-2.0
// The standard streams of one process (the container's first, or one that was exec'd): pipes or a
// pseudo-terminal on the process's side, any number of clients that speak wire/stream.h on the
// other.
//
//   process ──pipe/pty──▶ pump ──▶ log, ring, clients' sockets
//   process ◀──pipe/pty── input ◀── clients that feed it
//
// Invariants: (1) while a client's socket is full the pump reads nothing, so the process feels it;
// only supervisor_stdio_drain reads on, within a bound; (2) while the process does not read its
// input, no client is read; (3) a client that went away is forgotten, the process goes on; (4)
// frames of one client keep their order.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_STDIO_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_STDIO_H

#include "base/err.h"
#include "base/list.h"
#include "host/loop.h"
#include "wire/stream.h"

#include <stdbool.h>

struct supervisor_log;
struct supervisor_ring;
struct supervisor_stdio;

#define SUPERVISOR_CLIENTS_MAX 64

struct stdio_output {
    struct supervisor_stdio *stdio;
    int fd; // our end of a pipe, or the pty's master; -1: ended
    struct loop_source *source;
    enum stream_channel channel;
};

typedef void stdio_left_fn(struct supervisor_stdio *stdio, void *arg);

struct supervisor_stdio {
    struct loop *loop;
    uint8_t *frame; // STREAM_FRAME_MAX bytes, borrowed, shared: holds nothing between two events
    struct supervisor_log *log;   // may be NULL; borrowed
    struct supervisor_ring *ring; // may be NULL; borrowed
    bool terminal;
    struct stdio_output output[2]; // stdout and stderr; a terminal has the first only
    int slave_fd; // the pty's other side, held so that the master never reads as hung up
    int input_fd; // write end of stdin, or a second descriptor of the master; -1: none
    struct loop_source *input_source; // while input waits
    uint8_t *input;                   // what the process did not take yet
    size_t input_size, input_at;
    bool input_ended; // close input_fd when all of it was taken
    struct list clients;
    size_t n_clients, n_blocked;
    stdio_left_fn *on_left; // the last client has gone by itself or got its last frame; may release
                            // the streams; may be NULL
    void *arg;
    bool ended;
};

void supervisor_stdio_init(struct supervisor_stdio *stdio, struct loop *loop, uint8_t *frame);
// Pipes for a process without a terminal. child[0..2] are the process's ends, the caller's to
// close; child[0] is -1 without `input`.
int supervisor_stdio_pipes(struct supervisor_stdio *stdio, bool input, int child[3],
                           struct err *err);
// Takes the master of the process's terminal over.
int supervisor_stdio_console(struct supervisor_stdio *stdio, int master, bool input,
                             struct err *err);
int supervisor_stdio_watch(struct supervisor_stdio *stdio, struct err *err); // starts the pump
void supervisor_stdio_resize(struct supervisor_stdio *stdio, unsigned rows, unsigned columns);

// A further client; *ret_sock is its end of the socket pair, the caller's.
int supervisor_stdio_attach(struct supervisor_stdio *stdio, bool input, bool output, bool replay,
                            int *ret_sock, struct err *err);
void supervisor_stdio_shut_input(struct supervisor_stdio *stdio); // end of file for the process

// The process has ended: takes what is still in the pipes (at most 2 MiB each), clients that are
// slow get it queued, and closes them.
void supervisor_stdio_drain(struct supervisor_stdio *stdio);
// The last frame for every client; each socket closes when its frames are out.
void supervisor_stdio_end(struct supervisor_stdio *stdio, int exit_code, const char *failure);
bool supervisor_stdio_flushed(const struct supervisor_stdio *stdio); // no client is left
void supervisor_stdio_close(struct supervisor_stdio *stdio); // descriptors and clients, at once

// A socket that is closed with packets unread resets the connection, and the other side loses what
// it has not read yet. After this it reads all of it, then the end. Does not close.
void supervisor_socket_finish(int sock);

#endif
