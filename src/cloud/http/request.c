// SPDX-License-Identifier: Apache-2.0
// A request from its first line to its end. libmicrohttpd calls request_access once for the
// headers, for each piece of a body, and at the end of the body; again after each park.
//
//   HEADERS ──no upload──► BODY ──valid──► HANDLER ──reply──► ANSWER
//      │ └──bad──► DISCARD ──end of body─────────────────────────▲
//      └──upload──► HANDLER ──http_upload_to──► UPLOAD ──────────┘
#include "cloud/http/http_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct http_connection *connection_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd) {
    struct http_face *face = cls;
    struct http_connection *connection = connection_of(mhd);
    struct arena *arena = connection ? arena_new(HTTP_ARENA_MAX) : NULL;
    struct http_request *req = arena ? arena_alloc(arena, sizeof(*req)) : NULL;
    const char *url = req ? arena_strdup(arena, uri) : NULL;
    if (!url) {
        arena_free(arena);
        return NULL;
    }
    *req = (struct http_request){.server = face->server,
                                 .connection = connection,
                                 .mhd = mhd,
                                 .arena = arena,
                                 .url = url,
                                 .op = API_OP_COUNT,
                                 .upload = {.fd = -1}};
    snprintf(req->id, sizeof(req->id), "%08" PRIx32 "%08" PRIx64, face->server->id_prefix,
             face->server->next_id++);
    connection->request = req;
    return req;
}

static void request_free(struct http_request *req) {
    loop_remove(req->watch);
    loop_remove(req->upload.writable);
    if (req->upload.fd >= 0) close(req->upload.fd);
    if (req->response) MHD_destroy_response(req->response);
    body_fd_stop(req->body_fd);
    stream_free(req->stream);
    json_decref(req->json);
    str_free(&req->body);
    req->connection->request = NULL;
    req->connection->since = clock_monotonic(loop_clock(req->server->loop));
    arena_free(req->arena);
}

// The handler is told once, by the callback that it waits for; then the request is only a shell.
void request_left(struct http_request *req) {
    if (req->abandoned) return;
    req->abandoned = true;
    struct err err = {0};
    err_set(&err, ERR_CANCELLED, 0, "request", "the client broke the connection off");
    if (req->upload.fd >= 0) {
        upload_finish(req, &err);
    } else if (req->stream) {
        stream_left(req->stream);
    } else if (req->socket) {
        socket_left(take(req->socket));
    }
    if (req->dispatched && !req->answered && req->on_abandon)
        req->on_abandon(req, req->abandon_arg);
}

void request_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                       enum MHD_RequestTerminationCode code) {
    struct http_request *req = *con_cls;
    if (!req) return;
    *con_cls = NULL;
    request_left(req);
    request_free(req);
}

static void on_left(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct http_request *req = arg;
    if (!(events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))) return;
    request_left(req);
    request_unpark(req); // libmicrohttpd finds it abandoned and closes
}

// A client on a unix socket may close its sending half and still read; over TCP that cannot be told
// from one that went away.
void request_park(struct http_request *req) {
    if (req->parked) return;
    MHD_suspend_connection(req->mhd);
    req->parked = true;
    uint32_t events = req->connection->face->tls ? EPOLLRDHUP : EPOLLHUP;
    loop_add_fd(req->server->loop, req->connection->fd, events, on_left, req, &req->watch, NULL);
}

void request_unpark(struct http_request *req) {
    if (!req->parked) return;
    loop_remove(take(req->watch));
    req->parked = false;
    MHD_resume_connection(req->mhd);
    face_wake(req->connection->face);
}

static void dispatch(struct http_request *req) {
    http_handler_fn *handler = req->server->config.handlers[req->op];
    req->stage = STAGE_HANDLER;
    req->dispatched = true;
    if (handler) {
        handler(req, req->server->config.arg);
        return;
    }
    struct err err = {0};
    err_set(&err, ERR_UNSUPPORTED, 0, req->operation->id, "this build does not have the operation");
    http_reply_error(req, &err);
}

// What can be said of a request before its body is there.
static int check_headers(struct http_request *req, const char *method, struct http_framing *framing,
                         int *ret_status, struct err *err) {
    int r = check_framing(req, framing, ret_status, err);
    if (r == 0) r = check_authorised(req, err);
    if (r == 0) r = route_request(req, method, ret_status, err);
    if (r == 0) r = check_media(req, framing, ret_status, err);
    if (r == 0 && req->operation->stream == API_STREAM_WEBSOCKET)
        r = socket_check_handshake(req, ret_status, err);
    return r;
}

static enum MHD_Result on_headers(struct http_request *req, const char *method) {
    struct err err = {0};
    struct http_framing framing = {0};
    int status = 0;
    req->connection->since = -1;
    req->head = !strcmp(method, MHD_HTTP_METHOD_HEAD);
    if (check_headers(req, method, &framing, &status, &err) < 0) {
        req->stage = STAGE_DISCARD;
        reply_problem(req, status, &err);
        // A large body is not even read: answered now, and the connection closed.
        bool wait_for_body = framing.length <= HTTP_BODY_MAX && !req->close;
        return wait_for_body ? MHD_YES : reply_queue(req);
    }
    req->stage = STAGE_BODY;
    if (req->operation->stream == API_STREAM_UPLOAD) {
        dispatch(req);
        if (req->response) return reply_queue(req); // refused: the body is not read
        if (req->stage == STAGE_HANDLER) {
            req->headers_again = true;
            request_park(req);
        }
    } else if (framing.has_body) {
        req->connection->since = clock_monotonic(loop_clock(req->server->loop));
    }
    return MHD_YES;
}

// The handler of an upload has decided after all.
static enum MHD_Result on_headers_again(struct http_request *req) {
    req->headers_again = false;
    return req->response ? reply_queue(req) : MHD_YES;
}

static enum MHD_Result on_body(struct http_request *req, const char *data, size_t *size) {
    switch (req->stage) {
    case STAGE_BODY:
        str_add_n(&req->body, data, *size);
        *size = 0;
        if (req->body.failed || req->body.len > HTTP_BODY_MAX) {
            struct err err = {0};
            str_free(&req->body);
            check_too_large(&err);
            req->stage = STAGE_DISCARD;
            reply_problem(req, 0, &err);
        }
        return MHD_YES;
    case STAGE_UPLOAD:
        *size -= upload_write(req, data, *size);
        return MHD_YES;
    default:
        req->discarded += *size;
        *size = 0;
        return req->discarded > HTTP_DISCARD_MAX ? MHD_NO : MHD_YES;
    }
}

static enum MHD_Result on_end(struct http_request *req) {
    struct err err = {0};
    req->connection->since = -1;
    if (req->stage == STAGE_BODY) {
        if (check_body(req, &err) < 0)
            reply_problem(req, 0, &err);
        else
            dispatch(req);
    } else if (req->stage == STAGE_UPLOAD) {
        upload_finish(req, NULL);
    }
    if (req->broken) return MHD_NO;
    if (req->response) return reply_queue(req);
    request_park(req);
    return MHD_YES;
}

enum MHD_Result request_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_data_size, void **con_cls) {
    struct http_request *req = *con_cls;
    if (!req || req->abandoned || req->broken || req->stage == STAGE_ANSWER) return MHD_NO;
    if (req->stage == STAGE_HEADERS) return on_headers(req, method);
    if (req->headers_again && !*upload_data_size) return on_headers_again(req);
    return *upload_data_size ? on_body(req, upload_data, upload_data_size) : on_end(req);
}

enum api_op http_op(const struct http_request *req) {
    return (enum api_op)req->op;
}

const char *http_header(const struct http_request *req, const char *name) {
    return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

json_t *http_body(const struct http_request *req) {
    return req->json;
}

const char *http_user(const struct http_request *req) {
    return req->user;
}

const struct peer *http_peer(const struct http_request *req) {
    return req->connection->has_peer ? &req->connection->peer : NULL;
}

struct arena *http_arena(struct http_request *req) {
    return req->arena;
}

void http_on_abandon(struct http_request *req, http_abandon_fn *fn, void *arg) {
    req->on_abandon = fn;
    req->abandon_arg = arg;
}
