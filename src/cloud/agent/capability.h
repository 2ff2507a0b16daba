// SPDX-License-Identifier: Apache-2.0
// The capabilities that programs of an instance get: those that engines give by default, plus and
// minus what is asked for.
#ifndef TRINE_CLOUD_AGENT_CAPABILITY_H
#define TRINE_CLOUD_AGENT_CAPABILITY_H

#include "host/capability.h"
#include "wire/messages.h"

#include <stdbool.h>

// "CAP_CHOWN", "chown" or "ALL" (every bit). 0 when unknown.
uint64_t capability_parse(const char *word);
// The set for an instance. `available`: what this agent can give; more asked for by name is
// ERR_UNSUPPORTED.
int capability_resolve(struct wire_strings add, struct wire_strings drop, bool privileged,
                       uint64_t available, uint64_t *ret, struct err *err);

#endif
