// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 responses, read from a byte stream (RFC 9112): status line, header fields, body framed
// by Content-Length, by chunks, or by the end of the connection.
//
// The parser holds one head of at most HTTP_HEAD_MAX bytes and nothing of the body: body bytes are
// handed on as ranges of the caller's own buffer. It is stricter than a browser: what two readers
// could take in two ways (both lengths, differing lengths, folded fields, bare line feeds) is
// refused, never guessed at.
//
//   START ─ line ─> FIELDS ─ empty line ─> LENGTH | CHUNK_SIZE | UNTIL_CLOSE ─> END
//     ^── interim 1xx (not 101) ──┘           CHUNK_SIZE <-> CHUNK_DATA, last chunk -> TRAILER
//
// No I/O, no allocation, no threads.
#ifndef TRINE_CODEC_HTTP_MESSAGE_H
#define TRINE_CODEC_HTTP_MESSAGE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 16384
#define HTTP_FIELDS_MAX 64
#define HTTP_CHUNK_LINE_MAX 512
#define HTTP_INTERIM_MAX 8 // interim answers before the final one

enum http_event {
    HTTP_MORE, // everything was used: push again when more bytes are there
    HTTP_HEAD, // the head is complete: status and fields can be asked
    HTTP_DATA, // *ret_data is a piece of the body
    HTTP_END,  // the message is complete; unused bytes belong to what follows on the connection
};

struct http_field {
    uint16_t name, value; // offsets of terminated strings in `head`
};

struct http_message {
    int status;      // 100..599
    bool keep_alive; // the connection can carry another request after this message
    bool sized;      // `length` was declared
    uint64_t length; // Content-Length
    // Private.
    uint8_t state;
    bool head_request, chunked, until_close;
    uint8_t interim;
    size_t head_len, line; // used bytes of head; where the current line starts
    uint64_t left;         // bytes of the body or of the chunk that are still to come
    size_t n_fields;
    struct http_field fields[HTTP_FIELDS_MAX];
    char head[HTTP_HEAD_MAX + HTTP_CHUNK_LINE_MAX];
};

// Before every response. head_request: the answer to HEAD, which has no body whatever it declares.
void http_message_init(struct http_message *m, bool head_request);

// Takes bytes until an event is complete; *ret_used says how many. *ret_data is set for HTTP_DATA
// only and points into `data`. After HTTP_END it must not be called again before
// http_message_init. Returns enum http_event, or -EBADMSG (not HTTP, or ambiguous) or -E2BIG (head
// over its limits): the connection cannot be used any more.
int http_message_push(struct http_message *m, const void *data, size_t size, size_t *ret_used,
                      struct span *ret_data);

// The connection was closed by the peer: HTTP_END when that ends the body, else -ECONNRESET.
int http_message_close(struct http_message *m);

// The value of a field (name without regard to case), NULL when absent; of several, the first.
const char *http_message_field(const struct http_message *m, const char *name);

#endif
