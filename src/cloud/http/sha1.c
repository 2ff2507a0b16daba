// SPDX-License-Identifier: Apache-2.0
#include "cloud/http/sha1.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static uint32_t rotate(uint32_t v, unsigned n) {
    return v << n | v >> (32 - n);
}

static void block(uint32_t h[5], const uint8_t data[64]) {
    uint32_t w[80];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 |
               (uint32_t)data[4 * t + 2] << 8 | data[4 * t + 3];
    for (int t = 16; t < 80; t++) w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20)
            f = (b & c) | (~b & d), k = 0x5a827999;
        else if (t < 40)
            f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (t < 60)
            f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        else
            f = b ^ c ^ d, k = 0xca62c1d6;
        uint32_t sum = rotate(a, 5) + f + e + k + w[t];
        e = d, d = c, c = rotate(b, 30), b = a, a = sum;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

void sha1_short(const void *data, size_t size, uint8_t ret[SHA1_SIZE]) {
    assert(size <= SHA1_INPUT_MAX);
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t padded[128] = {0};
    size_t total = size < 56 ? 64 : 128;
    memcpy(padded, data, size);
    padded[size] = 0x80;
    padded[total - 2] = (uint8_t)(size * 8 >> 8);
    padded[total - 1] = (uint8_t)(size * 8);
    for (size_t at = 0; at < total; at += 64) block(h, padded + at);
    for (int i = 0; i < SHA1_SIZE; i++) ret[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void websocket_accept_value(const char *key, char ret[WEBSOCKET_ACCEPT_SIZE]) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[64];
    uint8_t hash[SHA1_SIZE + 1] = {0};
    int size = snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1_short(text, (size_t)size, hash);
    for (int i = 0; i < 7; i++) {
        uint32_t v = (uint32_t)hash[3 * i] << 16 | (uint32_t)hash[3 * i + 1] << 8 | hash[3 * i + 2];
        for (int j = 0; j < 4; j++) ret[4 * i + j] = DIGITS[v >> (18 - 6 * j) & 63];
    }
    ret[27] = '='; // 20 bytes leave one place over
    ret[28] = 0;
}
