// SPDX-License-Identifier: Apache-2.0
// A request body into a pipe or a file. A pipe that is full parks the request until it has room, so
// the client is slowed down and nothing piles up here.
#include "cloud/http/http_int.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

void http_upload_to(struct http_request *req, int fd, http_upload_done_fn *done, void *arg) {
    fd_set_nonblock(fd, true);
    req->upload = (struct http_upload){.fd = fd, .done = done, .arg = arg};
    req->stage = STAGE_UPLOAD;
    request_unpark(req);
}

void upload_finish(struct http_request *req, const struct err *err) {
    struct http_upload *u = &req->upload;
    if (u->fd < 0) return;
    loop_remove(take(u->writable));
    close(take_fd(u->fd));
    req->stage = STAGE_DISCARD;
    u->done(req, err, u->bytes, u->arg);
}

static void on_writable(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct http_request *req = arg;
    loop_remove(take(req->upload.writable));
    request_unpark(req);
}

static void fail(struct http_request *req, int os_errno) {
    struct err err = {0};
    err_os(&err, os_errno, "upload", "what came cannot be passed on");
    upload_finish(req, &err);
}

size_t upload_write(struct http_request *req, const char *data, size_t size) {
    struct http_upload *u = &req->upload;
    size_t taken = 0;
    while (taken < size) {
        ssize_t n = write(u->fd, data + taken, size - taken);
        if (n >= 0) {
            taken += (size_t)n;
            u->bytes += (uint64_t)n;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN && loop_add_fd(req->server->loop, u->fd, EPOLLOUT, on_writable, req,
                                           &u->writable, NULL) == 0) {
            request_park(req);
            return taken;
        }
        fail(req, errno);
        return size;
    }
    return taken;
}
