// SPDX-License-Identifier: Apache-2.0
// The last bytes of a terminal's output, for an attachment that wants to see where things stand.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_RING_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_RING_H

#include "base/bytes.h"

#define SUPERVISOR_RING_SIZE 65536

struct supervisor_ring;
struct supervisor_ring *supervisor_ring_new(void);       // NULL without memory
void supervisor_ring_free(struct supervisor_ring *ring); // NULL is fine
void supervisor_ring_add(struct supervisor_ring *ring, const void *data, size_t size);
// What it holds, oldest first, in at most two pieces (empty ones have size 0). Borrowed until the
// next add.
void supervisor_ring_read(const struct supervisor_ring *ring, struct span ret[2]);

#endif
