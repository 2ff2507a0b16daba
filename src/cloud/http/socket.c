// SPDX-License-Identifier: Apache-2.0
// WebSockets (RFC 6455). After the handshake the descriptor is ours and wslay reads and writes its
// frames: it answers pings, joins fragments, checks UTF-8 and closes with 1002, 1007 or 1009 what
// breaks the rules.
//
// Invariants: (1) a socket is freed by finish() alone, never inside one of its callbacks; (2) once
// `closing` or `failed`, no message is given to the handler any more.
#include "cloud/http/http_int.h"
#include "codec/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#define MESSAGE_MAX 65536
#define TURN_MAX 262144 // bytes read before the loop's other sources have their turn
#define LINGER_NS (5 * SEC_NS)

struct http_socket {
    struct list node; // server.sockets, once upgraded
    struct http_server *server;
    struct http_face *face;
    const struct http_socket_events *events;
    void *arg;
    wslay_event_context_ptr wslay;
    struct MHD_UpgradeResponseHandle *upgrade; // NULL before
    int fd;
    struct loop_source *source, *linger;
    struct str early; // came behind the handshake; [early_at, len) is unread
    size_t early_at, turn;
    bool busy, paused, closing, failed;
    bool close_sent; // to wslay
    uint16_t close_code;
    char close_reason[124];
};

static bool names_token(const char *list, const char *token) {
    for (const char *p = list; p && *p;) {
        p += strspn(p, " \t,");
        size_t size = strcspn(p, " \t,");
        if (size == strlen(token) && !strncasecmp(p, token, size)) return true;
        p += size;
    }
    return false;
}

int socket_check_handshake(struct http_request *req, int *ret_status, struct err *err) {
    const char *key = http_header(req, MHD_HTTP_HEADER_SEC_WEBSOCKET_KEY);
    const char *version = http_header(req, MHD_HTTP_HEADER_SEC_WEBSOCKET_VERSION);
    if (names_token(http_header(req, MHD_HTTP_HEADER_UPGRADE), "websocket") &&
        names_token(http_header(req, MHD_HTTP_HEADER_CONNECTION), "upgrade") && version &&
        !strcmp(version, "13") && key && strlen(key) == WEBSOCKET_KEY_SIZE - 1)
        return 0;
    *ret_status = MHD_HTTP_UPGRADE_REQUIRED;
    http_set_header(req, MHD_HTTP_HEADER_SEC_WEBSOCKET_VERSION, "13");
    err_set(err, ERR_INVALID, 0, "request", "%s is a WebSocket", req->operation->id);
    return err_next(err, "connect with a WebSocket client (RFC 6455, version 13)");
}

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t size, int flags,
                       void *arg) {
    struct http_socket *ws = arg;
    if ((ws->paused && !ws->closing) || ws->turn >= TURN_MAX) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    ssize_t n;
    size_t early = ws->early.len - ws->early_at;
    if (early) {
        n = (ssize_t)(early < size ? early : size);
        memcpy(buf, ws->early.data + ws->early_at, (size_t)n);
        ws->early_at += (size_t)n;
    } else {
        do n = recv(ws->fd, buf, size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
    }
    if (n > 0) {
        ws->turn += (size_t)n;
        return n;
    }
    bool later = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    wslay_event_set_error(ctx, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t size, int flags,
                       void *arg) {
    struct http_socket *ws = arg;
    ssize_t n;
    do
        n = send(ws->fd, data, size,
                 MSG_DONTWAIT | MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n >= 0) return n;
    bool later = errno == EAGAIN || errno == EWOULDBLOCK;
    wslay_event_set_error(ctx, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg,
                       void *arg) {
    struct http_socket *ws = arg;
    if (wslay_is_ctrl_frame(msg->opcode) || ws->closing || ws->failed) return;
    ws->events->message(ws, msg->msg, msg->msg_length, msg->opcode == WSLAY_TEXT_FRAME, ws->arg);
}

static void release(struct http_socket *ws) {
    loop_remove(ws->source);
    loop_remove(ws->linger);
    if (ws->upgrade) {
        list_remove(&ws->node);
        MHD_upgrade_action(ws->upgrade, MHD_UPGRADE_ACTION_CLOSE);
        face_wake(ws->face);
    }
    wslay_event_context_free(ws->wslay);
    str_free(&ws->early);
    free(ws);
}

static void finish(struct http_socket *ws) {
    ws->failed = true;
    if (!ws->closing && ws->events->closed) ws->events->closed(ws, ws->arg);
    release(ws);
}

// Our close goes behind what is queued; wslay itself would let it overtake.
static void close_behind_queue(struct http_socket *ws) {
    if (!ws->closing || ws->close_sent || http_socket_queued(ws)) return;
    ws->close_sent = true;
    wslay_event_queue_close(ws->wslay, ws->close_code, (const uint8_t *)ws->close_reason,
                            strlen(ws->close_reason));
}

static int write_queue(struct http_socket *ws) {
    close_behind_queue(ws);
    int r = wslay_event_want_write(ws->wslay) ? wslay_event_send(ws->wslay) : 0;
    if (r != 0 || !ws->closing || ws->close_sent) return r;
    close_behind_queue(ws);
    return ws->close_sent ? wslay_event_send(ws->wslay) : 0;
}

static void want(struct http_socket *ws) {
    uint32_t events = EPOLLHUP; // seen even while paused
    if (wslay_event_want_read(ws->wslay) && (!ws->paused || ws->closing)) {
        events |= EPOLLIN;
        if (ws->early_at < ws->early.len) events |= EPOLLOUT; // ready at once
    }
    if (wslay_event_want_write(ws->wslay)) events |= EPOLLOUT;
    loop_set_events(ws->source, events);
}

// Reads and writes what is possible. The socket may be gone afterwards.
static void pump(struct http_socket *ws) {
    size_t before = http_socket_queued(ws);
    ws->busy = true;
    ws->turn = 0;
    int r = wslay_event_want_read(ws->wslay) ? wslay_event_recv(ws->wslay) : 0;
    if (r == 0) r = write_queue(ws);
    ws->failed |= r != 0;
    if (!ws->failed && !ws->closing && before && !http_socket_queued(ws) && ws->events->drained)
        ws->events->drained(ws, ws->arg);
    ws->busy = false;
    bool over = !wslay_event_want_read(ws->wslay) && !wslay_event_want_write(ws->wslay);
    if (ws->failed || over)
        finish(ws);
    else
        want(ws);
}

static void on_events(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct http_socket *ws = arg;
    bool gone = events & (EPOLLHUP | EPOLLERR);
    if (gone && (ws->paused || ws->failed || !(events & EPOLLIN)))
        finish(ws); // nothing would be read any more
    else
        pump(ws);
}

static void on_linger(void *arg) {
    finish(arg);
}

// A client that does not answer our close is not waited for.
static void start_linger(struct http_socket *ws) {
    int64_t end = clock_monotonic(loop_clock(ws->server->loop)) + LINGER_NS;
    if (loop_add_timer(ws->server->loop, end, on_linger, ws, &ws->linger, NULL) < 0)
        ws->failed = true;
}

static void on_upgrade(void *cls, struct MHD_Connection *mhd, void *con_cls, const char *extra_in,
                       size_t extra_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *urh) {
    struct http_socket *ws = cls;
    struct http_request *req = con_cls;
    req->socket = NULL;
    ws->upgrade = urh;
    ws->fd = fd;
    list_add_tail(&ws->server->sockets, &ws->node);
    fd_set_nonblock(fd, true);
    str_add_n(&ws->early, extra_in, extra_size);
    if (ws->closing) start_linger(ws);
    // Ready for writing at once: the first pump runs from the loop, not from inside libmicrohttpd.
    if (ws->early.failed ||
        loop_add_fd(ws->server->loop, fd, EPOLLIN | EPOLLOUT, on_events, ws, &ws->source, NULL) < 0)
        finish(ws);
}

static struct MHD_Response *handshake(struct http_request *req, struct http_socket *ws) {
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept(http_header(req, MHD_HTTP_HEADER_SEC_WEBSOCKET_KEY), accept);
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, ws);
    if (!response) return NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket");
    MHD_add_response_header(response, MHD_HTTP_HEADER_SEC_WEBSOCKET_ACCEPT, accept);
    return response;
}

struct http_socket *http_socket_accept(struct http_request *req,
                                       const struct http_socket_events *events, void *arg) {
    static const struct wslay_event_callbacks CALLBACKS = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .on_msg_recv_callback = on_message};
    struct http_socket *ws = mem_new(struct http_socket);
    *ws = (struct http_socket){.server = req->server,
                               .face = req->connection->face,
                               .events = events,
                               .arg = arg,
                               .fd = -1};
    if (wslay_event_context_server_init(&ws->wslay, &CALLBACKS, ws) != 0) abort(); // out of memory
    wslay_event_config_set_max_recv_msg_length(ws->wslay, MESSAGE_MAX);
    req->socket = ws;
    reply_store(req, MHD_HTTP_SWITCHING_PROTOCOLS, NULL, handshake(req, ws));
    return ws;
}

size_t http_socket_queued(const struct http_socket *ws) {
    return wslay_event_get_queued_msg_length(ws->wslay);
}

// Writes at once what the descriptor takes. A failure is seen again, and answered, by the loop.
static void flush(struct http_socket *ws) {
    if (!ws->upgrade || ws->busy || ws->failed) return;
    ws->failed = write_queue(ws) != 0;
    if (ws->failed) shutdown(ws->fd, SHUT_RDWR);
    want(ws);
}

int http_socket_send(struct http_socket *ws, const void *data, size_t size, bool text) {
    if (ws->closing || ws->failed) return -EPIPE;
    struct wslay_event_msg msg = {.opcode = text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                  .msg = data,
                                  .msg_length = size};
    if (http_socket_queued(ws) > HTTP_QUEUE_MAX || wslay_event_queue_msg(ws->wslay, &msg) != 0) {
        ws->failed = true;
        if (ws->upgrade) shutdown(ws->fd, SHUT_RDWR);
        return -EPIPE;
    }
    flush(ws);
    return ws->failed ? -EPIPE : (int)http_socket_queued(ws);
}

void http_socket_pause(struct http_socket *ws, bool paused) {
    ws->paused = paused;
    if (ws->source && !ws->busy) want(ws);
}

void http_socket_close(struct http_socket *ws, uint16_t code, const char *reason) {
    if (ws->closing) return;
    ws->closing = true;
    ws->close_code = code;
    snprintf(ws->close_reason, sizeof(ws->close_reason), "%s", reason ? reason : "");
    if (ws->upgrade) start_linger(ws);
    flush(ws);
}

// Before the upgrade; after it the loop tells.
void socket_left(struct http_socket *ws) {
    finish(ws);
}

void sockets_free(struct http_server *server) {
    struct http_socket *ws;
    list_each (&server->sockets, ws, struct http_socket, node) finish(ws);
}
