// SPDX-License-Identifier: Apache-2.0
#include "base/utf8_int.h"

#include <stdbool.h>
#include <string.h>

static bool between(uint8_t byte, uint8_t low, uint8_t high) {
    return byte >= low && byte <= high;
}

size_t utf8_length(const uint8_t *b, size_t size) {
    if (size == 0) return 0;
    if (b[0] < 0x80) return 1;
    size_t want = between(b[0], 0xc2, 0xdf) ? 2 : between(b[0], 0xe0, 0xef) ? 3 : 4;
    if (b[0] < 0xc2 || b[0] > 0xf4 || size < want) return 0;
    // The second byte carries the rules against overlong forms, surrogates and past U+10FFFF.
    uint8_t low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
    if (!between(b[1], low, high)) return 0;
    for (size_t i = 2; i < want; i++)
        if (!between(b[i], 0x80, 0xbf)) return 0;
    return want;
}

void utf8_trim_tail(char *text) {
    size_t len = strlen(text);
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        uint8_t lead = (uint8_t)text[len - back];
        if (lead < 0x80) return;
        if (lead < 0xc0) continue;
        size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (want > back) text[len - back] = '\0';
        return;
    }
}
