// SPDX-License-Identifier: Apache-2.0
// The five capability sets of a process (capabilities(7)).
#ifndef TRINE_EXECUTION_CONTAINER_CAPABILITY_H
#define TRINE_EXECUTION_CONTAINER_CAPABILITY_H

#include "execution/container/spec.h"

struct capability_sets { // bit N = capability N
    uint64_t bounding, effective, inheritable, permitted, ambient;
};

// Names that this build does not know are collected, comma-separated, in unknown (may end cut).
void capability_sets_parse(const struct oci_capabilities *caps, struct capability_sets *ret,
                           char *unknown, size_t size);

// The two halves of becoming less. First, while still root: the bounding set, and the other sets
// such that capability_finish only has to shrink. Between them come setuid (with PR_SET_KEEPCAPS)
// and seccomp.
int capability_prepare(const struct capability_sets *sets, struct err *err);
int capability_inherit(const struct capability_sets *sets, struct err *err); // after setuid
int capability_finish(const struct capability_sets *sets, struct err *err);
uint64_t capability_effective(void); // of the calling process

#endif
