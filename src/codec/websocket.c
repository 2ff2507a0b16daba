// SPDX-License-Identifier: Apache-2.0
#include "codec/websocket.h"

#include "codec/sha1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

size_t websocket_header(uint8_t header[WEBSOCKET_HEADER_MAX], enum websocket_opcode opcode,
                        uint64_t size, const uint8_t mask[4]) {
    struct writer w = writer_on(header, WEBSOCKET_HEADER_MAX);
    write_u8(&w, (uint8_t)(0x80u | (unsigned)opcode));
    if (size <= 125) {
        write_u8(&w, (uint8_t)(0x80u | size));
    } else if (size <= UINT16_MAX) {
        write_u8(&w, 0x80 | 126);
        write_be16(&w, (uint16_t)size);
    } else {
        write_u8(&w, 0x80 | 127);
        write_be64(&w, size);
    }
    write_bytes(&w, mask, 4);
    return w.size;
}

void websocket_mask(uint8_t *data, size_t size, const uint8_t mask[4], size_t offset) {
    for (size_t i = 0; i < size; i++) data[i] ^= mask[(i + offset) & 3];
}

void websocket_reader_init(struct websocket_reader *r) {
    // The two buffers are written before they are read.
    memset(r, 0, offsetof(struct websocket_reader, control));
}

static bool is_control(enum websocket_opcode opcode) {
    return opcode >= WEBSOCKET_CLOSE;
}

static size_t header_size(const struct websocket_reader *r) {
    if (r->header_len < 2) return 2;
    uint8_t length = r->header[1] & 0x7f;
    return length == 127 ? 10 : length == 126 ? 4 : 2;
}

// A complete header: is the frame allowed here, and how long is it?
static int frame_begin(struct websocket_reader *r) {
    struct reader in = reader_of(r->header, r->header_len);
    uint8_t first = read_u8(&in), second = read_u8(&in);
    uint8_t opcode = first & 0x0f, length = second & 0x7f;
    r->left = length == 127 ? read_be64(&in) : length == 126 ? read_be16(&in) : length;
    r->final = first & 0x80;
    r->frame = (enum websocket_opcode)opcode;
    if ((first & 0x70) || (second & 0x80)) return -EBADMSG; // no extensions; servers never mask
    if ((length == 126 && r->left < 126) || (length == 127 && r->left <= UINT16_MAX))
        return -EBADMSG; // not the shortest form

    if (is_control(r->frame)) {
        if (opcode > WEBSOCKET_PONG || !r->final || r->left > WEBSOCKET_CONTROL_MAX)
            return -EBADMSG;
        r->control_len = 0;
    } else {
        if (opcode > WEBSOCKET_BINARY) return -EBADMSG;
        if ((opcode == WEBSOCKET_CONTINUATION) != r->in_message) return -EBADMSG;
        if (!r->in_message) {
            r->message_opcode = r->frame;
            r->message_len = 0;
            r->in_message = true;
        }
        if (r->left > WEBSOCKET_MESSAGE_MAX - r->message_len) return -EMSGSIZE;
    }
    r->in_frame = true;
    return 0;
}

static void frame_take(struct websocket_reader *r, const uint8_t *data, size_t n) {
    if (is_control(r->frame)) {
        memcpy(r->control + r->control_len, data, n);
        r->control_len += n;
    } else {
        memcpy(r->message + r->message_len, data, n);
        r->message_len += n;
    }
    r->left -= n;
}

// A complete frame: 1 when it completes a message too.
static int frame_end(struct websocket_reader *r, struct span *ret_message) {
    r->in_frame = false;
    r->header_len = 0;
    if (is_control(r->frame)) {
        r->opcode = r->frame;
        *ret_message = (struct span){r->control, r->control_len};
        return 1;
    }
    if (!r->final) return 0;
    r->in_message = false;
    r->opcode = r->message_opcode;
    *ret_message = (struct span){r->message, r->message_len};
    return 1;
}

int websocket_push(struct websocket_reader *r, const void *data, size_t size, size_t *ret_used,
                   struct span *ret_message) {
    const uint8_t *bytes = data;
    size_t used = 0;
    int result = 0;
    *ret_message = (struct span){NULL, 0};
    while (result == 0 && used < size) {
        if (!r->in_frame) {
            r->header[r->header_len++] = bytes[used++];
            if (r->header_len < header_size(r)) continue;
            result = frame_begin(r);
        } else {
            size_t n = size - used < r->left ? size - used : (size_t)r->left;
            frame_take(r, bytes + used, n);
            used += n;
        }
        if (result == 0 && r->in_frame && r->left == 0) result = frame_end(r, ret_message);
    }
    *ret_used = used;
    return result;
}

uint16_t websocket_close_code(struct span message) {
    struct reader in = reader_of(message.data, message.size);
    uint16_t code = read_be16(&in);
    return in.failed ? 1005 : code;
}

static void base64(const uint8_t *data, size_t size, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16;
        if (i + 1 < size) group |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < size) group |= data[i + 2];
        *out++ = digits[group >> 18 & 63];
        *out++ = digits[group >> 12 & 63];
        *out++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[group & 63] : '=';
    }
    *out = '\0';
}

void websocket_key(const uint8_t random[16], char key[WEBSOCKET_KEY_SIZE]) {
    base64(random, 16, key);
}

void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]) {
    char text[WEBSOCKET_KEY_SIZE + 40];
    int n = snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    uint8_t digest[SHA1_SIZE];
    sha1(text, (size_t)n, digest);
    base64(digest, sizeof(digest), accept);
}
