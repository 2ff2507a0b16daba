// SPDX-License-Identifier: Apache-2.0
// What the two halves of the standard streams, the process's and the clients', say to each other.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_CLIENT_INT_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_CLIENT_INT_H

#include "execution/container/supervisor_stdio.h"

// supervisor_client.c
void client_deliver_all(struct supervisor_stdio *stdio, const uint8_t *frame, size_t size);
// Reads clients while the input can take something, else leaves them alone.
void client_watch_all(struct supervisor_stdio *stdio);
void client_free_all(struct supervisor_stdio *stdio);

// supervisor_stdio.c
void stdio_pause_output(struct supervisor_stdio *stdio, bool paused);
// Input for the process. Not called while input waits (stdio->input).
void stdio_feed(struct supervisor_stdio *stdio, const uint8_t *data, size_t size);
void stdio_feed_end(struct supervisor_stdio *stdio);

#endif
