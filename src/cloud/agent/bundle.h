// SPDX-License-Identifier: Apache-2.0
// From a request to the OCI bundle of an instance: config.json in the form of the runtime
// specification 1.1, with the annotations and the overlay root that
// execution/container/container.h names. Pure: looks at no file.
#ifndef TRINE_CLOUD_AGENT_BUNDLE_H
#define TRINE_CLOUD_AGENT_BUNDLE_H

#include "cloud/agent/request.h"

// What the host and the agent bring in.
struct bundle_host {
    const char *state_dir; // absolute
    bool rootless;
    bool tty_group;        // group 5 exists in our user namespace (devpts wants it)
    bool cgroup_mount;     // a private view of the control groups can be mounted
    uint64_t capabilities; // what this agent can give (bit N: capability N)
};

// mounts: as request_check split them, sources of binds already resolved to real paths. *ret_json:
// the caller's.
int bundle_build(const struct wire_agent_instance_create *request,
                 const struct request_mount *mounts, size_t n_mounts,
                 const struct bundle_host *host, char **ret_json, struct err *err);

// Files of the instance that are mounted below /etc.
#define BUNDLE_RESOLV_CONF "resolv.conf"
#define BUNDLE_HOSTS "hosts"
#define BUNDLE_HOSTNAME "hostname"
// The name that the instance has for itself: what was asked for, else the head of its id.
const char *bundle_hostname(const struct wire_agent_instance_create *request, char buf[64]);

#endif
