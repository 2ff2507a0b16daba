// SPDX-License-Identifier: Apache-2.0
// Answers in pieces: from a queue that the handler fills, or from a descriptor. With nothing to send
// the request is parked.
#include "cloud/http/http_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_SIZE 32768

struct http_body_fd {
    struct http_request *req;
    int fd;
    struct loop_source *readable;
};

size_t http_stream_queued(const struct http_stream *stream) {
    return stream->queue.len - stream->start;
}

// After an error libmicrohttpd lets a connection go at its next event or timeout, and one that was parked has neither.
// So the body ends, but nothing of that end can reach the client: writing it fails, and the connection is let go.
static ssize_t cut(struct http_request *req) {
    shutdown(req->connection->fd, SHUT_RDWR);
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t read_queue(void *cls, uint64_t pos, char *buf, size_t max) {
    struct http_stream *stream = cls;
    size_t size = http_stream_queued(stream);
    if (size > max) size = max;
    if (size) {
        memcpy(buf, stream->queue.data + stream->start, size);
        stream->start += size;
        if (http_stream_queued(stream)) return (ssize_t)size;
        str_reset(&stream->queue);
        stream->start = 0;
        if (stream->on_drained && !stream->closing) stream->on_drained(stream, stream->arg);
        return (ssize_t)size;
    }
    if (stream->broken || stream->req->abandoned) return cut(stream->req);
    if (stream->closing) return MHD_CONTENT_READER_END_OF_STREAM;
    request_park(stream->req);
    return 0;
}

struct http_stream *http_stream_open(struct http_request *req, int status, const char *media,
                                     http_stream_fn *on_closed, void *arg) {
    struct http_stream *stream = mem_new(struct http_stream);
    *stream = (struct http_stream){.req = req, .on_closed = on_closed, .arg = arg};
    req->stream = stream;
    reply_store(req, status, media,
                MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_queue, stream,
                                                  NULL));
    return stream;
}

// What was sent is cut off the front once it is the larger half.
static void compact(struct http_stream *stream) {
    if (!stream->start || stream->start < stream->queue.len / 2) return;
    size_t left = http_stream_queued(stream);
    memmove(stream->queue.data, stream->queue.data + stream->start, left);
    stream->queue.len = left;
    stream->queue.data[left] = 0;
    stream->start = 0;
}

int http_stream_write(struct http_stream *stream, const void *data, size_t size) {
    if (stream->broken || stream->closing || stream->req->abandoned) return -EPIPE;
    compact(stream);
    if (size > HTTP_QUEUE_MAX || http_stream_queued(stream) > HTTP_QUEUE_MAX - size)
        stream->broken = true;
    else
        str_add_n(&stream->queue, data, size);
    if (stream->broken || stream->queue.failed) {
        stream->broken = true;
        shutdown(stream->req->connection->fd, SHUT_RDWR); // libmicrohttpd finds it closed
        return -EPIPE;
    }
    if (size) request_unpark(stream->req);
    return (int)http_stream_queued(stream);
}

void http_stream_on_drained(struct http_stream *stream, http_stream_fn *fn) {
    stream->on_drained = fn;
}

void http_stream_close(struct http_stream *stream) {
    stream->closing = true;
    if (!http_stream_queued(stream)) request_unpark(stream->req);
}

void stream_left(struct http_stream *stream) {
    http_stream_fn *on_closed = take(stream->on_closed);
    if (on_closed && !stream->closing) on_closed(stream, stream->arg);
}

void stream_free(struct http_stream *stream) {
    if (!stream) return;
    str_free(&stream->queue);
    free(stream);
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct http_body_fd *body = arg;
    loop_remove(take(body->readable));
    request_unpark(body->req);
}

static ssize_t read_fd(void *cls, uint64_t pos, char *buf, size_t max) {
    struct http_body_fd *body = cls;
    if (body->req->abandoned) return cut(body->req);
    ssize_t n = file_read_some(body->fd, buf, max);
    if (n > 0) return n;
    if (n == 0) return MHD_CONTENT_READER_END_OF_STREAM;
    if (n != -EAGAIN || loop_add_fd(body->req->server->loop, body->fd, EPOLLIN, on_readable, body,
                                    &body->readable, NULL) < 0)
        return cut(body->req);
    request_park(body->req);
    return 0;
}

void body_fd_stop(struct http_body_fd *body) {
    if (!body) return;
    loop_remove(take(body->readable));
    body->req = NULL; // the response may live a little longer than the request
}

static void body_fd_free(void *cls) {
    struct http_body_fd *body = cls;
    if (body->req) body->req->body_fd = NULL;
    loop_remove(body->readable);
    close(body->fd);
    free(body);
}

void http_reply_fd(struct http_request *req, int status, const char *media, int fd) {
    struct stat st;
    uint64_t size = MHD_SIZE_UNKNOWN;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && at >= 0 && at <= st.st_size)
        size = (uint64_t)(st.st_size - at);
    else
        fd_set_nonblock(fd, true);
    struct http_body_fd *body = mem_new(struct http_body_fd);
    *body = (struct http_body_fd){.req = req, .fd = fd};
    struct MHD_Response *response =
        MHD_create_response_from_callback(size, BLOCK_SIZE, read_fd, body, body_fd_free);
    if (response)
        req->body_fd = body;
    else
        body_fd_free(body);
    reply_store(req, status, media, response);
}
