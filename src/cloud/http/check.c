// SPDX-License-Identifier: Apache-2.0
// What is asked of every request before a handler sees it: framing that cannot be read in two ways
// (RFC 9112 6.3), rights, media type, and a body that is valid.
#include "api/validate.h"
#include "cloud/http/http_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct framing_headers {
    unsigned lengths, encodings, hosts;
    const char *length, *encoding;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
    struct framing_headers *h = cls;
    if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        h->lengths++;
        h->length = value;
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        h->encodings++;
        h->encoding = value;
    } else if (!strcasecmp(name, MHD_HTTP_HEADER_HOST)) {
        h->hosts++;
    }
    return MHD_YES;
}

int check_framing(struct http_request *req, struct http_framing *ret, int *ret_status,
                  struct err *err) {
    struct framing_headers h = {0};
    MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, count_header, &h);
    const char *cause = NULL;
    if (h.lengths > 1)
        cause = "Content-Length stands there more than once";
    else if (h.lengths && h.encodings)
        cause = "Content-Length and Transfer-Encoding contradict each other";
    else if (h.encodings > 1 || (h.encodings && strcasecmp(h.encoding, "chunked") != 0))
        cause = "the only Transfer-Encoding is chunked";
    else if (h.hosts > 1)
        cause = "Host stands there more than once";
    char *end = NULL;
    errno = 0;
    if (h.lengths) ret->length = strtoull(h.length, &end, 10);
    if (h.lengths && (*end || end == h.length || errno || h.length[0] < '0' || h.length[0] > '9'))
        cause = "Content-Length is not a number";
    if (h.encodings) ret->length = UINT64_MAX;
    ret->has_body = ret->length > 0;
    if (!cause) return 0;
    req->close = true; // where the next request begins is not known
    *ret_status = MHD_HTTP_BAD_REQUEST;
    return err_set(err, ERR_INVALID, 0, "request headers", "%s", cause);
}

int check_authorised(struct http_request *req, struct err *err) {
    const struct http_face *face = req->connection->face;
    if (!face->tls) {
        if (req->connection->has_peer)
            snprintf(req->user, sizeof(req->user), "uid:%u", req->connection->peer.uid);
        return 0;
    }
    const char *header = http_header(req, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *token = header && !strncasecmp(header, "Bearer ", 7) ? header + 7 : NULL;
    if (token && *token &&
        face->authorise(token, face->authorise_arg, req->user, sizeof(req->user)))
        return 0;
    req->close = true;
    http_set_header(req, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    err_set(err, ERR_UNAUTHENTICATED, 0, "request",
            token ? "the token is not known" : "it carries no token");
    return err_next(err, "send \"Authorization: Bearer TOKEN\" with a token of this daemon");
}

static bool is_json(const char *media, bool patch) {
    size_t size = media ? strcspn(media, "; \t") : 0;
    if (size == strlen("application/json") && !strncasecmp(media, "application/json", size))
        return true;
    return patch && size == strlen("application/merge-patch+json") &&
           !strncasecmp(media, "application/merge-patch+json", size);
}

int check_too_large(struct err *err) {
    err_set(err, ERR_TOO_LARGE, 0, "request body", "it is larger than %zu bytes", HTTP_BODY_MAX);
    return err_next(err, "send less; only images are uploaded, to /v1/images/import");
}

int check_media(struct http_request *req, const struct http_framing *framing, int *ret_status,
                struct err *err) {
    const struct api_operation *op = req->operation;
    if (op->stream == API_STREAM_UPLOAD || !framing->has_body) return 0;
    if (!op->body) {
        err_set(err, ERR_INVALID, 0, "request body", "%s takes none", op->id);
        return err_next(err, "send the request without a body");
    }
    if (framing->length != UINT64_MAX && framing->length > HTTP_BODY_MAX)
        return check_too_large(err);
    const char *media = http_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (is_json(media, op->method == API_PATCH)) return 0;
    *ret_status = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    char shown[API_SHOWN_SIZE];
    err_set(err, ERR_INVALID, 0, "request body", "its Content-Type is %s",
            media ? api_shown(media, shown) : "not said");
    return err_next(err, "send JSON with \"Content-Type: application/json\"");
}

int check_body(struct http_request *req, struct err *err) {
    const struct api_operation *op = req->operation;
    if (!op->body) return 0;
    if (!req->body.len) {
        if (!op->body_required) return 0;
        err_set(err, ERR_INVALID, 0, "request body", "it is missing");
        return err_next(err, "send a JSON object; GET /v1/openapi.json describes it");
    }
    json_error_t error;
    req->json =
        json_loadb(req->body.data, req->body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    str_free(&req->body);
    if (!req->json) {
        err_set(err, ERR_INVALID, 0, "request body", "it is not JSON: line %d, column %d: %s",
                error.line, error.column, error.text);
        return err_next(err, "send JSON in UTF-8, each member once and no text with \\u0000");
    }
    return api_validate(op->body, req->json, err);
}
