// SPDX-License-Identifier: Apache-2.0
// Waiting for a shim's hello on the loop: after its start (it says hello when the container is
// made) and after connecting to one that runs.
#ifndef TRINE_CLOUD_AGENT_SHIM_GREET_H
#define TRINE_CLOUD_AGENT_SHIM_GREET_H

#include "cloud/agent/agent_int.h"

struct greeting;
// Once: why NULL: sock is past hello, and the callee's; else sock is -1.
typedef void greeting_fn(int sock, const struct err *why, void *arg);

// Takes sock over, also on failure (then fn is not called). who is for messages, copied.
int greeting_new(struct agent *agent, int sock, const char *who, int64_t limit_ns, greeting_fn *fn,
                 void *arg, struct greeting **ret, struct err *err);
void greeting_free(struct greeting *g); // without calling fn; NULL is fine

#endif
