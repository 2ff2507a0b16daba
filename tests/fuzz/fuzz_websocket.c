// SPDX-License-Identifier: Apache-2.0
// A server's WebSocket frames, in pieces whose length the first byte gives.
#include "codec/websocket.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    size_t step = data[0] ? data[0] : size;
    struct websocket_reader *r = malloc(sizeof *r);
    if (!r) return 0;
    websocket_reader_init(r);
    for (size_t at = 1; at < size;) {
        size_t used = 0, n = step < size - at ? step : size - at;
        struct span message = {0};
        int rc = websocket_push(r, data + at, n, &used, &message);
        if (rc < 0) break;
        if (used > n || message.size > WEBSOCKET_MESSAGE_MAX) abort();
        if (rc == 1 && r->opcode == WEBSOCKET_CLOSE) websocket_close_code(message);
        if (rc == 0 && used < n) abort();
        at += used;
    }
    free(r);
    return 0;
}
