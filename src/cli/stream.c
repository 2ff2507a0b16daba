// SPDX-License-Identifier: Apache-2.0
#include "cli/stream.h"

#include "base/mem.h"
#include "host/file.h"
#include "wire/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define INPUT_SIZE 16384 // a read of standard input: with its channel well inside a frame

#define INSIST_TIMES 3 // INT or TERM so often leaves a program that does not end of them

enum { AT_SOCKET, AT_INPUT, AT_SIGNAL, AT_COUNT };

int stream_watch_signals(bool forward, bool terminal, int *ret_fd, struct err *err) {
    static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; forward && i < array_len(forwarded); i++) sigaddset(&set, forwarded[i]);
    if (terminal) sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd < 0 ? err_os(err, errno, "signals", "cannot receive them") : 0;
}

static int send_size(struct stream *stream) {
    uint16_t rows, columns;
    if (!stream->terminal || !terminal_size(&rows, &columns)) return 0;
    uint8_t data[4];
    struct writer w = writer_on(data, sizeof(data));
    write_le16(&w, rows);
    write_le16(&w, columns);
    return socket_send(stream->socket, STREAM_RESIZE, data, sizeof(data));
}

static int write_out(int fd, const uint8_t *data, size_t size, struct err *err) {
    int r = file_write_all(fd, data, size);
    if (r >= 0) return 0;
    return err_os(err, -r, fd == STDOUT_FILENO ? "standard output" : "standard error",
                  "cannot write to it");
}

static void take_exit(struct stream *stream, struct span frame) {
    struct reader in = reader_of(frame.data, frame.size);
    stream->exit_code = (int)read_le32(&in);
    size_t n = in.rest.size < sizeof(stream->text) - 1 ? in.rest.size : sizeof(stream->text) - 1;
    if (n) memcpy(stream->text, in.rest.data, n);
    stream->text[n] = '\0';
}

// All frames that are there. -EINPROGRESS to go on, enum stream_end, or an error with err set.
static int take_frames(struct stream *stream, struct err *err) {
    struct span message;
    int r;
    while ((r = socket_receive(stream->socket, &message)) == 1) {
        struct reader in = reader_of(message.data, message.size);
        uint8_t channel = read_u8(&in);
        if (in.failed) continue;
        if (channel == STREAM_EXIT && in.rest.size >= 4) {
            take_exit(stream, in.rest);
            return STREAM_ENDED;
        }
        int fd = channel == STREAM_OUT ? STDOUT_FILENO : channel == STREAM_ERR ? STDERR_FILENO : -1;
        if (fd < 0) continue;
        r = write_out(fd, in.rest.data, in.rest.size, err);
        if (r < 0) return r;
    }
    return r < 0 ? STREAM_LOST : -EINPROGRESS;
}

static int take_input(struct stream *stream) {
    uint8_t typed[INPUT_SIZE], out[INPUT_SIZE + DETACH_KEYS_MAX];
    ssize_t n = file_read_some(STDIN_FILENO, typed, sizeof(typed));
    if (n == -EAGAIN) return -EINPROGRESS;
    if (n <= 0) { // a standard input that cannot be read has ended as well
        stream->input_open = false;
        return socket_send(stream->socket, STREAM_IN, NULL, 0) < 0 ? STREAM_LOST : -EINPROGRESS;
    }
    size_t size = (size_t)n;
    const uint8_t *data = typed;
    bool detached = false;
    if (stream->terminal) {
        detached = detach_keys_filter(&stream->keys, typed, (size_t)n, out, &size);
        data = out;
    }
    if (size && socket_send(stream->socket, STREAM_IN, data, size) < 0) return STREAM_LOST;
    return detached ? STREAM_DETACHED : -EINPROGRESS;
}

static int take_signals(struct stream *stream) {
    struct signalfd_siginfo info;
    while (read(stream->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGWINCH) {
            if (send_size(stream) < 0) return STREAM_LOST;
            continue;
        }
        if (stream->on_signal) stream->on_signal((int)info.ssi_signo, stream->arg);
        // Who insists wants to leave, whatever the program does with the signals.
        bool insists = info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM;
        if (insists && ++stream->insisted == INSIST_TIMES) return STREAM_DETACHED;
    }
    return -EINPROGRESS;
}

static int run(struct stream *stream, struct err *err) {
    int r = take_frames(stream, err); // some may have come with the handshake
    while (r == -EINPROGRESS) {
        bool pending = socket_pending(stream->socket);
        struct pollfd fds[AT_COUNT] = {
            [AT_SOCKET] = {.fd = socket_fd(stream->socket),
                           .events = (short)(POLLIN | (pending ? POLLOUT : 0))},
            // No further input while the last is not sent.
            [AT_INPUT] = {.fd = stream->input_open && !pending ? STDIN_FILENO : -1,
                          .events = POLLIN},
            [AT_SIGNAL] = {.fd = stream->signal_fd, .events = POLLIN},
        };
        if (poll(fds, AT_COUNT, -1) < 0) {
            if (errno == EINTR) continue;
            return err_os(err, errno, "stream", "cannot wait for it");
        }
        if (fds[AT_SIGNAL].revents) r = take_signals(stream);
        if (r == -EINPROGRESS && (fds[AT_SOCKET].revents & POLLOUT) &&
            socket_flush(stream->socket) < 0)
            r = take_frames(stream, err) == STREAM_ENDED ? STREAM_ENDED : STREAM_LOST;
        if (r == -EINPROGRESS && (fds[AT_SOCKET].revents & ~POLLOUT)) r = take_frames(stream, err);
        if (r == -EINPROGRESS && fds[AT_INPUT].revents) r = take_input(stream);
    }
    return r;
}

int stream_prepare(struct stream *stream, struct err *err) {
    send_size(stream);
    return stream->terminal && stream->input ? terminal_raw(err) : 0;
}

int stream_run(struct stream *stream, struct err *err) {
    stream->input_open = stream->input;
    int r = run(stream, err);
    terminal_restore();
    // What broke the connection may have been the program's end: its last frames are still there.
    if (r == STREAM_LOST && take_frames(stream, err) == STREAM_ENDED) r = STREAM_ENDED;
    return r;
}
