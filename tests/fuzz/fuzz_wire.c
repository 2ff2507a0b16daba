// SPDX-License-Identifier: Apache-2.0
// Messages between our roles: the first byte chooses which. What can be decoded can be encoded, and
// decodes to as many bytes again.
#include "base/bytes.h"
#include "base/mem.h"
#include "fuzz.h"
#include "wire/messages.h"

#include <stdlib.h>

#define MESSAGES(X) \
    X(HELLO, hello) \
    X(FAILURE, failure) \
    X(AGENT_INSTANCE_CREATE, agent_instance_create) \
    X(AGENT_INSTANCES, agent_instances) \
    X(AGENT_EXIT, agent_exit) \
    X(AGENT_LOG_OPEN, agent_log_open) \
    X(AGENT_VOLUME_CREATE, agent_volume_create)

#define X(id, name) \
    static void try_##name(struct span payload, struct arena *arena) { \
        struct wire_##name message; \
        struct err err = {0}; \
        if (wire_decode_##name(payload, arena, &message, &err) < 0) return; \
        struct writer out = writer_growing(); \
        if (wire_encode(WIRE_##id, &message, &out, &err) < 0 || out.size != payload.size) abort(); \
        writer_free(&out); \
    }
MESSAGES(X)
#undef X

typedef void try_fn(struct span payload, struct arena *arena);
static try_fn *const tries[] = {
#define X(id, name) try_##name,
    MESSAGES(X)
#undef X
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    struct arena *arena = arena_new((size_t)1 << 20);
    tries[data[0] % (sizeof tries / sizeof tries[0])]((struct span){data + 1, size - 1}, arena);
    arena_free(arena);
    return 0;
}
