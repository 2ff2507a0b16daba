// SPDX-License-Identifier: Apache-2.0
// WebSocket frames as a client sends and reads them (RFC 6455 5), and the handshake's key (4.1).
//
// Why not libwslay: Debian has it as a shared library only, and a dynamic start costs the command
// line more than all of its own work; attach and exec need binary messages and the three control
// frames, which is this file.
//
// The reader refuses what a server must not send: masked frames, reserved bits, unknown opcodes,
// long or fragmented control frames, messages over WEBSOCKET_MESSAGE_MAX. No I/O, no allocation.
#ifndef TRINE_CODEC_WEBSOCKET_H
#define TRINE_CODEC_WEBSOCKET_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_MESSAGE_MAX 65536
#define WEBSOCKET_HEADER_MAX 14
#define WEBSOCKET_CONTROL_MAX 125

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

// The header of one final, masked frame; its length (6, 8 or 14).
size_t websocket_header(uint8_t header[WEBSOCKET_HEADER_MAX], enum websocket_opcode opcode,
                        uint64_t size, const uint8_t mask[4]);
// XORs in place; offset: how many bytes of the same frame were masked before.
void websocket_mask(uint8_t *data, size_t size, const uint8_t mask[4], size_t offset);

struct websocket_reader {
    enum websocket_opcode opcode; // of the message that was returned
    // Private.
    uint8_t header[10];
    uint8_t header_len;
    bool in_frame, final, in_message;
    enum websocket_opcode frame, message_opcode;
    uint64_t left;      // of the frame's payload
    size_t message_len; // of the message's frames so far
    size_t control_len;
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    uint8_t message[WEBSOCKET_MESSAGE_MAX];
};

void websocket_reader_init(struct websocket_reader *r);

// 1: a whole message (r->opcode, *ret_message: valid until the next call); 0: everything was used,
// push again; -EBADMSG: a breach of the protocol, -EMSGSIZE: over the limit: close the connection.
int websocket_push(struct websocket_reader *r, const void *data, size_t size, size_t *ret_used,
                   struct span *ret_message);

// The code of a CLOSE message; 1005 when it names none.
uint16_t websocket_close_code(struct span message);

#define WEBSOCKET_KEY_SIZE 25    // base64 of 16 bytes
#define WEBSOCKET_ACCEPT_SIZE 29 // base64 of 20 bytes
void websocket_key(const uint8_t random[16], char key[WEBSOCKET_KEY_SIZE]);
// What the server has to answer to a key.
void websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE]);

#endif
