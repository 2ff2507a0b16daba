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

// For programs that come after us: those of this machine's other modes have the same rules, foreign
// ones run on, and set-id programs work.
static int prepare_inherited(scmp_filter_ctx filter) {
    static const struct {
        uint32_t native, other;
    } modes[] = {
        {SCMP_ARCH_X86_64, SCMP_ARCH_X86},
        {SCMP_ARCH_X86_64, SCMP_ARCH_X32},
        {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
    };
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
    if (r == 0) r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    if (r == 0) r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]) && r == 0; i++)
        if (modes[i].native == seccomp_arch_native()) r = seccomp_arch_add(filter, modes[i].other);
    return r;
}

typedef int prepare_fn(scmp_filter_ctx filter);

// A name that the library does not know cannot be allowed, which is safe; but it cannot be denied
// either, which is not.
static int load(prepare_fn *prepare_filter, uint32_t other, uint32_t named,
                const char *const *names, size_t n, bool must_know, struct err *err) {
    __attribute__((cleanup(release))) scmp_filter_ctx filter = seccomp_init(other);
    if (!filter) return err_os(err, ENOMEM, "seccomp", "cannot make a filter");
    int r = prepare_filter(filter);
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
    return load(prepare, other, SCMP_ACT_ALLOW, allowed, n, false, err);
}

int sandbox_seccomp_deny(const char *const *denied, size_t n, struct err *err) {
    return load(prepare, SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM), denied, n, true, err);
}

int sandbox_seccomp_deny_inherited(const char *const *denied, size_t n, struct err *err) {
    return load(prepare_inherited, SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM), denied, n, true, err);
}
