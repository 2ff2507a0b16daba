// SPDX-License-Identifier: Apache-2.0
// SHA-1 (FIPS 180-4) for the WebSocket handshake, which asks for it and hides nothing behind it.
#ifndef TRINE_CLOUD_HTTP_SHA1_H
#define TRINE_CLOUD_HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20
#define SHA1_INPUT_MAX 119 // two blocks, padding included

void sha1_short(const void *data, size_t size, uint8_t ret[SHA1_SIZE]); // size <= SHA1_INPUT_MAX

// The value of Sec-WebSocket-Accept for a key of 24 characters (RFC 6455 4.2.2).
#define WEBSOCKET_KEY_SIZE 24
#define WEBSOCKET_ACCEPT_SIZE 29
void websocket_accept_value(const char *key, char ret[WEBSOCKET_ACCEPT_SIZE]);

#endif
