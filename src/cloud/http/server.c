// SPDX-License-Identifier: Apache-2.0
// Listening sockets and connections. libmicrohttpd polls nothing by itself: its epoll descriptor is
// a source of our loop, and its next timeout a timer that is armed only while it has one.
#include "cloud/http/http_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUN_ROUNDS 8 // of libmicrohttpd before the loop's other sources have their turn

int http_server_new(struct loop *loop, const struct http_config *config, struct http_server **ret,
                    struct err *err) {
    (void)err;
    struct http_server *server = mem_new(struct http_server);
    *server = (struct http_server){.loop = loop, .config = *config};
    list_init(&server->faces);
    list_init(&server->sockets);
    server->id_prefix = (uint32_t)(clock_realtime(loop_clock(loop)) / SEC_NS) ^ (uint32_t)getpid();
    signal(SIGPIPE, SIG_IGN); // an upload's reader may end before the upload
    *ret = server;
    return 0;
}

// Who keeps us waiting for headers or a JSON body, byte by byte, is cut off.
static void drop_slow(struct http_face *face) {
    int64_t now = clock_monotonic(loop_clock(face->server->loop));
    struct http_connection *c;
    list_each (&face->connections, c, struct http_connection, node) {
        if (c->since < 0 || now - c->since < HTTP_SLOW_TIMEOUT_NS) continue;
        shutdown(c->fd, SHUT_RDWR);
        c->since = -1;
    }
}

static void arm_timer(struct http_face *face) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (list_empty(&face->connections) || MHD_get_timeout(face->daemon, &timeout_ms) != MHD_YES) {
        if (face->timer_at >= 0 && list_empty(&face->connections))
            loop_timer_set(face->timer, face->timer_at = -1);
        return;
    }
    int64_t now = clock_monotonic(loop_clock(face->server->loop));
    int64_t at = now + (int64_t)timeout_ms * MSEC_NS;
    if (face->timer_at >= 0 && face->timer_at <= at) return; // fires earlier, or is due
    loop_timer_set(face->timer, face->timer_at = at);
}

void face_wake(struct http_face *face) {
    if (face->server->stopping) return;
    face->timer_at = clock_monotonic(loop_clock(face->server->loop));
    loop_timer_set(face->timer, face->timer_at);
}

static void run(struct http_face *face) {
    MHD_UNSIGNED_LONG_LONG timeout_ms = 1;
    for (int i = 0; i < RUN_ROUNDS; i++) {
        MHD_run(face->daemon);
        if (MHD_get_timeout(face->daemon, &timeout_ms) != MHD_YES || timeout_ms) break;
    }
    arm_timer(face);
}

static void on_events(struct loop_source *source, int fd, uint32_t events, void *arg) {
    run(arg);
}

static void on_timer(void *arg) {
    struct http_face *face = arg;
    face->timer_at = -1;
    drop_slow(face);
    run(face);
}

static void connection_open(struct http_face *face, struct MHD_Connection *mhd, void **ctx) {
    struct http_connection *c = mem_new(struct http_connection);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    *c = (struct http_connection){.face = face, .mhd = mhd, .fd = info ? info->connect_fd : -1};
    c->since = clock_monotonic(loop_clock(face->server->loop));
    c->has_peer = !face->tls && unix_peer(c->fd, &c->peer) == 0;
    list_add_tail(&face->connections, &c->node);
    face->n_connections++;
    *ctx = c;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **ctx,
                          enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_open(cls, mhd, ctx);
        return;
    }
    struct http_connection *c = *ctx;
    if (!c) return;
    list_remove(&c->node);
    // At its limit libmicrohttpd stops listening, and begins again only when it runs once more.
    if (c->face->n_connections-- >= HTTP_CONNECTIONS_MAX) face_wake(c->face);
    free(c);
    *ctx = NULL;
}

// Path and query are decoded by route.c, which must see %2F and %26 as they came.
static size_t unescape_nothing(void *cls, struct MHD_Connection *mhd, char *text) {
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http_face *face, int listen_fd, const char *cert,
                                       const char *key) {
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
                                   {MHD_OPTION_HTTPS_PRIORITIES, 0,
                                    (void *)(uintptr_t) "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE;
    return MHD_start_daemon(flags | (cert ? MHD_USE_TLS : 0u), 0, NULL, NULL, request_access, face,
                            MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
                            HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                            HTTP_IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            HTTP_HEADER_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_NOTIFY_CONNECTION,
                            on_connection, face, MHD_OPTION_NOTIFY_COMPLETED, request_completed,
                            face, MHD_OPTION_URI_LOG_CALLBACK, request_begin, face,
                            MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL, MHD_OPTION_ARRAY,
                            cert ? tls : plain, MHD_OPTION_END);
}

// libmicrohttpd does not end with a connection suspended.
static void unpark_all(struct http_face *face) {
    struct http_connection *c;
    list_each (&face->connections, c, struct http_connection, node) {
        if (!c->request) continue;
        request_left(c->request);
        request_unpark(c->request);
    }
}

static void face_free(struct http_face *face) {
    unpark_all(face);
    if (face->daemon) MHD_stop_daemon(face->daemon); // completes what is under way
    loop_remove(face->events);
    loop_remove(face->timer);
    list_remove(&face->node);
    free(face);
}

int face_start(struct http_server *server, int listen_fd, const char *cert, const char *key,
               struct http_face **ret, struct err *err) {
    struct http_face *face = mem_new(struct http_face);
    *face = (struct http_face){.server = server, .timer_at = -1, .tls = cert != NULL};
    list_init(&face->connections);
    list_add_tail(&server->faces, &face->node);
    face->daemon = start_daemon(face, listen_fd, cert, key);
    if (!face->daemon) {
        close(listen_fd);
        face_free(face);
        return err_set(err, ERR_INTERNAL, 0, "API", "the HTTP server does not start%s",
                       cert ? "; certificate and key may not belong together" : "");
    }
    int r = -EIO;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(face->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info) {
        r = loop_add_fd(server->loop, info->epoll_fd, EPOLLIN, on_events, face, &face->events, err);
        if (r == 0) r = loop_add_timer(server->loop, -1, on_timer, face, &face->timer, err);
    }
    if (r < 0) {
        face_free(face);
        return r;
    }
    if (ret) *ret = face;
    return 0;
}

int http_listen_unix(struct http_server *server, int listen_fd, struct err *err) {
    return face_start(server, listen_fd, NULL, NULL, NULL, err);
}

void http_server_free(struct http_server *server) {
    if (!server) return;
    server->stopping = true;
    sockets_free(server);
    struct http_face *face;
    list_each (&server->faces, face, struct http_face, node) face_free(face);
    free(server);
}

size_t http_connections(const struct http_server *server) {
    size_t n = 0;
    const struct list *faces = &server->faces;
    for (const struct list *f = faces->next; f != faces; f = f->next)
        n += container_of(f, struct http_face, node)->n_connections;
    return n;
}

void http_each_counter(const struct http_server *server,
                       void (*fn)(const char *operation, int status, uint64_t count, void *arg),
                       void *arg) {
    for (size_t op = 0; op <= API_OP_COUNT; op++)
        for (int class = 0; class < HTTP_STATUS_CLASSES; class ++)
            if (server->counters[op][class])
                fn(op < API_OP_COUNT ? api_operations[op].id : "none", class * 100,
                   server->counters[op][class], arg);
}
