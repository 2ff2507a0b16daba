// SPDX-License-Identifier: Apache-2.0
// Inside of the HTTP module. One request goes server.c (connection) → request.c (stages) → route.c,
// check.c (is it valid?) → the handler → reply.c, stream.c, upload.c or socket.c.
//
// Invariants: (1) a request is parked (`parked`) exactly while libmicrohttpd has its connection
// suspended; (2) a parked connection is watched for the client's leaving; (3) a request is freed by
// request_free alone, called by libmicrohttpd when it is over; (4) after `abandoned` no callback of
// the handler's is called any more.
#ifndef TRINE_CLOUD_HTTP_HTTP_INT_H
#define TRINE_CLOUD_HTTP_HTTP_INT_H

#include "base/list.h"
#include "base/str.h"
#include "cloud/http/http.h"

#include <microhttpd.h>

#define HTTP_BODY_MAX ((size_t)1 << 20)       // of JSON
#define HTTP_DISCARD_MAX ((uint64_t)16 << 20) // of a body that nobody wants
#define HTTP_QUEUE_MAX ((size_t)8 << 20)      // of a stream or a WebSocket whose client is slow
#define HTTP_HEADER_MAX ((size_t)256 << 10)   // request line and headers, and MHD's buffers
#define HTTP_ARENA_MAX ((size_t)4 << 20)
#define HTTP_CONNECTIONS_MAX 512u
#define HTTP_IDLE_TIMEOUT_S 60u                     // nothing moved
#define HTTP_SLOW_TIMEOUT_NS (INT64_C(90) * SEC_NS) // for the headers, and for a JSON body, in all
#define HTTP_PATH_PARAMETERS_MAX 4
#define HTTP_QUERY_MAX 16384 // parameters, repeated ones counted
#define HTTP_STATUS_CLASSES 6

struct http_server {
    struct loop *loop;
    struct http_config config;
    struct list faces;
    struct list sockets;                                      // WebSockets after their upgrade
    uint64_t counters[API_OP_COUNT + 1][HTTP_STATUS_CLASSES]; // the last row: no operation
    uint64_t next_id;
    uint32_t id_prefix;
    bool stopping;
};

// A listening socket: one daemon of libmicrohttpd, whose epoll descriptor is in our loop.
struct http_face {
    struct list node; // server.faces
    struct http_server *server;
    struct MHD_Daemon *daemon;
    struct loop_source *events, *timer;
    int64_t timer_at; // -1: idle
    struct list connections;
    unsigned n_connections;
    http_authorise_fn *authorise; // TLS only
    void *authorise_arg;
    bool tls;
};

struct http_connection {
    struct list node; // face.connections
    struct http_face *face;
    struct MHD_Connection *mhd;
    struct http_request *request; // the one under way
    int fd;
    int64_t since; // when it began to wait for headers or a JSON body; -1: it does not
    struct peer peer;
    bool has_peer;
};

enum http_stage {
    STAGE_HEADERS, // just come
    STAGE_BODY,    // a JSON body is collected
    STAGE_DISCARD, // a body is thrown away; then the stored answer is sent
    STAGE_HANDLER, // the handler has it
    STAGE_UPLOAD,  // the body flows to a descriptor
    STAGE_ANSWER,  // the answer is on its way
};

struct http_query_value {
    const struct api_parameter *parameter;
    const char *text;
};

struct http_set_header {
    struct http_set_header *next;
    const char *name, *value;
};

struct http_upload {
    int fd; // -1: none
    http_upload_done_fn *done;
    void *arg;
    uint64_t bytes;
    struct loop_source *writable;
};

struct http_stream {
    struct http_request *req;
    struct str queue; // bytes [start, len) wait
    size_t start;
    http_stream_fn *on_closed, *on_drained;
    void *arg;
    bool closing; // by the handler, after the queue
    bool broken;  // the client was too slow
};

struct http_request {
    struct http_server *server;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    struct arena *arena;
    const char *url; // as it came, query included
    char id[32];
    char user[64];
    int op; // enum api_op, or API_OP_COUNT while there is none
    const struct api_operation *operation;
    bool head;
    enum http_stage stage;
    const char *path_values[HTTP_PATH_PARAMETERS_MAX];
    struct http_query_value *query;
    size_t n_query;
    struct str body;
    uint64_t discarded;
    json_t *json;
    struct http_set_header *headers;

    bool parked, abandoned;
    bool dispatched;    // the handler was called
    bool answered;      // it has answered
    bool broken;        // no memory for the answer: the connection is closed instead
    bool close;         // after this answer
    bool headers_again; // parked at the headers: libmicrohttpd calls once more for them
    struct loop_source *watch;
    http_abandon_fn *on_abandon;
    void *abandon_arg;

    struct MHD_Response *response; // stored until libmicrohttpd asks
    int status;
    struct http_upload upload;
    struct http_stream *stream;
    struct http_socket *socket; // until its upgrade
    struct http_body_fd *body_fd;
};

// request.c
void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_data_size, void **con_cls);
void request_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                       enum MHD_RequestTerminationCode code);
void request_park(struct http_request *req); // only from a callback of libmicrohttpd
void request_unpark(struct http_request *req);
void request_left(struct http_request *req); // the client went away: tell the handler, once

// route.c: sets op, operation and the parameters. Errors have set the status too.
int route_request(struct http_request *req, const char *method, int *ret_status, struct err *err);

// check.c
struct http_framing {
    bool has_body;
    uint64_t length; // UINT64_MAX: chunked
};
int check_framing(struct http_request *req, struct http_framing *ret, int *ret_status,
                  struct err *err);
int check_authorised(struct http_request *req, struct err *err);
int check_media(struct http_request *req, const struct http_framing *framing, int *ret_status,
                struct err *err);
int check_too_large(struct err *err);                      // of a body over HTTP_BODY_MAX
int check_body(struct http_request *req, struct err *err); // parses and validates the JSON body

// reply.c
void reply_store(struct http_request *req, int status, const char *media,
                 struct MHD_Response *response); // takes the response over
void reply_problem(struct http_request *req, int status, const struct err *err); // 0: by its kind
enum MHD_Result reply_queue(struct http_request *req); // the stored answer to libmicrohttpd

// stream.c, upload.c, socket.c
void stream_left(struct http_stream *stream); // the client went away
void stream_free(struct http_stream *stream);
void body_fd_stop(struct http_body_fd *body);
size_t upload_write(struct http_request *req, const char *data, size_t size); // bytes taken
void upload_finish(struct http_request *req, const struct err *err);
void socket_left(struct http_socket *socket);
void sockets_free(struct http_server *server);
int socket_check_handshake(struct http_request *req, int *ret_status, struct err *err);

// server.c
void face_wake(struct http_face *face); // a connection was resumed: libmicrohttpd wants to run
int face_start(struct http_server *server, int listen_fd, const char *cert, const char *key,
               struct http_face **ret, struct err *err); // cert NULL: plain; takes listen_fd

#endif
