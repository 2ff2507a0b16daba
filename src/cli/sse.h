// SPDX-License-Identifier: Apache-2.0
// Server-sent events (WHATWG HTML 9.2): the data of each event, from any cut of the byte stream.
#ifndef TRINE_CLI_SSE_H
#define TRINE_CLI_SSE_H

#include "base/str.h"

#define SSE_EVENT_MAX ((size_t)1 << 20)

// Negative stops.
typedef int sse_event_fn(const char *event, const char *data, void *arg);

struct sse {
    sse_event_fn *fn;
    void *arg;
    // Private.
    struct str line, event, data;
    bool after_cr;
};

void sse_free(struct sse *sse);
#define auto_sse __attribute__((cleanup(sse_free)))
// 0, what fn returned when it was negative, or -EMSGSIZE for an event over SSE_EVENT_MAX.
int sse_push(struct sse *sse, const char *data, size_t size);

#endif
