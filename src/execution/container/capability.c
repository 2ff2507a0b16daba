// SPDX-License-Identifier: Apache-2.0
#include "execution/container/capability.h"

#include "host/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t parse_list(const struct oci_strings *list, char *unknown, size_t size) {
    uint64_t set = 0;
    for (size_t i = 0; i < list->len; i++) {
        int n = capability_number(list->items[i]);
        if (n >= 0) {
            set |= UINT64_C(1) << n;
        } else if (!strstr(unknown, list->items[i])) {
            size_t len = strlen(unknown);
            snprintf(unknown + len, size - len, "%s%s", len ? ", " : "", list->items[i]);
        }
    }
    return set;
}

void capability_sets_parse(const struct oci_capabilities *caps, struct capability_sets *ret,
                           char *unknown, size_t size) {
    unknown[0] = 0;
    *ret = (struct capability_sets){
        .bounding = parse_list(&caps->bounding, unknown, size),
        .effective = parse_list(&caps->effective, unknown, size),
        .inheritable = parse_list(&caps->inheritable, unknown, size),
        .permitted = parse_list(&caps->permitted, unknown, size),
        .ambient = parse_list(&caps->ambient, unknown, size),
    };
    // The kernel wants effective ⊆ permitted and ambient ⊆ permitted ∩ inheritable.
    ret->effective &= ret->permitted;
    ret->ambient &= ret->permitted & ret->inheritable;
}

static int cap_get(struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &header, data) < 0 ? -errno : 0;
}

static int cap_set(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static uint64_t permitted_now(void) {
    struct __user_cap_data_struct data[2] = {0};
    if (cap_get(data) < 0) return 0;
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

uint64_t capability_effective(void) {
    struct __user_cap_data_struct data[2] = {0};
    if (cap_get(data) < 0) return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

int capability_prepare(const struct capability_sets *sets, struct err *err) {
    for (unsigned n = 0; n < 64; n++) {
        if (sets->bounding >> n & 1) continue;
        if (prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break; // past the last one that the kernel has
        return err_os(err, errno, "capabilities", "cannot drop %s from the bounding set",
                      n < CAPABILITY_COUNT ? capability_name(n) : "a capability");
    }
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return err_os(err, errno, "capabilities", "cannot keep capabilities for a moment");
    return 0;
}

int capability_inherit(const struct capability_sets *sets, struct err *err) {
    uint64_t have = permitted_now();
    // setuid cleared the effective set; what follows (seccomp without no-new-privileges, the
    // ambient set) needs it once more.
    int r = cap_set(have, have, sets->inheritable & have);
    if (r < 0) return err_os(err, -r, "capabilities", "cannot set the inheritable set");
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned n = 0; n < 64; n++) {
        if (!(sets->ambient & have & sets->inheritable) ||
            !((sets->ambient & have & sets->inheritable) >> n & 1))
            continue;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
            return err_os(err, errno, "capabilities", "cannot raise the ambient %s",
                          capability_name(n));
    }
    return 0;
}

int capability_finish(const struct capability_sets *sets, struct err *err) {
    // Those that we lack ourselves cannot be granted; the specification wants the rest applied.
    uint64_t have = permitted_now();
    int r = cap_set(sets->effective & have, sets->permitted & have, sets->inheritable & have);
    return r < 0 ? err_os(err, -r, "capabilities", "cannot set the capability sets") : 0;
}
