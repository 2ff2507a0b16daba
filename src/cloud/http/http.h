// SPDX-License-Identifier: Apache-2.0
// The API's HTTP face: requests in, answers, streams and WebSockets out. The library behind it
// (libmicrohttpd for HTTP/1.1 and TLS, wslay for WebSocket frames) is known to this folder alone
// and can be exchanged.
//
// Threads: everything runs on the loop's thread. A handler answers now or later; between the two
// the connection is parked and costs nothing. Requests are routed, authorised and validated (routes
// and schemas generated from api/) before a handler sees them: path and query parameters are of the
// declared form, the body is valid against its schema.
#ifndef TRINE_CLOUD_HTTP_HTTP_H
#define TRINE_CLOUD_HTTP_HTTP_H

#include "api/api.h" // generated: enum api_op, struct api_operation, api_operations[]
#include "base/err.h"
#include "base/mem.h"
#include "host/file.h"
#include "host/loop.h"

#include <jansson.h>
#include <stdbool.h>

struct http_server;
struct http_request; // owned by this module; valid until answered
struct http_stream;  // a response body in pieces; owned by this module until closed
struct http_socket;  // a WebSocket; same

// Called once per valid request. Must answer exactly once, now or later, with one of http_reply_*,
// http_stream_open or http_socket_accept. For operations with an upload it is called when the
// headers are there (see http_upload_to).
typedef void http_handler_fn(struct http_request *req, void *arg);
// The client went away before the answer: forget the request, it is freed after this. Set by
// http_on_abandon.
typedef void http_abandon_fn(struct http_request *req, void *arg);

struct http_config {
    http_handler_fn *const *handlers; // indexed by enum api_op; NULL: 501
    void *arg;
    const char *server_version;
};
int http_server_new(struct loop *loop, const struct http_config *config, struct http_server **ret,
                    struct err *err);
void http_server_free(struct http_server *server); // closes every connection
int http_listen_unix(struct http_server *server, int listen_fd,
                     struct err *err); // takes the descriptor
// TLS only. Clients authenticate with "Authorization: Bearer TOKEN"; authorise answers whether it
// is good.
typedef bool http_authorise_fn(const char *token, void *arg, char *ret_user, size_t user_size);
struct http_tls;
// What needs rights and files, before they are given up: binds the address, reads certificate chain
// and key (PEM).
int http_tls_open(const char *address, uint16_t port, const char *cert_file, const char *key_file,
                  struct http_tls **ret, struct err *err);
void http_tls_free(struct http_tls *tls);           // NULL is fine
uint16_t http_tls_port(const struct http_tls *tls); // the one chosen, where 0 was asked for
// Takes tls over, also when it fails.
int http_listen_tls(struct http_server *server, struct http_tls *tls, http_authorise_fn *authorise,
                    void *arg, struct err *err);
size_t http_connections(const struct http_server *server);
// Figures for /metrics: requests by operation and status class, bytes. fn is called for each
// non-zero counter.
void http_each_counter(const struct http_server *server,
                       void (*fn)(const char *operation, int status, uint64_t count, void *arg),
                       void *arg);

// What was asked.
enum api_op http_op(const struct http_request *req);
const char *http_path(const struct http_request *req,
                      const char *name); // "{project}" etc.; never NULL for declared names
const char *http_query(const struct http_request *req, const char *name); // NULL when absent
struct http_values {
    const char *const *items;
    size_t count;
};
struct http_values http_query_all(struct http_request *req,
                                  const char *name); // of a repeatable parameter, in order
bool http_query_bool(const struct http_request *req, const char *name); // "true" or "1"
int64_t http_query_int(const struct http_request *req, const char *name, int64_t otherwise);
const char *http_header(const struct http_request *req, const char *name); // NULL when absent
json_t *http_body(const struct http_request *req);     // borrowed; NULL when the operation has none
const char *http_user(const struct http_request *req); // "uid:1000" or the token's user
const struct peer *http_peer(const struct http_request *req); // NULL when not by unix socket
struct arena *http_arena(struct http_request *req);           // dies with the request
void http_on_abandon(struct http_request *req, http_abandon_fn *fn, void *arg);

// Answers. The body text is copied. etag may be NULL. extra headers: http_set_header before.
void http_set_header(struct http_request *req, const char *name, const char *value);
void http_reply_json(struct http_request *req, int status, const char *json, const char *etag);
void http_reply_jansson(struct http_request *req, int status, json_t *json,
                        const char *etag); // steals json
void http_reply_text(struct http_request *req, int status, const char *media, const char *text,
                     size_t size);
void http_reply_error(struct http_request *req,
                      const struct err *err); // application/problem+json (RFC 9457)
void http_reply_empty(struct http_request *req, int status);

// If-Match handling: 0 when absent or it names `etag`, else ERR_CHANGED.
int http_check_match(const struct http_request *req, const char *etag, struct err *err);

// Upload: the request body flows into fd (pipe or file; taken over, closed at the end), with
// back-pressure. done is called once, with err set when the client broke off (ERR_CANCELLED; then
// http_on_abandon's function is called too, and the request is gone) or the fd failed; then the
// handler answers.
typedef void http_upload_done_fn(struct http_request *req, const struct err *err, uint64_t bytes,
                                 void *arg);
void http_upload_to(struct http_request *req, int fd, http_upload_done_fn *done, void *arg);

// A body in pieces (chunked). media "text/event-stream", "text/plain", "application/x-tar"…
typedef void http_stream_fn(struct http_stream *stream, void *arg);
struct http_stream *
http_stream_open(struct http_request *req, int status, const char *media, http_stream_fn *on_closed,
                 void *arg); // on_closed: the client went away; the stream is freed after it
// Copies. Bytes now queued, or -EPIPE: the client left, or more than 8 MiB would be queued; then it
// is too slow, the connection is cut, and on_closed follows.
int http_stream_write(struct http_stream *stream, const void *data, size_t size);
size_t http_stream_queued(const struct http_stream *stream);
void http_stream_on_drained(struct http_stream *stream, http_stream_fn *fn); // queue fell to zero
void http_stream_close(struct http_stream *stream); // after what is queued; no callback any more
// The whole of a descriptor as body (pipe or file; taken over), ends at its end of file.
void http_reply_fd(struct http_request *req, int status, const char *media, int fd);

// WebSocket (RFC 6455) with binary and text messages, ping answered, at most 64 KiB a message.
struct http_socket_events {
    void (*message)(struct http_socket *ws, const uint8_t *data, size_t size, bool text, void *arg);
    void (*drained)(struct http_socket *ws, void *arg); // queue fell to zero; may be NULL
    void (*closed)(struct http_socket *ws,
                   void *arg); // freed after this; not called after http_socket_close
};
struct http_socket *http_socket_accept(struct http_request *req,
                                       const struct http_socket_events *events, void *arg);
int http_socket_send(struct http_socket *ws, const void *data, size_t size,
                     bool text);                         // bytes queued or -EPIPE
size_t http_socket_queued(const struct http_socket *ws); // bytes
void http_socket_pause(struct http_socket *ws,
                       bool paused); // stop reading from the client (back-pressure)
void http_socket_close(struct http_socket *ws, uint16_t code,
                       const char *reason); // RFC 6455 7.4; after the queue

#endif
