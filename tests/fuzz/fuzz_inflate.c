// SPDX-License-Identifier: Apache-2.0
// A compressed layer, with a small limit on how much it may grow.
#include "execution/container/image/stream.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    auto_stream struct stream *in = stream_inflate(stream_memory(data, size), "fuzz", 100);
    if (!in) return 0;
    const uint8_t *piece;
    uint64_t total = 0;
    for (ssize_t n; (n = stream_next(in, &piece, &err)) > 0;) {
        total += (uint64_t)n;
        if (total > ((uint64_t)4 << 20)) break; // enough to have seen
    }
    return 0;
}
