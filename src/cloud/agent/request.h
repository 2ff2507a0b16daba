// SPDX-License-Identifier: Apache-2.0
// What a daemon may ask for: everything in agent_instance_create checked once more, because the
// daemon meets the network and the agent is root. Pure: looks at no file.
#ifndef TRINE_CLOUD_AGENT_REQUEST_H
#define TRINE_CLOUD_AGENT_REQUEST_H

#include "wire/messages.h"

#include <stdbool.h>

#define REQUEST_CPU_PERIOD_US 100000
#define REQUEST_MOUNTS_MAX 64 // agent_instance_create.mounts holds four strings each

enum request_mount_kind { REQUEST_MOUNT_VOLUME, REQUEST_MOUNT_BIND, REQUEST_MOUNT_TMPFS };
struct request_mount { // borrows from the message
    enum request_mount_kind kind;
    const char *source; // volume id or absolute host path; "" for tmpfs
    const char *destination;
    const char *options; // comma-separated, all known for its kind
};

// Identifiers, names, layers, program, paths, capabilities, limits, network; and the mounts, split.
int request_check(const struct wire_agent_instance_create *request,
                  struct request_mount mounts[REQUEST_MOUNTS_MAX], size_t *ret_mounts,
                  struct err *err);

// Absolute, no "." or ".." or empty component, no control character. what names it in the error.
int request_check_path(const char *what, const char *path, struct err *err);
// Directory name of a layer in the image store: 24 hexadecimal digits.
bool request_is_layer(const char *name);
bool request_shares_host_network(const struct wire_agent_instance_create *request);

#endif
