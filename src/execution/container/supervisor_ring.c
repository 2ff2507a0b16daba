// SPDX-License-Identifier: Apache-2.0
#include "execution/container/supervisor_ring.h"

#include "base/mem.h"

#include <stdlib.h>

struct supervisor_ring {
    size_t at;   // where the next byte goes
    size_t held; // at most SUPERVISOR_RING_SIZE
    uint8_t data[SUPERVISOR_RING_SIZE];
};

struct supervisor_ring *supervisor_ring_new(void) {
    return mem_try(struct supervisor_ring);
}

void supervisor_ring_free(struct supervisor_ring *ring) {
    free(ring);
}

void supervisor_ring_add(struct supervisor_ring *ring, const void *data, size_t size) {
    const uint8_t *from = data;
    if (size > SUPERVISOR_RING_SIZE) {
        from += size - SUPERVISOR_RING_SIZE;
        size = SUPERVISOR_RING_SIZE;
    }
    size_t first = SUPERVISOR_RING_SIZE - ring->at;
    if (first > size) first = size;
    memcpy(ring->data + ring->at, from, first);
    memcpy(ring->data, from + first, size - first);
    ring->at = (ring->at + size) % SUPERVISOR_RING_SIZE;
    ring->held =
        ring->held + size > SUPERVISOR_RING_SIZE ? SUPERVISOR_RING_SIZE : ring->held + size;
}

void supervisor_ring_read(const struct supervisor_ring *ring, struct span ret[2]) {
    size_t start = (ring->at + SUPERVISOR_RING_SIZE - ring->held) % SUPERVISOR_RING_SIZE;
    size_t first = SUPERVISOR_RING_SIZE - start;
    if (first > ring->held) first = ring->held;
    ret[0] = (struct span){ring->data + start, first};
    ret[1] = (struct span){ring->data, ring->held - first};
}
