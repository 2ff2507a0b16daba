// SPDX-License-Identifier: Apache-2.0
// What the blocking and the event-driven half of a channel share.
#ifndef TRINE_WIRE_CHANNEL_INT_H
#define TRINE_WIRE_CHANNEL_INT_H

#include "wire/channel.h"

// A whole packet into *out (growing; freed by the caller with writer_free, also freed here on
// failure).
int wire_packet_build(uint32_t seq, enum wire_id id, const void *message, struct writer *out,
                      struct err *err);
// One packet without waiting; -EAGAIN (err untouched) when there is none.
int wire_packet_read(int sock, struct wire_packet *ret, struct err *err);
struct wire_failure wire_failure_of(const struct err *why); // borrows from why

#endif
