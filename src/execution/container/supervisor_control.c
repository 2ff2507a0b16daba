// SPDX-License-Identifier: Apache-2.0
// Control connections: the one that the supervisor was started with and those that come to
// shim.sock. Each side says hello first; nothing else is heard before.
#include "execution/container/supervisor_int.h"

#include "base/log.h"
#include "wire/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64

struct connection {
    struct list link;
    struct supervisor *supervisor;
    struct wire_channel *channel;
    bool greeted; // its hello came
};

static void connection_free(struct connection *c) {
    if (wire_channel_fd(c->channel) >= 0) supervisor_socket_finish(wire_channel_fd(c->channel));
    list_remove(&c->link);
    c->supervisor->n_connections--;
    wire_channel_free(c->channel);
    free(c);
}

static void on_closed(struct wire_channel *channel, void *arg) {
    connection_free(arg);
}

static void on_packet(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    struct connection *c = arg;
    if (c->greeted) {
        supervisor_request(c->supervisor, channel, packet);
        return;
    }
    // The protocol's version was checked with the packet's header.
    struct arena *arena auto_arena = arena_new(4096);
    struct wire_hello theirs;
    struct err err = {0};
    if (packet->id == WIRE_HELLO && wire_decode_hello(packet->payload, arena, &theirs, &err) == 0)
        c->greeted = true;
    else
        connection_free(c);
}

int supervisor_connect(struct supervisor *s, int sock, struct err *err) {
    struct connection *c = mem_new(struct connection);
    *c = (struct connection){.supervisor = s};
    int rc = wire_channel_new(s->loop, sock, on_packet, on_closed, c, &c->channel, err);
    if (rc < 0) {
        free(c);
        return rc;
    }
    list_add_tail(&s->connections, &c->link);
    s->n_connections++;
    struct wire_hello mine = {.build = TRINE_VERSION, .role = "shim", .pid = (uint32_t)getpid()};
    rc = wire_channel_send(c->channel, 0, WIRE_HELLO, &mine, NULL, 0, err);
    if (rc < 0) connection_free(c);
    return rc;
}

static int check_peer(const struct supervisor *s, int sock, struct err *err) {
    struct peer peer;
    int rc = unix_peer(sock, &peer);
    if (rc < 0) return err_os(err, -rc, "connection", "cannot tell whose it is");
    if (peer.uid != 0 && peer.uid != geteuid())
        return err_set(err, ERR_DENIED, 0, "connection", "user %u may not control this instance",
                       (unsigned)peer.uid);
    if (s->n_connections >= CONNECTIONS_MAX)
        return err_set(err, ERR_LIMIT, 0, "connection", "%d are open already", CONNECTIONS_MAX);
    return 0;
}

static void on_listen(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct supervisor *s = arg;
    int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (sock < 0) return;
    struct err err = {0};
    if (check_peer(s, sock, &err) < 0) {
        wire_send_failure(sock, 0, &err);
        supervisor_socket_finish(sock);
        close(sock);
        return;
    }
    if (supervisor_connect(s, sock, &err) < 0)
        LOG_WARN("a connection is refused", "cause=\"%s\"", err.cause);
}

int supervisor_listen(struct supervisor *s, struct err *err) {
    char *path auto_free = mem_printf("%s/%s", s->options->dir, LAYOUT_SHIM_SOCKET);
    int rc = unix_listen(path, SOCK_SEQPACKET, 0600, &s->listen_fd, err);
    if (rc < 0) return rc;
    return loop_add_fd(s->loop, s->listen_fd, EPOLLIN, on_listen, s, &s->listen_source, err);
}

void supervisor_announce(struct supervisor *s) {
    struct wire_shim_state state = supervisor_state_message(s);
    struct connection *c;
    // One that does not read loses the announcement; it can ask.
    list_each (&s->connections, c, struct connection, link) {
        if (c->greeted) wire_channel_send(c->channel, 0, WIRE_SHIM_STATE, &state, NULL, 0, NULL);
    }
}

void supervisor_disconnect(struct supervisor *s) {
    struct connection *c;
    list_each (&s->connections, c, struct connection, link) connection_free(c);
    loop_remove(take(s->listen_source));
    if (s->listen_fd >= 0) close(take_fd(s->listen_fd));
}
