// SPDX-License-Identifier: Apache-2.0
// The parts of config.json. Each gives a new reference, NULL without memory.
#ifndef TRINE_CLOUD_AGENT_BUNDLE_INT_H
#define TRINE_CLOUD_AGENT_BUNDLE_INT_H

#include "cloud/agent/bundle.h"

#include <jansson.h>

struct bundle {
    const struct wire_agent_instance_create *request;
    const struct request_mount *mounts;
    size_t n_mounts;
    const struct bundle_host *host;
    uint64_t capabilities; // of the instance's programs
};

json_t *bundle_mounts(const struct bundle *b);
json_t *bundle_linux(const struct bundle *b);
json_t *bundle_strings(const char *const *items, size_t n);

#endif
