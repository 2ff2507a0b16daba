// SPDX-License-Identifier: Apache-2.0
// System call filters: an OCI profile becomes a BPF program by libseccomp, which takes longer than
// the rest of a container's start, so compiled programs are kept in a cache directory under the
// hash of all that went in.
#ifndef TRINE_EXECUTION_CONTAINER_SECCOMP_H
#define TRINE_EXECUTION_CONTAINER_SECCOMP_H

#include "execution/container/spec.h"

#include <linux/filter.h>

struct seccomp_filter {
    struct sock_filter *program; // malloc'd; NULL: no filter
    unsigned short len;          // instructions
    unsigned flags;              // SECCOMP_FILTER_FLAG_*
};

// The built-in profile: what ordinary programs need, for the given capabilities (of the bounding
// set). Lives in the arena.
const struct oci_seccomp *seccomp_default_profile(struct arena *arena, uint64_t capabilities);

int seccomp_compile(const struct oci_seccomp *profile, const char *cache_dir,
                    struct seccomp_filter *ret, struct err *err);
void seccomp_filter_free(struct seccomp_filter *filter);
// For the calling process, from now on, and for what it executes. Needs CAP_SYS_ADMIN or
// no-new-privileges.
int seccomp_install(const struct seccomp_filter *filter, struct err *err);
const char *seccomp_action_name(size_t i); // for `features`; NULL past the end
const char *seccomp_arch_name(size_t i);

#endif
