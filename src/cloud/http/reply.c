// SPDX-License-Identifier: Apache-2.0
// Answers: stored in the request, then handed to libmicrohttpd when it asks.
#include "api/validate.h"
#include "cloud/http/http_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define JSON_MEDIA "application/json"
#define PROBLEM_MEDIA "application/problem+json"

void http_set_header(struct http_request *req, const char *name, const char *value) {
    struct http_set_header *h = arena_alloc(req->arena, sizeof(*h));
    if (!h) return;
    *h = (struct http_set_header){.next = req->headers,
                                  .name = arena_strdup(req->arena, name),
                                  .value = arena_strdup(req->arena, value)};
    if (h->name && h->value) req->headers = h;
}

static void add_headers(struct http_request *req, struct MHD_Response *response,
                        const char *media) {
    const char *version = req->server->config.server_version;
    char server[64];
    snprintf(server, sizeof(server), "Trine/%s", version ? version : "0");
    MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, server);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Trine-Request-Id", req->id);
    if (media) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, media);
    for (const struct http_set_header *h = req->headers; h; h = h->next)
        MHD_add_response_header(response, h->name, h->value);
    if (req->close) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void count(struct http_request *req, int status) {
    int class = status / 100;
    req->server->counters[req->op][class < HTTP_STATUS_CLASSES ? class : 0]++;
}

void reply_store(struct http_request *req, int status, const char *media,
                 struct MHD_Response *response) {
    if (req->answered || req->abandoned) {
        if (response) MHD_destroy_response(response);
        return;
    }
    req->answered = true;
    req->broken = !response;
    if (response) {
        add_headers(req, response, media);
        req->response = response;
        req->status = status;
        count(req, status);
    }
    // The answer to an upload waits for the upload's end.
    if (req->stage == STAGE_HANDLER || req->stage == STAGE_UPLOAD) req->stage = STAGE_DISCARD;
    request_unpark(req);
}

enum MHD_Result reply_queue(struct http_request *req) {
    struct MHD_Response *response = take(req->response);
    req->stage = STAGE_ANSWER;
    enum MHD_Result r = MHD_queue_response(req->mhd, (unsigned)req->status, response);
    MHD_destroy_response(response);
    return r;
}

static void add_etag(struct http_request *req, const char *etag) {
    char quoted[128];
    if (!etag) return;
    snprintf(quoted, sizeof(quoted), etag[0] == '"' ? "%s" : "\"%s\"", etag);
    http_set_header(req, MHD_HTTP_HEADER_ETAG, quoted);
}

void http_reply_text(struct http_request *req, int status, const char *media, const char *text,
                     size_t size) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    reply_store(req, status, media, response);
}

void http_reply_json(struct http_request *req, int status, const char *json, const char *etag) {
    add_etag(req, etag);
    http_reply_text(req, status, JSON_MEDIA, json, strlen(json));
}

void http_reply_jansson(struct http_request *req, int status, json_t *json, const char *etag) {
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    if (!text) {
        struct err err = {0};
        err_set(&err, ERR_NO_SPACE, ENOMEM, "answer", "it cannot be written");
        http_reply_error(req, &err);
        return;
    }
    add_etag(req, etag);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (!response) free(text);
    reply_store(req, status, JSON_MEDIA, response);
}

void http_reply_empty(struct http_request *req, int status) {
    http_reply_text(req, status, NULL, "", 0);
}

static void add_member(struct str *s, const char *name, const char *text) {
    str_printf(s, ",\"%s\":", name);
    str_add_json(s, text);
}

void reply_problem(struct http_request *req, int status, const struct err *err) {
    struct str s auto_str = {0};
    char detail[sizeof(*err)];
    if (!status) status = err_kind_http(err->kind);
    snprintf(detail, sizeof(detail), "%s%s%s%s%s%s", err->object, err->object[0] ? ": " : "",
             err->cause, err->context[0] ? " (while " : "", err->context,
             err->context[0] ? ")" : "");
    str_printf(&s, "{\"type\":\"about:blank\",\"status\":%d", status);
    add_member(&s, "title", err_kind_title(err->kind));
    add_member(&s, "kind", err_kind_word(err->kind));
    add_member(&s, "object", err->object);
    add_member(&s, "cause", err->cause);
    add_member(&s, "next", err->next);
    add_member(&s, "detail", detail);
    str_add(&s, "}");
    http_reply_text(req, status, PROBLEM_MEDIA, str_text(&s), s.len);
}

void http_reply_error(struct http_request *req, const struct err *err) {
    reply_problem(req, 0, err);
}

// RFC 9110 13.1.1: "*", or a list of entity tags, compared strongly.
int http_check_match(const struct http_request *req, const char *etag, struct err *err) {
    const char *header = http_header(req, MHD_HTTP_HEADER_IF_MATCH);
    char quoted[128];
    if (!header || !strcmp(header, "*")) return 0;
    snprintf(quoted, sizeof(quoted), etag[0] == '"' ? "%s" : "\"%s\"", etag);
    for (const char *p = header; *p;) {
        p += strspn(p, " \t,");
        size_t size = strcspn(p, ",");
        while (size && (p[size - 1] == ' ' || p[size - 1] == '\t')) size--;
        if (size == strlen(quoted) && !memcmp(p, quoted, size)) return 0;
        p += size;
        p += strcspn(p, ",");
    }
    char shown[API_SHOWN_SIZE];
    err_set(err, ERR_CHANGED, 0, "If-Match", "the object has the ETag %s now, not %s", quoted,
            api_shown(header, shown));
    return err_next(err, "read the object again and decide anew");
}
