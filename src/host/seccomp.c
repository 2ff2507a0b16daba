// SPDX-License-Identifier: Apache-2.0
#include "host/sandbox.h"

#include <errno.h>
#include <seccomp.h>

static void release(scmp_filter_ctx *filter) {
    if (*filter) seccomp_release(*filter);
}

// Other architectures' calls are not of this list's numbers: they kill. All threads are bound.
static int prepare(scmp_filter_ctx filter) {
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    return r < 0 ? r : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
}

// A name that the library does not know cannot be allowed, which is safe; but it cannot be denied
// either, which is not.
static int load(uint32_t other, uint32_t named, const char *const *names, size_t n, bool must_know,
                struct err *err) {
    __attribute__((cleanup(release))) scmp_filter_ctx filter = seccomp_init(other);
    if (!filter) return err_os(err, ENOMEM, "seccomp", "cannot make a filter");
    int r = prepare(filter);
    for (size_t i = 0; i < n && r == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number == __NR_SCMP_ERROR && !must_know) continue;
        if (number == __NR_SCMP_ERROR)
            return err_set(err, ERR_UNSUPPORTED, 0, names[i],
                           "this libseccomp does not know the system call");
        r = seccomp_rule_add(filter, named, number, 0);
    }
    if (r == 0) r = seccomp_load(filter);
    return r < 0 ? err_os(err, -r, "seccomp", "cannot load the filter") : 0;
}

int sandbox_seccomp(const char *const *allowed, size_t n, bool kill, struct err *err) {
    uint32_t other = kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM);
    return load(other, SCMP_ACT_ALLOW, allowed, n, false, err);
}

int sandbox_seccomp_deny(const char *const *denied, size_t n, struct err *err) {
    return load(SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM), denied, n, true, err);
}
