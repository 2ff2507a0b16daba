// SPDX-License-Identifier: Apache-2.0
// Giving up rights, in plain sight. A role calls these after its descriptors are open and before it
// serves:
//   sandbox_no_new_privs → sandbox_landlock → sandbox_set_user / sandbox_drop_capabilities →
//   sandbox_seccomp
// Each says in one line of code what a hijacked process could still do.
#ifndef TRINE_HOST_SANDBOX_H
#define TRINE_HOST_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int sandbox_no_new_privs(struct err *err);

enum sandbox_access {
    SANDBOX_READ = 1,
    SANDBOX_WRITE = 2,
    SANDBOX_MAKE = 4, // and remove, rename, link: everything but devices
    SANDBOX_EXEC = 8,
    SANDBOX_DEVICE = 16, // make device files
};
struct sandbox_path {
    const char *path; // a directory (with all below it) or a file; absent ones are skipped
    unsigned access;  // of enum sandbox_access
};
// Everything not listed is refused from now on. Where the kernel has no Landlock: 0, and
// *ret_enforced is false.
int sandbox_landlock(const struct sandbox_path *paths, size_t n, bool *ret_enforced,
                     struct err *err);

// All of real, effective and saved ids, no supplementary groups; refuses to continue if root could
// be regained.
int sandbox_set_user(uid_t uid, gid_t gid, struct err *err);
// Bounding, permitted, effective, inheritable and ambient sets become `keep` (bit N = capability
// N).
int sandbox_drop_capabilities(uint64_t keep, struct err *err);

// Allow-list of system call names (libseccomp); others give EPERM, or kill the process where
// `kill`.
int sandbox_seccomp(const char *const *allowed, size_t n, bool kill, struct err *err);
// Deny-list: everything but the named calls (for roles that run libraries of many habits).
int sandbox_seccomp_deny(const char *const *denied, size_t n, struct err *err);
// The same for a process that starts programs of all kinds: they inherit the list, but 32-bit and
// set-id programs go on working (no_new_privs stays as it is, so CAP_SYS_ADMIN is needed).
int sandbox_seccomp_deny_inherited(const char *const *denied, size_t n, struct err *err);

#endif
