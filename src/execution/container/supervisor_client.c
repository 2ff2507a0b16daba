// SPDX-License-Identifier: Apache-2.0
// The clients of a process's standard streams: who reads its output and feeds its input.
#include "base/bytes.h"
#include "base/log.h"
#include "execution/container/supervisor_client_int.h"
#include "execution/container/supervisor_ring.h"
#include "host/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct frame {
    struct list link;
    size_t size;
    uint8_t data[];
};

struct client {
    struct list link;
    struct supervisor_stdio *stdio;
    int sock;
    struct loop_source *source;
    bool input, output;
    struct list frames; // found no room in the socket
};

void supervisor_socket_finish(int sock) {
    uint8_t byte;
    shutdown(sock, SHUT_RD);
    while (recv(sock, &byte, sizeof(byte), MSG_DONTWAIT) > 0) continue;
}

static bool client_blocked(const struct client *client) {
    return !list_empty(&client->frames);
}

static void frames_free(struct client *client) {
    struct frame *frame;
    list_each (&client->frames, frame, struct frame, link) {
        list_remove(&frame->link);
        free(frame);
    }
}

// The pump is stopped by the first blocked client and started when the last one is free.
static void client_unblocked(struct supervisor_stdio *stdio) {
    if (--stdio->n_blocked == 0) stdio_pause_output(stdio, false);
}

static void client_free(struct client *client) {
    struct supervisor_stdio *stdio = client->stdio;
    list_remove(&client->link);
    loop_remove(client->source);
    supervisor_socket_finish(client->sock);
    close(client->sock);
    bool blocked = client_blocked(client);
    frames_free(client);
    free(client);
    stdio->n_clients--;
    if (blocked) client_unblocked(stdio);
}

static void client_left(struct client *client) {
    struct supervisor_stdio *stdio = client->stdio;
    client_free(client);
    // The owner may release the streams in here: nothing is touched after.
    if (stdio->n_clients == 0 && stdio->on_left) stdio->on_left(stdio, stdio->arg);
}

void client_free_all(struct supervisor_stdio *stdio) {
    stdio->ended = true;
    struct client *client;
    list_each (&stdio->clients, client, struct client, link) client_free(client);
}

// 0: sent, -EAGAIN: no room, else the client has gone.
static int frame_send(struct client *client, const uint8_t *data, size_t size) {
    ssize_t n;
    do n = send(client->sock, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return 0;
    return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
}

static void client_watch(struct client *client);

static void frame_queue(struct client *client, const uint8_t *data, size_t size) {
    struct frame *frame = mem_try_zalloc(sizeof(*frame) + size);
    if (!frame) {
        LOG_WARN("output is lost: no memory for a slow reader", "bytes=%zu", size);
        return;
    }
    frame->size = size;
    memcpy(frame->data, data, size);
    bool blocked = client_blocked(client);
    list_add_tail(&client->frames, &frame->link);
    if (blocked) return;
    if (client->stdio->n_blocked++ == 0) stdio_pause_output(client->stdio, true);
    client_watch(client);
}

// A client that cannot be reached any more is noticed when its socket is read.
static void client_deliver(struct client *client, const uint8_t *data, size_t size) {
    if (client_blocked(client) || frame_send(client, data, size) == -EAGAIN)
        frame_queue(client, data, size);
}

void client_deliver_all(struct supervisor_stdio *stdio, const uint8_t *frame, size_t size) {
    struct client *client;
    list_each (&stdio->clients, client, struct client, link) {
        if (client->output) client_deliver(client, frame, size);
    }
}

// False: the client has gone.
static bool client_flush(struct client *client) {
    struct frame *frame;
    list_each (&client->frames, frame, struct frame, link) {
        int rc = frame_send(client, frame->data, frame->size);
        if (rc == -EAGAIN) return true;
        if (rc < 0) return false;
        list_remove(&frame->link);
        free(frame);
    }
    client_unblocked(client->stdio);
    client_watch(client);
    return !client->stdio->ended;
}

static void on_frame(struct client *client, const uint8_t *data, size_t size) {
    struct supervisor_stdio *stdio = client->stdio;
    switch (data[0]) {
    case STREAM_IN:
        if (!client->input) break;
        if (size > 1)
            stdio_feed(stdio, data + 1, size - 1);
        else
            stdio_feed_end(stdio);
        break;
    case STREAM_RESIZE:
        if (size == 5)
            supervisor_stdio_resize(stdio, data[1] | (unsigned)data[2] << 8,
                                    data[3] | (unsigned)data[4] << 8);
        break;
    }
}

static void on_client(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct client *client = arg;
    if (client_blocked(client) && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) &&
        !client_flush(client)) {
        client_left(client);
        return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    struct supervisor_stdio *stdio = client->stdio;
    if (stdio->ended || stdio->input) return;
    ssize_t n = recv(fd, stdio->frame, STREAM_FRAME_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0 || n > STREAM_FRAME_MAX) {
        client_left(client);
        return;
    }
    on_frame(client, stdio->frame, (size_t)n);
}

// Room is waited for while frames wait; input is read while the process takes it.
static void client_watch(struct client *client) {
    bool reading = !client->stdio->input && !client->stdio->ended;
    uint32_t events = (reading ? EPOLLIN : 0) | (client_blocked(client) ? EPOLLOUT : 0);
    int rc = loop_set_events(client->source, events);
    if (rc < 0) LOG_WARN("a reader is not watched", "errno=%d", -rc);
}

void client_watch_all(struct supervisor_stdio *stdio) {
    struct client *client;
    list_each (&stdio->clients, client, struct client, link) client_watch(client);
}

static void client_replay(struct client *client) {
    struct span pieces[2];
    supervisor_ring_read(client->stdio->ring, pieces);
    uint8_t *frame = client->stdio->frame;
    frame[0] = STREAM_OUT;
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0; at < pieces[i].size;) {
            size_t n = pieces[i].size - at;
            if (n > STREAM_FRAME_MAX - 1) n = STREAM_FRAME_MAX - 1;
            memcpy(frame + 1, pieces[i].data + at, n);
            client_deliver(client, frame, n + 1);
            at += n;
        }
    }
}

int supervisor_stdio_attach(struct supervisor_stdio *stdio, bool input, bool output, bool replay,
                            int *ret_sock, struct err *err) {
    if (stdio->n_clients >= SUPERVISOR_CLIENTS_MAX)
        return err_set(err, ERR_LIMIT, 0, "container", "%d clients are attached already",
                       SUPERVISOR_CLIENTS_MAX);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, errno, "container", "cannot make a stream socket");
    struct client *client = mem_new(struct client);
    *client = (struct client){.stdio = stdio, .sock = pair[0], .input = input, .output = output};
    list_init(&client->frames);
    int rc = fd_set_nonblock(pair[0], true);
    if (rc < 0) err_os(err, -rc, "container", "cannot prepare a stream socket");
    if (rc == 0)
        rc = loop_add_fd(stdio->loop, client->sock, EPOLLIN, on_client, client, &client->source,
                         err);
    if (rc < 0) {
        close(pair[0]);
        close(pair[1]);
        free(client);
        return rc;
    }
    list_add_tail(&stdio->clients, &client->link);
    stdio->n_clients++;
    client_watch(client);
    if (replay && output && stdio->ring) client_replay(client);
    *ret_sock = pair[1];
    return 0;
}

#define LAST_WORDS_MAX (4 << 20)

// What a slow reader has not read yet goes into the kernel's buffer, which outlives this process. Only root may make
// it so large; others keep their last words waiting in here, for as long as supervisor_end has patience.
static void client_widen(struct client *client) {
    int size = LAST_WORDS_MAX;
    if (setsockopt(client->sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == 0)
        client_flush(client); // one that has gone is noticed by its last frame
}

void supervisor_stdio_end(struct supervisor_stdio *stdio, int exit_code, const char *failure) {
    size_t length = strnlen(failure, STREAM_FRAME_MAX - 5);
    struct writer w = writer_on(stdio->frame, STREAM_FRAME_MAX);
    write_u8(&w, STREAM_EXIT);
    write_le32(&w, (uint32_t)exit_code);
    write_bytes(&w, failure, length);
    struct client *client;
    list_each (&stdio->clients, client, struct client, link) client_widen(client);
    stdio->ended = true;
    list_each (&stdio->clients, client, struct client, link) {
        client_deliver(client, stdio->frame, w.size);
        if (client_blocked(client))
            client_watch(client);
        else
            client_free(client);
    }
}

bool supervisor_stdio_flushed(const struct supervisor_stdio *stdio) {
    return list_empty(&stdio->clients);
}
