// SPDX-License-Identifier: Apache-2.0
// Namespaces: which are made, which are joined, and the id maps of a user namespace.
#ifndef TRINE_EXECUTION_CONTAINER_NAMESPACE_H
#define TRINE_EXECUTION_CONTAINER_NAMESPACE_H

#include "execution/container/plan.h"

const char *namespace_word(size_t i); // the specification's names, NULL past the end
// linux.namespaces into plan->new_namespaces and plan->join (descriptors opened, kinds checked).
int namespace_plan(struct plan *plan, struct err *err);
// For exec: which of the target's namespaces differ from ours.
int namespace_plan_target(struct plan *plan, pid_t pid, struct err *err);
// In the new process. `early`: only user, pid and time, which must come before clone3.
int namespace_join(const struct plan *plan, bool early, struct err *err);
// By the creator, for its child in a new user namespace.
int namespace_write_maps(const struct plan *plan, pid_t pid, struct err *err);
// In the process that will make a container in a new time namespace: unshare, then offsets.
int namespace_make_time(const struct plan *plan, struct err *err);

#endif
