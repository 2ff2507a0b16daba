// SPDX-License-Identifier: Apache-2.0
// The process's side of its streams: pipes, terminal, pump, input. Clients: supervisor_client.c.
#include "execution/container/supervisor_stdio.h"

#include "base/log.h"
#include "execution/container/supervisor_client_int.h"
#include "execution/container/supervisor_log.h"
#include "execution/container/supervisor_ring.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAIN_MAX (2u << 20) // twice what an unprivileged pipe can hold

void supervisor_stdio_init(struct supervisor_stdio *stdio, struct loop *loop, uint8_t *frame) {
    *stdio =
        (struct supervisor_stdio){.loop = loop, .frame = frame, .slave_fd = -1, .input_fd = -1};
    list_init(&stdio->clients);
    for (size_t i = 0; i < 2; i++)
        stdio->output[i] = (struct stdio_output){stdio, -1, NULL, i == 0 ? STREAM_OUT : STREAM_ERR};
}

// Our end of the pair never blocks; the process's end is as a shell would give it.
static int make_pipe(int *ret_ours, int *ret_child, bool we_write, struct err *err) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0) return err_os(err, errno, "container", "cannot make a pipe");
    *ret_ours = pair[we_write];
    *ret_child = pair[!we_write];
    int rc = fd_set_nonblock(*ret_ours, true);
    return rc < 0 ? err_os(err, -rc, "container", "cannot prepare a pipe") : 0;
}

int supervisor_stdio_pipes(struct supervisor_stdio *stdio, bool input, int child[3],
                           struct err *err) {
    child[0] = child[1] = child[2] = -1;
    int rc = input ? make_pipe(&stdio->input_fd, &child[0], true, err) : 0;
    if (rc == 0) rc = make_pipe(&stdio->output[0].fd, &child[1], false, err);
    if (rc == 0) rc = make_pipe(&stdio->output[1].fd, &child[2], false, err);
    for (size_t i = 0; rc < 0 && i < 3; i++) {
        if (child[i] >= 0) close(take_fd(child[i]));
    }
    return rc;
}

int supervisor_stdio_console(struct supervisor_stdio *stdio, int master, bool input,
                             struct err *err) {
    stdio->terminal = true;
    stdio->output[0].fd = master;
    int rc = fd_set_nonblock(master, true);
    if (rc < 0) return err_os(err, -rc, "terminal", "cannot prepare it");
    // Without this one the master would read as hung up whenever nobody inside has the terminal
    // open. Where the kernel cannot do it, only that comfort is lost.
    stdio->slave_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (!input) return 0;
    stdio->input_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
    return stdio->input_fd < 0 ? err_os(err, errno, "terminal", "cannot prepare it") : 0;
}

void supervisor_stdio_resize(struct supervisor_stdio *stdio, unsigned rows, unsigned columns) {
    if (!stdio->terminal || stdio->output[0].fd < 0) return;
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    ioctl(stdio->output[0].fd, TIOCSWINSZ, &size);
}

static void output_close(struct stdio_output *out) {
    loop_remove(take(out->source));
    if (out->fd >= 0) close(take_fd(out->fd));
}

// One read, given to everybody. True: there may be more.
static bool output_pump(struct stdio_output *out, size_t *ret_size) {
    struct supervisor_stdio *stdio = out->stdio;
    ssize_t n = file_read_some(out->fd, stdio->frame + 1, STREAM_FRAME_MAX - 1);
    *ret_size = n > 0 ? (size_t)n : 0;
    if (n == -EAGAIN) return false;
    if (n <= 0) { // end of file, or EIO: the terminal is gone
        output_close(out);
        return false;
    }
    struct clock *clock = loop_clock(stdio->loop);
    if (stdio->log)
        supervisor_log_write(stdio->log, out->channel, stdio->frame + 1, (size_t)n,
                             clock_realtime(clock));
    if (stdio->ring) supervisor_ring_add(stdio->ring, stdio->frame + 1, (size_t)n);
    stdio->frame[0] = (uint8_t)out->channel;
    client_deliver_all(stdio, stdio->frame, (size_t)n + 1);
    return true;
}

static void on_output(struct loop_source *source, int fd, uint32_t events, void *arg) {
    size_t size;
    output_pump(arg, &size);
}

static int output_watch(struct stdio_output *out, struct err *err) {
    if (out->fd < 0) return 0;
    return loop_add_fd(out->stdio->loop, out->fd, EPOLLIN, on_output, out, &out->source, err);
}

int supervisor_stdio_watch(struct supervisor_stdio *stdio, struct err *err) {
    int rc = output_watch(&stdio->output[0], err);
    return rc < 0 ? rc : output_watch(&stdio->output[1], err);
}

void stdio_pause_output(struct supervisor_stdio *stdio, bool paused) {
    for (size_t i = 0; i < 2; i++) {
        if (stdio->output[i].source) loop_set_events(stdio->output[i].source, paused ? 0 : EPOLLIN);
    }
}

void supervisor_stdio_drain(struct supervisor_stdio *stdio) {
    for (size_t i = 0; i < 2; i++) {
        size_t total = 0, size;
        while (stdio->output[i].fd >= 0 && total < DRAIN_MAX &&
               output_pump(&stdio->output[i], &size))
            total += size;
        output_close(&stdio->output[i]);
    }
}

void supervisor_stdio_shut_input(struct supervisor_stdio *stdio) {
    loop_remove(take(stdio->input_source));
    free(take(stdio->input));
    if (stdio->input_fd >= 0) close(take_fd(stdio->input_fd));
    client_watch_all(stdio);
}

// What the process takes now; a process that closed its end takes everything, nowhere.
static size_t input_push(struct supervisor_stdio *stdio, const uint8_t *data, size_t size) {
    ssize_t n;
    do n = write(stdio->input_fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return (size_t)n;
    return errno == EAGAIN ? 0 : size;
}

static void on_input_room(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct supervisor_stdio *stdio = arg;
    stdio->input_at +=
        input_push(stdio, stdio->input + stdio->input_at, stdio->input_size - stdio->input_at);
    if (stdio->input_at < stdio->input_size) return;
    free(take(stdio->input));
    loop_remove(take(stdio->input_source));
    if (stdio->input_ended)
        supervisor_stdio_shut_input(stdio);
    else
        client_watch_all(stdio);
}

void stdio_feed(struct supervisor_stdio *stdio, const uint8_t *data, size_t size) {
    if (stdio->input_fd < 0) return;
    size_t taken = input_push(stdio, data, size);
    if (taken == size) return;
    stdio->input_size = size - taken;
    stdio->input_at = 0;
    stdio->input = mem_try_dup(data + taken, size - taken);
    struct err err = {0};
    if (!stdio->input || loop_add_fd(stdio->loop, stdio->input_fd, EPOLLOUT, on_input_room, stdio,
                                     &stdio->input_source, &err) < 0) {
        LOG_WARN("input is lost: no memory to keep it", "bytes=%zu", size - taken);
        free(take(stdio->input));
        return;
    }
    client_watch_all(stdio);
}

void stdio_feed_end(struct supervisor_stdio *stdio) {
    if (stdio->terminal) return; // a terminal has no end; programs read ^D
    stdio->input_ended = true;
    if (!stdio->input) supervisor_stdio_shut_input(stdio);
}

void supervisor_stdio_close(struct supervisor_stdio *stdio) {
    client_free_all(stdio);
    output_close(&stdio->output[0]);
    output_close(&stdio->output[1]);
    supervisor_stdio_shut_input(stdio);
    if (stdio->slave_fd >= 0) close(take_fd(stdio->slave_fd));
}
