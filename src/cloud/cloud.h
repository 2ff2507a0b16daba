// SPDX-License-Identifier: Apache-2.0
// The control plane as one value: what every part of the daemon is handed. No globals, so tests make as many as they
// like.
#ifndef TRINE_CLOUD_CLOUD_H
#define TRINE_CLOUD_CLOUD_H

#include "base/clock.h"
#include "base/err.h"
#include "cloud/http/http.h"
#include "cloud/store/store.h"
#include "host/loop.h"
#include "wire/channel.h"

#include <sys/types.h>

struct objects;
struct operations;
struct events;

#define DEFAULT_PROJECT "default"

struct cloud {
    struct loop *loop;
    struct clock *clock;
    struct store *store;
    struct http_server *http;
    struct wire_channel
        *agent; // NULL once it is lost: everything that needs it fails with ERR_UNAVAILABLE
    struct objects *objects;
    struct operations *operations;
    struct events *events;
    const char *state_dir, *run_dir;
    bool rootless;
    int64_t started_ns;                     // realtime
    size_t recovering;                      // instances whose state on the host is not known yet
    void (*recovered)(struct cloud *cloud); // all are known; may be NULL
};

// Ask the agent; on ERR_UNAVAILABLE (no agent) fn is not called. See wire_channel_call.
int cloud_ask_agent(struct cloud *cloud, enum wire_id id, const void *message, const int *fds,
                    size_t n_fds, wire_answer_fn *fn, void *arg, uint32_t *ret_seq,
                    struct err *err);

#endif
