// SPDX-License-Identifier: Apache-2.0
#ifndef TRINE_CLI_CLIENT_INT_H
#define TRINE_CLI_CLIENT_INT_H

#include "cli/client.h"
#include "codec/http_message.h"

#define CLIENT_BUFFER_SIZE 65536

struct client {
    struct endpoint endpoint;
    struct client_options options;
    int fd;                             // -1: not connected; non-blocking
    int interrupt_fd;                   // -1: none
    bool busy;                          // an answer's body is not read to its end
    bool reused;                        // a request was answered on this connection before
    size_t start, end;                  // bytes of `buffer` that were received and not yet used
    struct http_message message;        // the last answer
    uint8_t buffer[CLIENT_BUFFER_SIZE]; // of the socket
};

// Waits until the socket is ready for any of `events`; *ret_events has those that are.
// ERR_CANCELLED when the interrupt descriptor is readable, ERR_TIMEOUT.
int client_wait(struct client *client, short events, short *ret_events, struct err *err);

// Sends all bytes. -EPIPE when the peer is gone, -EALREADY when it began to answer before
// everything was sent (with stop_on_answer): neither sets err.
int client_write(struct client *client, const void *data, size_t size, bool stop_on_answer,
                 struct err *err);

// The body of an upload, as client_write with stop_on_answer.
int client_upload(struct client *client, const struct client_request *request, struct err *err);

#endif
