// SPDX-License-Identifier: Apache-2.0
// Making the new process: clone3 into new namespaces, straight from the creator where that is
// possible, else from a process in the middle that has joined what must be joined first. Either way
// the new process is the creator's child (or its parent's).
#ifndef TRINE_EXECUTION_CONTAINER_LAUNCH_H
#define TRINE_EXECUTION_CONTAINER_LAUNCH_H

#include "execution/container/plan.h"

struct launch {
    const struct plan *plan;
    int (*body)(const struct plan *plan, int sync, int gate, enum launch_way way); // exit code
    int gate;      // init's end, -1: none. Borrowed
    int gate_peer; // the other end where that is ours, -1: none. Borrowed
    pid_t pid;     // from here on set by launch_start
    int pidfd, sync;
};

// On failure no process is left. launch_end closes the descriptors that were not taken.
int launch_start(struct launch *launch, struct err *err);
void launch_end(struct launch *launch);
// Kills and, where it is our child, reaps.
void launch_abort(struct launch *launch);
// The new process' side of the talk: warnings are passed on, the console is kept in *ret_console,
// hooks are run. Until it is ready, or with `until_exec` until its end of the socket is closed by
// the exec after that. Fails with the process' own error.
int launch_converse(struct launch *launch, bool until_exec, int *ret_console, struct err *err);

#endif
