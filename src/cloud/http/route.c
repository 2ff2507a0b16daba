// SPDX-License-Identifier: Apache-2.0
// From "POST /v1/projects/a/instances?wait=5" to an operation with checked parameters (RFC 3986,
// RFC 9110 15.5.6). A template with more words and fewer parameters wins, so that
// /v1/images/import is not an image's name.
#include "api/validate.h"
#include "base/text.h"
#include "cloud/http/http_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const METHODS[API_METHOD_COUNT] = {"GET", "POST", "PATCH", "DELETE"};

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// %XX and, in queries, '+'. NULL when it is not UTF-8 after that, holds a 0 byte, or there is no
// memory.
static char *decode(struct arena *arena, const char *text, size_t size, bool plus) {
    char *out = arena_strndup(arena, text, size);
    if (!out) return NULL;
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < size ? hex(text[i + 1]) : -1;
            int low = i + 2 < size ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0) return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = 0;
    return text_is_utf8(out, n) ? out : NULL;
}

static int explain_encoding(const char *what, struct err *err) {
    err_set(err, ERR_INVALID, 0, what, "its percent-encoding is not valid");
    return err_next(err, "write '%%' as %%25 and other bytes as %% with two hexadecimal digits");
}

// How many words of the template are literal, or -1 when the path is none of its.
static int match(const char *template, const char *path, size_t size) {
    int literal = 0;
    const char *end = path + size;
    for (;;) {
        size_t want = strcspn(template + 1, "/") + 1;
        const char *next = path < end ? memchr(path + 1, '/', (size_t)(end - path - 1)) : NULL;
        size_t have = (size_t)((next ? next : end) - path);
        if (template[1] == '{') {
            if (have < 2) return -1;
        } else if (want != have || memcmp(template, path, want) != 0) {
            return -1;
        } else {
            literal++;
        }
        template += want;
        path += have;
        if (!*template || path == end) return !*template && path == end ? literal : -1;
    }
}

static int not_allowed(struct http_request *req, const char *method, unsigned allowed, bool head,
                       int *ret_status, struct err *err) {
    char list[64] = "";
    for (unsigned m = 0; m < API_METHOD_COUNT; m++)
        if (allowed >> m & 1)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", *list ? ", " : "",
                     METHODS[m]);
    if (head) snprintf(list + strlen(list), sizeof(list) - strlen(list), ", HEAD");
    http_set_header(req, MHD_HTTP_HEADER_ALLOW, list);
    *ret_status = MHD_HTTP_METHOD_NOT_ALLOWED;
    char shown[API_SHOWN_SIZE];
    err_set(err, ERR_INVALID, 0, "request", "the method %s is not possible on this path",
            api_shown(method, shown));
    return err_next(err, "use %s", list);
}

// HEAD is GET without a body, where the body ends by itself.
static bool has_method(const struct api_operation *op, const char *method) {
    if (!strcmp(method, MHD_HTTP_METHOD_HEAD))
        return op->method == API_GET && op->stream == API_STREAM_NONE;
    return !strcmp(method, METHODS[op->method]);
}

static int find_operation(struct http_request *req, const char *method, size_t path_size,
                          int *ret_status, struct err *err) {
    unsigned allowed = 0;
    bool head = false;
    int best = -1;
    for (int i = 0; i < API_OP_COUNT; i++) {
        const struct api_operation *op = &api_operations[i];
        int literal = match(op->path, req->url, path_size);
        if (literal < 0) continue;
        allowed |= 1u << op->method;
        head |= op->method == API_GET && op->stream == API_STREAM_NONE;
        if (literal <= best || !has_method(op, method)) continue;
        best = literal;
        req->op = i;
        req->operation = op;
    }
    if (req->operation) return 0;
    if (allowed) return not_allowed(req, method, allowed, head, ret_status, err);
    char shown[API_SHOWN_SIZE];
    char *path = arena_strndup(req->arena, req->url, path_size);
    err_set(err, ERR_NOT_FOUND, 0, "path", "the API has nothing at \"%s\"",
            api_shown(path ? path : "", shown));
    return err_next(err, "GET /v1/openapi.json lists what there is");
}

static int take_path_values(struct http_request *req, size_t path_size, struct err *err) {
    const char *template = req->operation->path, *path = req->url, *end = req->url + path_size;
    for (size_t i = 0; i < req->operation->n_path_parameters && i < HTTP_PATH_PARAMETERS_MAX;) {
        const char *next = memchr(path + 1, '/', (size_t)(end - path - 1));
        size_t have = (size_t)((next ? next : end) - path);
        if (template[1] == '{') {
            const struct api_parameter *p = &req->operation->path_parameters[i];
            char *text = decode(req->arena, path + 1, have - 1, false);
            if (!text) return explain_encoding(p->name, err);
            int r = api_validate_text("path parameter", p, text, err);
            if (r < 0) return r;
            req->path_values[i++] = text;
        }
        template += strcspn(template + 1, "/") + 1;
        path += have;
    }
    return 0;
}

static const struct api_parameter *find_query(const struct api_operation *op, const char *name) {
    for (size_t i = 0; i < op->n_query; i++)
        if (!strcmp(op->query[i].name, name)) return &op->query[i];
    return NULL;
}

static int unknown_query(const struct api_operation *op, const char *name, struct err *err) {
    struct str known auto_str = {0};
    char shown[API_SHOWN_SIZE];
    err_set(err, ERR_INVALID, 0, "query", "%s takes no parameter \"%s\"", op->id,
            api_shown(name, shown));
    for (size_t i = 0; i < op->n_query; i++)
        str_printf(&known, "%s%s", i ? ", " : "", op->query[i].name);
    if (!op->n_query) return err_next(err, "leave it out");
    return err_next(err, "leave it out, or use one of: %.300s", str_text(&known));
}

static size_t count_values(const struct http_request *req, const struct api_parameter *p) {
    size_t n = 0;
    for (size_t i = 0; i < req->n_query; i++) n += req->query[i].parameter == p;
    return n;
}

static int take_query_pair(struct http_request *req, const char *pair, size_t size,
                           struct err *err) {
    const char *equals = memchr(pair, '=', size);
    size_t name_size = equals ? (size_t)(equals - pair) : size;
    char *name = decode(req->arena, pair, name_size, true);
    char *text = equals ? decode(req->arena, equals + 1, size - name_size - 1, true)
                        : decode(req->arena, "true", 4, false); // "?force" is "?force=true"
    if (!name || !text) return explain_encoding("query", err);
    const struct api_parameter *p = find_query(req->operation, name);
    if (!p) return unknown_query(req->operation, name, err);
    int r = api_validate_text("query parameter", p, text, err);
    if (r < 0) return r;
    req->query[req->n_query++] = (struct http_query_value){p, text};
    return 0;
}

static int check_counts(struct http_request *req, struct err *err) {
    for (size_t i = 0; i < req->operation->n_query; i++) {
        const struct api_parameter *p = &req->operation->query[i];
        size_t n = count_values(req, p);
        bool list = p->schema->types & API_ARRAY;
        if (n > (list ? p->schema->max_size : 1))
            return err_set(err, ERR_INVALID, 0, p->name, "the query holds it %zu times", n);
        if (p->required && n < (list && p->schema->min_size ? p->schema->min_size : 1))
            return err_set(err, ERR_INVALID, 0, p->name, "the query parameter is missing");
    }
    return 0;
}

static int take_query(struct http_request *req, const char *query, struct err *err) {
    size_t pairs = 1;
    for (const char *p = query; *p; p++) pairs += *p == '&';
    req->query = arena_array(req->arena, pairs, sizeof(*req->query));
    if (pairs > HTTP_QUERY_MAX || !req->query)
        return err_set(err, ERR_TOO_LARGE, 0, "query", "it has too many parameters");
    for (const char *p = query; *p;) {
        size_t size = strcspn(p, "&");
        int r = size ? take_query_pair(req, p, size, err) : 0;
        if (r < 0) return r;
        p += size + (p[size] == '&');
    }
    return check_counts(req, err);
}

int route_request(struct http_request *req, const char *method, int *ret_status, struct err *err) {
    size_t path_size = strcspn(req->url, "?");
    if (req->url[0] != '/')
        return err_set(err, ERR_INVALID, 0, "path", "it does not begin with \"/\"");
    int r = find_operation(req, method, path_size, ret_status, err);
    if (r == 0) r = take_path_values(req, path_size, err);
    const char *query = req->url + path_size;
    return r < 0 ? r : take_query(req, *query ? query + 1 : query, err);
}

const char *http_path(const struct http_request *req, const char *name) {
    size_t size = strlen(name);
    if (size && name[0] == '{') name++, size -= 2;
    for (size_t i = 0; i < req->operation->n_path_parameters; i++) {
        const char *known = req->operation->path_parameters[i].name;
        if (strlen(known) == size && !memcmp(known, name, size)) return req->path_values[i];
    }
    return NULL;
}

const char *http_query(const struct http_request *req, const char *name) {
    for (size_t i = 0; i < req->n_query; i++)
        if (!strcmp(req->query[i].parameter->name, name)) return req->query[i].text;
    return NULL;
}

struct http_values http_query_all(struct http_request *req, const char *name) {
    const char **items = arena_array(req->arena, req->n_query + 1, sizeof(*items));
    struct http_values values = {.items = items};
    for (size_t i = 0; items && i < req->n_query; i++)
        if (!strcmp(req->query[i].parameter->name, name))
            items[values.count++] = req->query[i].text;
    return values;
}

bool http_query_bool(const struct http_request *req, const char *name) {
    const char *text = http_query(req, name);
    return text && api_parse_bool(text) == 1;
}

int64_t http_query_int(const struct http_request *req, const char *name, int64_t otherwise) {
    const char *text = http_query(req, name);
    return text ? strtoll(text, NULL, 10) : otherwise;
}
