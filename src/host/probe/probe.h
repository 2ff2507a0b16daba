// SPDX-License-Identifier: Apache-2.0
// What this host can do, found out by trying: each probe does the smallest real thing (makes a namespace, a link, a tiny
// guest) in a child process that ends with it, and says what came of it, why, and what would help. Nothing is left behind.
//
// Threads: the caller must have one thread only. A probe takes at most PROBE_TIME_MS.
#ifndef TRINE_HOST_PROBE_PROBE_H
#define TRINE_HOST_PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_TIME_MS 3000

enum probe_verdict { PROBE_YES, PROBE_PARTLY, PROBE_NO };

struct probe_result {
    enum probe_verdict verdict;
    char detail[256]; // what was found; why not
    char fix[256];    // what to do about it; empty when there is nothing
};

struct probe {
    const char *area; // level, container, storage, network
    const char *name; // "vxlan"
    const char *use;  // what Trine needs it for
    void (*run)(const struct probe *probe, struct probe_result *ret);
    const char *word; // of the probe's own: kind of link, file system, device…
    const char *more; // of the probe's own
};

// In the order in which they are shown; NULL behind the last.
const struct probe *probe_at(size_t index);
void probe_run(const struct probe *probe, struct probe_result *ret);
const char *probe_verdict_word(enum probe_verdict verdict); // yes, partly, no

#endif
