// SPDX-License-Identifier: Apache-2.0
// The agent: the one privileged process of a node. It starts roles, owns their directories and
// control groups, and obeys a short list of typed verbs (wire/messages.json, agent_*) that only its
// own daemon can send it. No HTTP, no database, no policy.
//
// Life: agent_enter_user_namespace (rootless only) → agent_run, until the daemon's connection ends.
// Workloads go on: shims have their own sessions, and the next agent finds them by the run
// directory.
#ifndef TRINE_CLOUD_AGENT_AGENT_H
#define TRINE_CLOUD_AGENT_AGENT_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct agent_options {
    const char *state_dir, *run_dir; // absolute
    int control_fd;                  // connected SOCK_SEQPACKET to the daemon; taken over
    uid_t daemon_uid;                // who the daemon is; (uid_t)-1: the agent's own user
    gid_t daemon_gid;                // may read logs; (gid_t)-1: nobody more
    bool rootless;                   // root of a user namespace only
};

// Serves until the daemon goes (0), or fails before or while serving.
int agent_run(const struct agent_options *options, struct err *err);

// For an ordinary user: moves the calling, single-threaded process into a user and mount namespace
// where it is root: that of a shim which lives below run_dir, else a new one with the ranges that
// /etc/subuid and /etc/subgid grant. The caller executes itself again afterwards, so that its
// capabilities are those of the new root. *ret_warning: what is missing (NULL when nothing), caller
// frees.
int agent_enter_user_namespace(const char *run_dir, char **ret_warning, struct err *err);

#endif
