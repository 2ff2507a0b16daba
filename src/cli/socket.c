// SPDX-License-Identifier: Apache-2.0
#include "cli/socket.h"

#include "base/mem.h"
#include "base/str.h"
#include "codec/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket {
    int fd;
    bool closing;    // a CLOSE frame was sent
    struct str out;  // frames that wait for the kernel
    size_t out_sent; // of them
    size_t start, end;
    uint8_t in[32768];
    struct websocket_reader reader;
};

static int refuse(const char *cause, struct err *err) {
    err_set(err, ERR_CORRUPT, 0, "daemon", "%s", cause);
    return err_next(err, "is it another program's socket? see trine version");
}

int socket_open(struct client *client, const char *target, struct socket **ret, struct err *err) {
    uint8_t random[16];
    char key[WEBSOCKET_KEY_SIZE], want[WEBSOCKET_ACCEPT_SIZE], headers[256];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return err_os(err, errno, "kernel", "it gave no random bytes");
    websocket_key(random, key);
    snprintf(headers, sizeof(headers),
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: %s\r\n",
             key);
    struct client_request request = {.path = target, .upgrade = headers};
    int r = client_send(client, &request, err);
    if (r < 0) return r;
    const char *accept = client_field(client, "Sec-WebSocket-Accept");
    websocket_accept(key, want);
    if (r != 101) return refuse("it did not switch to WebSocket", err);
    if (!accept || strcmp(accept, want) != 0)
        return refuse("its WebSocket handshake is wrong", err);

    struct socket *socket = malloc(sizeof(*socket));
    if (!socket) return err_os(err, ENOMEM, "stream", "no memory for it");
    memset(socket, 0, offsetof(struct socket, in));
    websocket_reader_init(&socket->reader);
    struct span rest;
    socket->fd = client_detach(client, &rest);
    socket->end = rest.size < sizeof(socket->in) ? rest.size : sizeof(socket->in);
    memcpy(socket->in, rest.data, socket->end);
    if (rest.size > sizeof(socket->in)) { // the daemon waits for nothing after the handshake
        socket_free(socket);
        return refuse("it sent too much at once", err);
    }
    *ret = socket;
    return 0;
}

void socket_free(struct socket *socket) {
    if (!socket) return;
    close(socket->fd);
    str_free(&socket->out);
    free(socket);
}

void socket_autofree(struct socket **socket) {
    socket_free(*socket);
}

int socket_fd(const struct socket *socket) {
    return socket->fd;
}

bool socket_pending(const struct socket *socket) {
    return socket->out.len > socket->out_sent;
}

int socket_flush(struct socket *socket) {
    while (socket_pending(socket)) {
        ssize_t n = send(socket->fd, socket->out.data + socket->out_sent,
                         socket->out.len - socket->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN ? 0 : -EPIPE;
        socket->out_sent += (size_t)n;
    }
    str_reset(&socket->out);
    socket->out_sent = 0;
    return 0;
}

static int send_frame(struct socket *socket, enum websocket_opcode opcode, const uint8_t *channel,
                      const void *data, size_t size) {
    uint8_t header[WEBSOCKET_HEADER_MAX], mask[4];
    if (socket->closing) return -EPIPE;
    if (getrandom(mask, sizeof(mask), 0) != sizeof(mask)) return -EIO;
    size_t whole = size + (channel ? 1 : 0);
    size_t n = websocket_header(header, opcode, whole, mask);
    str_add_n(&socket->out, (const char *)header, n);
    size_t body = socket->out.len;
    if (channel) str_add_char(&socket->out, (char)*channel);
    if (size) str_add_n(&socket->out, data, size);
    if (socket->out.failed) return -EPIPE;
    websocket_mask((uint8_t *)socket->out.data + body, whole, mask, 0);
    return socket_flush(socket);
}

int socket_send(struct socket *socket, uint8_t channel, const void *data, size_t size) {
    return send_frame(socket, WEBSOCKET_BINARY, &channel, data, size);
}

// A control message: answered here. 0 to go on.
static int control(struct socket *socket, struct span message) {
    if (socket->reader.opcode == WEBSOCKET_PING)
        return send_frame(socket, WEBSOCKET_PONG, NULL, message.data, message.size);
    if (socket->reader.opcode == WEBSOCKET_CLOSE) {
        send_frame(socket, WEBSOCKET_CLOSE, NULL, message.data, message.size < 2 ? 0 : 2);
        socket->closing = true;
        return -ECONNRESET;
    }
    return 0;
}

int socket_receive(struct socket *socket, struct span *ret_message) {
    for (;;) {
        size_t used;
        int r = websocket_push(&socket->reader, socket->in + socket->start,
                               socket->end - socket->start, &used, ret_message);
        socket->start += used;
        if (r < 0) return r;
        if (r == 1) {
            if (socket->reader.opcode <= WEBSOCKET_BINARY) return 1;
            r = control(socket, *ret_message);
            if (r < 0) return -ECONNRESET;
            continue;
        }
        ssize_t n = recv(socket->fd, socket->in, sizeof(socket->in), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) return -ECONNRESET;
        socket->start = 0;
        socket->end = (size_t)n;
    }
}
