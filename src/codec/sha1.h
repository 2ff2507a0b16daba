// SPDX-License-Identifier: Apache-2.0
// SHA-1 (RFC 3174) of a short text, for the WebSocket handshake alone (RFC 6455 4.2.2): there it
// proves that the other side speaks the protocol, it protects nothing. Not for anything else.
#ifndef TRINE_CODEC_SHA1_H
#define TRINE_CODEC_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_SIZE 20
void sha1(const void *data, size_t size, uint8_t digest[SHA1_SIZE]);

#endif
