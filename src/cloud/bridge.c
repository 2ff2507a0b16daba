// SPDX-License-Identifier: Apache-2.0
#include "cloud/bridge.h"

#include "base/bytes.h"
#include "wire/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_HIGH \
    ((size_t)256 << 10)  // bytes on their way to a client before the shim is not read any more
#define EXIT_NOT_RUN 125 // Trine's own failure, as engines have it
#define WS_NORMAL 1000   // RFC 6455, 7.4.1

static void attach_free(struct attach *a) {
    list_remove(&a->link);
    loop_remove(a->source);
    if (a->fd >= 0) close(a->fd);
    if (a->exec) a->free_exec(a->exec);
    for (size_t i = 0; i < a->unsent.len; i++) free(a->unsent.items[i].data);
    vec_free(&a->unsent);
    free(a);
}

static void finish(struct attach *a) {
    http_socket_close(a->ws, WS_NORMAL, "");
    attach_free(a);
}

// Client to shim, in order; while the socket is full the client is not read. Frames that it had sent
// together with the last one are here already all the same: their number is limited by one read.
static void push(struct attach *a) {
    while (a->unsent.len > 0) {
        struct attach_frame *first = &a->unsent.items[0];
        ssize_t n = send(a->fd, first->data, first->size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) return;
        // Lost (EPIPE): the end of the stream is seen on the reading side.
        free(first->data);
        vec_remove(&a->unsent, 0);
    }
}

static void update(struct attach *a) {
    bool full = http_socket_queued(a->ws) > QUEUE_HIGH;
    loop_set_events(a->source, (full ? 0 : EPOLLIN) | (a->unsent.len ? EPOLLOUT : 0));
    http_socket_pause(a->ws, a->unsent.len > 0);
}

static void on_message(struct http_socket *ws, const uint8_t *data, size_t size, bool text,
                       void *arg) {
    struct attach *a = arg;
    if (text || size == 0 || size > STREAM_FRAME_MAX || a->fd < 0) return;
    struct attach_frame frame = {.data = mem_try_dup(data, size), .size = size};
    if (!frame.data || !vec_try_add(&a->unsent, frame)) {
        free(frame.data);
        shutdown(a->fd, SHUT_RDWR); // ends the stream: nothing is left out silently
        return;
    }
    push(a);
    update(a);
}

static void on_drained(struct http_socket *ws, void *arg) {
    struct attach *a = arg;
    if (a->source) update(a);
}

static void on_client_gone(struct http_socket *ws, void *arg) {
    struct attach *a = arg;
    a->ws = NULL;
    if (a->asked) {
        a->gone = true;
        list_remove(&a->link);
    } else {
        attach_free(a);
    }
}

struct attach *attach_new(struct cloud *cloud, struct http_request *req) {
    static const struct http_socket_events events = {.message = on_message,
                                                     .drained = on_drained,
                                                     .closed = on_client_gone};
    struct attach *a = mem_new(struct attach);
    a->cloud = cloud;
    a->fd = -1;
    list_init(&a->link);
    a->ws = http_socket_accept(req, &events, a);
    if (!a->ws) {
        free(a);
        return NULL;
    }
    http_socket_pause(a->ws, true);
    return a;
}

void attach_asked(struct attach *a) {
    a->asked = true;
}

static void on_stream(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct attach *a = arg;
    if (events & EPOLLOUT) push(a);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        uint8_t frame[STREAM_FRAME_MAX];
        for (int i = 0; i < 8; i++) {
            ssize_t n = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
            if (n <= 0) {
                finish(a);
                return;
            }
            int queued = http_socket_send(a->ws, frame, (size_t)n, false);
            if (queued < 0 || queued > (int)QUEUE_HIGH) break;
        }
    }
    update(a);
}

void attach_connect(struct attach *a, int fd) {
    a->asked = false;
    a->fd = fd;
    if (a->gone) {
        attach_free(a);
        return;
    }
    struct err err = {0};
    if (loop_add_fd(a->cloud->loop, fd, EPOLLIN, on_stream, a, &a->source, &err) < 0) {
        attach_fail(a, &err);
        return;
    }
    http_socket_pause(a->ws, false);
}

void attach_end(struct attach *a, int exit_code, const char *text) {
    a->asked = false;
    if (a->gone) {
        attach_free(a);
        return;
    }
    struct writer w = writer_growing();
    write_u8(&w, STREAM_EXIT);
    write_le32(&w, (uint32_t)exit_code);
    write_bytes(&w, text, strlen(text));
    http_socket_send(a->ws, w.data, w.size, false);
    writer_free(&w);
    finish(a);
}

void attach_fail(struct attach *a, const struct err *why) {
    char text[sizeof(*why)];
    snprintf(text, sizeof(text), "%s: %s%s%s", why->object, why->cause, *why->next ? "; " : "",
             why->next);
    attach_end(a, err_program_exit(why), text);
}
