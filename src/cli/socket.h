// SPDX-License-Identifier: Apache-2.0
// A WebSocket to the daemon (RFC 6455, the client's side): binary messages on a non-blocking socket.
#ifndef TRINE_CLI_SOCKET_H
#define TRINE_CLI_SOCKET_H

#include "base/bytes.h"
#include "base/err.h"
#include "cli/client.h"

#include <stdbool.h>

struct socket;

// Asks for the target with an upgrade, on the client's connection, which is used up by success. An
// answer other than 101 is the daemon's error.
int socket_open(struct client *client, const char *target, struct socket **ret, struct err *err);
void socket_free(struct socket *socket); // closes; NULL is fine
void socket_autofree(struct socket **socket);
#define auto_socket __attribute__((cleanup(socket_autofree)))

int socket_fd(const struct socket *socket); // for poll

// Queues one binary message in two parts and sends what the kernel takes. 0 or -EPIPE.
int socket_send(struct socket *socket, uint8_t channel, const void *data, size_t size);
int socket_flush(struct socket *socket);          // 0 or -EPIPE
bool socket_pending(const struct socket *socket); // wait for POLLOUT, queue no more

// 1: a message (until the next call); 0: nothing yet, wait for POLLIN; -ECONNRESET: the connection
// ended (a close from the other side is answered); -EBADMSG, -EMSGSIZE: a breach of the protocol.
int socket_receive(struct socket *socket, struct span *ret_message);

#endif
