// SPDX-License-Identifier: Apache-2.0
#include "cli/client_int.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/problem.h"
#include "host/file.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A document larger than this is not an answer to any question that the command line asks.
#define JSON_TEXT_MAX ((size_t)256 << 20)

struct client *client_new(const struct endpoint *endpoint, const struct client_options *options) {
    // Not zeroed as a whole: the buffers are large and written before they are read.
    struct client *client = malloc(sizeof(*client));
    if (!client) return NULL;
    memset(client, 0, offsetof(struct client, message));
    http_message_init(&client->message, false);
    client->endpoint = *endpoint;
    client->options = *options;
    client->fd = client->interrupt_fd = -1;
    return client;
}

static void disconnect(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    client->start = client->end = 0;
    client->busy = client->reused = false;
}

void client_free(struct client *client) {
    if (!client) return;
    disconnect(client);
    free(client);
}

void client_autofree(struct client **client) {
    client_free(*client);
}

void client_may_start(struct client *client) {
    client->options.may_start = true;
}

struct client *client_clone(const struct client *client) {
    return client_new(&client->endpoint, &client->options);
}

void client_set_interrupt(struct client *client, int fd) {
    client->interrupt_fd = fd;
}

static int lost(struct client *client, int os_errno, struct err *err) {
    disconnect(client);
    err_set(err, ERR_UNAVAILABLE, os_errno, "daemon", "the connection to it was lost");
    return err_next(err, "see whether it still runs with: trine node");
}

int client_wait(struct client *client, short events, short *ret_events, struct err *err) {
    struct pollfd fds[2] = {{.fd = client->fd, .events = events},
                            {.fd = client->interrupt_fd, .events = POLLIN}};
    int timeout = client->options.timeout_ms > 0 ? client->options.timeout_ms : -1;
    int r;
    do r = poll(fds, 2, timeout);
    while (r < 0 && errno == EINTR);
    if (r < 0) return err_os(err, errno, "daemon", "cannot wait for its answer");
    if (r == 0) {
        disconnect(client); // a late answer must not be taken for the next one
        return err_set(err, ERR_TIMEOUT, 0, "daemon", "it did not answer within %d ms", timeout);
    }
    if (fds[1].revents) {
        disconnect(client);
        return err_set(err, ERR_CANCELLED, 0, "command", "it was interrupted");
    }
    *ret_events = fds[0].revents;
    return 0;
}

int client_write(struct client *client, const void *data, size_t size, bool stop_on_answer,
                 struct err *err) {
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t n = send(client->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n >= 0) {
            at += n;
            size -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN) return -EPIPE;
        short ready;
        int r = client_wait(client, stop_on_answer ? POLLOUT | POLLIN : POLLOUT, &ready, err);
        if (r < 0) return r;
        if (stop_on_answer && (ready & POLLIN)) return -EALREADY;
    }
    return 0;
}

// More bytes of the socket into the buffer, which is empty. 0 at the end of the connection.
static int fill(struct client *client, struct err *err) {
    for (;;) {
        ssize_t n = recv(client->fd, client->buffer, sizeof(client->buffer), MSG_DONTWAIT);
        if (n >= 0) {
            client->start = 0;
            client->end = (size_t)n;
            return (int)n;
        }
        if (errno == EINTR) continue;
        if (errno == ECONNRESET) return 0;
        if (errno != EAGAIN) return lost(client, errno, err);
        short ready;
        int r = client_wait(client, POLLIN, &ready, err);
        if (r < 0) return r;
    }
}

// The next event of the answer. On a connection that ended too early: -ECONNRESET without err.
static int next_event(struct client *client, struct span *ret_data, struct err *err) {
    for (;;) {
        size_t used;
        int r = http_message_push(&client->message, client->buffer + client->start,
                                  client->end - client->start, &used, ret_data);
        client->start += used;
        if (r < 0) {
            disconnect(client);
            return err_set(err, ERR_CORRUPT, 0, "daemon", "its answer is not HTTP%s",
                           r == -E2BIG ? ": the head is too large" : "");
        }
        if (r == HTTP_END) client->busy = false;
        if (r != HTTP_MORE) return r;
        r = fill(client, err);
        if (r < 0) return r;
        if (r == 0) {
            r = http_message_close(&client->message);
            client->busy = false;
            return r;
        }
    }
}

int client_read(struct client *client, struct span *ret_data, struct err *err) {
    if (!client->busy) return 0;
    int r = next_event(client, ret_data, err);
    if (r == -ECONNRESET) return lost(client, 0, err);
    if (r < 0) return r;
    if (r == HTTP_DATA) return 1;
    if (!client->message.keep_alive) disconnect(client);
    return 0;
}

static int skip_body(struct client *client, struct err *err) {
    struct span data;
    int r;
    do r = client_read(client, &data, err);
    while (r == 1);
    return r;
}

static int read_text(struct client *client, struct str *text, struct err *err) {
    struct span data;
    int r;
    while ((r = client_read(client, &data, err)) == 1) {
        str_add_n(text, (const char *)data.data, data.size);
        if (text->failed || text->len > JSON_TEXT_MAX) {
            disconnect(client);
            return err_set(err, ERR_TOO_LARGE, 0, "daemon", "its answer does not fit into memory");
        }
    }
    return r;
}

int client_read_json(struct client *client, json_t **ret, struct err *err) {
    auto_str struct str text = {0};
    *ret = NULL;
    int r = read_text(client, &text, err);
    if (r < 0 || text.len == 0) return r;
    json_error_t error;
    *ret = json_loadb(text.data, text.len, 0, &error);
    if (!*ret)
        return err_set(err, ERR_CORRUPT, 0, "daemon", "its answer is not JSON: %s at %d:%d",
                       error.text, error.line, error.column);
    return 0;
}

static int head_and_body(const struct client_request *request, struct str *text) {
    str_printf(text, "%s %s HTTP/1.1\r\nHost: trine\r\nAccept: %s\r\n",
               request->method ? request->method : "GET", request->path,
               request->accept ? request->accept : "application/json");
    if (request->if_match) str_printf(text, "If-Match: %s\r\n", request->if_match);
    if (request->upgrade) str_add(text, request->upgrade);
    if (request->upload) {
        str_add(text, "Content-Type: application/octet-stream\r\n");
        if (request->upload_size >= 0)
            str_printf(text, "Content-Length: %lld\r\n\r\n", (long long)request->upload_size);
        else
            str_add(text, "Transfer-Encoding: chunked\r\n\r\n");
    } else if (request->body) {
        auto_free char *body = json_dumps(request->body, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!body) return -ENOMEM;
        str_printf(text, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    } else if (request->method && strcmp(request->method, "GET") != 0) {
        str_add(text, "Content-Length: 0\r\n\r\n");
    } else {
        str_add(text, "\r\n");
    }
    return text->failed ? -ENOMEM : 0;
}

static int connect_once(struct client *client, struct err *err) {
    if (client->fd >= 0) return 0;
    client->reused = false;
    return client->options.may_start
               ? endpoint_connect_or_start(&client->endpoint, &client->fd, err)
               : endpoint_connect(&client->endpoint, &client->fd, err);
}

// Sends everything and reads the answer's head. -ECONNRESET without err when the connection ended
// before an answer began.
static int exchange(struct client *client, const struct client_request *request,
                    const struct str *text, struct err *err) {
    int r = client_write(client, text->data, text->len, request->upload, err);
    if (r >= 0 && request->upload) r = client_upload(client, request, err);
    bool cut_short = r == -EALREADY || r == -EPIPE; // it may have answered all the same
    if (r < 0 && !cut_short) {
        disconnect(client);
        return r;
    }
    http_message_init(&client->message, false);
    client->busy = true;
    struct span none;
    r = next_event(client, &none, err);
    if (cut_short) client->message.keep_alive = false;
    return r;
}

static int answered_with_problem(struct client *client, struct err *err) {
    json_t *problem = NULL;
    int status = client->message.status;
    if (client_read_json(client, &problem, NULL) < 0) problem = NULL;
    int r = problem_to_err(problem, status, err);
    json_decref(problem);
    return r;
}

static void debug_line(const struct client *client, const char *mark, const char *a,
                       const char *b) {
    if (client->options.debug) fprintf(stderr, "trine: %s %s %s\n", mark, a, b);
}

int client_send(struct client *client, const struct client_request *request, struct err *err) {
    auto_str struct str text = {0};
    if (client->busy && skip_body(client, NULL) < 0) disconnect(client);
    if (head_and_body(request, &text) < 0)
        return err_set(err, ERR_NO_SPACE, 0, "request", "no memory for it");
    debug_line(client, ">", request->method ? request->method : "GET", request->path);

    bool reused = client->reused && client->fd >= 0,
         repeatable = !request->upload && !request->body;
    int r = connect_once(client, err);
    if (r >= 0) r = exchange(client, request, &text, err);
    if (r == -ECONNRESET && reused && repeatable) {
        // The daemon closed a connection that it had kept; nothing was answered on it.
        disconnect(client);
        r = connect_once(client, err);
        if (r >= 0) r = exchange(client, request, &text, err);
    }
    if (r == -ECONNRESET && !(err && err->kind)) return lost(client, 0, err);
    if (r < 0) return r;
    client->reused = true;
    char status[16];
    snprintf(status, sizeof(status), "%d", client->message.status);
    debug_line(client, "<", status, request->path);
    return client->message.status >= 400 ? answered_with_problem(client, err)
                                         : client->message.status;
}

const char *client_field(const struct client *client, const char *name) {
    return http_message_field(&client->message, name);
}

int client_json(struct client *client, const char *method, const char *path, const json_t *body,
                json_t **ret, struct err *err) {
    struct client_request request = {.method = method, .path = path, .body = body};
    json_t *answer = NULL;
    int r = client_send(client, &request, err);
    if (r < 0) return r;
    r = client_read_json(client, &answer, err);
    if (r >= 0 && ret && !answer)
        r = err_set(err, ERR_CORRUPT, 0, "daemon", "its answer to %s is empty", path);
    if (ret) *ret = r < 0 ? NULL : answer;
    if (r < 0 || !ret) json_decref(answer);
    return r < 0 ? r : 0;
}

int client_get(struct client *client, const char *path, json_t **ret, struct err *err) {
    return client_json(client, "GET", path, NULL, ret, err);
}

int client_detach(struct client *client, struct span *ret_rest) {
    *ret_rest = (struct span){client->buffer + client->start, client->end - client->start};
    int fd = client->fd;
    client->fd = -1;
    client->busy = false;
    return fd;
}
