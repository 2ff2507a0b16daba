// SPDX-License-Identifier: Apache-2.0
// A client's WebSocket joined to a stream socket of the shim (attach, exec): frames of wire/stream.h pass unchanged, with
// back-pressure both ways. The daemon does not look into them.
#ifndef TRINE_CLOUD_BRIDGE_H
#define TRINE_CLOUD_BRIDGE_H

#include "base/list.h"
#include "base/vec.h"
#include "cloud/cloud.h"

// One wish to be connected: accepted as a WebSocket at once (input is not read until it is connected).
// Data of one frame of wire/stream.h.
struct attach_frame {
    uint8_t *data;
    size_t size;
};

struct attach {
    struct list
        link; // of an instance's attaches while it waits; the bridge removes itself when the client goes
    struct cloud *cloud;
    struct http_socket *ws;
    struct loop_source *source;
    int fd;                          // stream socket; -1 while waiting
    VEC(struct attach_frame) unsent; // frames that the shim's socket did not take yet, in order
    bool input, output, replay;      // of an attach
    void *exec; // of an exec: struct wire_shim_exec and its memory, freed with it
    void (*free_exec)(void *exec);
    bool
        gone; // the client left while an answer is awaited: attach_connect and attach_fail only free
    bool asked; // an answer is awaited
};

// Accepts the WebSocket. NULL when the client has gone.
struct attach *attach_new(struct cloud *cloud, struct http_request *req);
void attach_asked(struct attach *attach);           // an answer will come
void attach_connect(struct attach *attach, int fd); // takes fd
void attach_fail(struct attach *attach,
                 const struct err *why); // EXIT frame with 125/126/127 and the text, then close
void attach_end(struct attach *attach, int exit_code, const char *text);

#endif
