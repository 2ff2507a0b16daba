// SPDX-License-Identifier: Apache-2.0
// Hooks of the OCI runtime specification: programs that get the container's state as JSON on their
// standard input.
#ifndef TRINE_EXECUTION_CONTAINER_HOOKS_H
#define TRINE_EXECUTION_CONTAINER_HOOKS_H

#include "execution/container/spec.h"

struct hook_state {
    const struct oci_spec *spec;
    const char *id, *bundle, *status;
    pid_t pid; // 0: no process
};

// {"ociVersion":…}: the state as the specification has it. Caller frees.
char *hook_state_json(const struct hook_state *state);
// One after the other; the first failure ends the list.
int hooks_run(const char *kind, const struct oci_hook_list *hooks, const struct hook_state *state,
              struct err *err);

#endif
