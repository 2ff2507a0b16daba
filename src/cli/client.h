// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 client for one connection to the daemon's unix socket: JSON questions, streamed
// answers, uploads, and the switch to WebSocket.
//
// Requests are answered one after the other on a connection that is kept. An answer of status 400
// or more becomes the error that the daemon gave (problem+json, RFC 9457), with its object, cause
// and next step. Single-threaded; every wait also watches the interrupt descriptor.
#ifndef TRINE_CLI_CLIENT_H
#define TRINE_CLI_CLIENT_H

#include "base/bytes.h"
#include "base/err.h"
#include "cli/endpoint.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

struct client_options {
    bool may_start; // start a daemon where none answers
    bool debug;     // requests and answers to standard error
    int timeout_ms; // for each answer's next byte; 0: none
};

// Connects at the first request.
struct client *client_new(const struct endpoint *endpoint, const struct client_options *options);
void client_free(struct client *client); // NULL is fine
void client_autofree(struct client **client);
#define auto_client __attribute__((cleanup(client_autofree)))
void client_may_start(struct client *client);
// A second connection to the same daemon, with the same options.
struct client *client_clone(const struct client *client);

// A descriptor that ends every wait with ERR_CANCELLED while it is readable (a signalfd); borrowed,
// -1: none.
void client_set_interrupt(struct client *client, int fd);

typedef void client_sent_fn(uint64_t sent, void *arg);

struct client_request {
    const char *method;   // NULL: GET
    const char *path;     // the target, encoded
    const json_t *body;   // borrowed; NULL: none
    const char *accept;   // NULL: application/json
    const char *if_match; // an ETag, or NULL
    const char *upgrade;  // extra header lines of a WebSocket handshake, each with CRLF; or NULL
    int upload_fd;        // with upload: the body is what can be read from it (borrowed)
    bool upload;
    int64_t upload_size;     // -1: unknown, goes in chunks
    client_sent_fn *on_sent; // after each piece of the upload; may be NULL
    // The upload was read to its end: negative (with err set) breaks the request off, so that the
    // daemon does not take a part for the whole; may be NULL.
    int (*on_end)(void *arg, struct err *err);
    void *upload_arg;
};

// Sends the request and reads the answer's head. Returns the status (100..399), or a negative errno
// with err set: the daemon's own error for 400 and above, whose body has then been read. Any body
// of the last answer that was not read is thrown away first.
int client_send(struct client *client, const struct client_request *request, struct err *err);

// A field of the last answer's head; NULL when absent.
const char *client_field(const struct client *client, const char *name);

// The next piece of the answer's body. 1: *ret_data (until the next call), 0: the end.
int client_read(struct client *client, struct span *ret_data, struct err *err);

// The rest of the body as JSON (NULL for an empty one); ERR_CORRUPT when it is not.
int client_read_json(struct client *client, json_t **ret, struct err *err);

// One question with one JSON answer. ret may be NULL. The caller owns *ret.
int client_json(struct client *client, const char *method, const char *path, const json_t *body,
                json_t **ret, struct err *err);
int client_get(struct client *client, const char *path, json_t **ret, struct err *err);

// After status 101: the socket (the caller's) and the bytes that came after the head (borrowed from
// the client, which is of no other use after this).
int client_detach(struct client *client, struct span *ret_rest);

#endif
