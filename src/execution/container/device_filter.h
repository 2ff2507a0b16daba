// SPDX-License-Identifier: Apache-2.0
// linux.resources.devices where the unified hierarchy has no files for it: a program that the kernel
// asks whenever a process of the group makes or opens a device (BPF_PROG_TYPE_CGROUP_DEVICE).
#ifndef TRINE_EXECUTION_CONTAINER_DEVICE_FILTER_H
#define TRINE_EXECUTION_CONTAINER_DEVICE_FILTER_H

#include "base/err.h"
#include "base/vec.h"

#include <linux/bpf.h>

struct device_filter_rule {
    bool allow;
    char type;            // 'a', 'b' or 'c'; 'a': every device, whatever the numbers
    int64_t major, minor; // -1: any
    unsigned access;      // BPF_DEVCG_ACC_*
};
struct device_filter {
    VEC(struct bpf_insn) code;
    bool failed; // no memory
};

// Rules are added from the last to the first, since a later one wins for each right that it names;
// what no rule names is allowed, as it is in a new group of version 1.
void device_filter_begin(struct device_filter *f);
void device_filter_add(struct device_filter *f, const struct device_filter_rule *rule);
void device_filter_end(struct device_filter *f);
void device_filter_free(struct device_filter *f);

// In place of what was attached to the group before. -errno of bpf(2).
int device_filter_attach(const struct device_filter *f, int cgroup_fd);
bool device_filter_is_attached(int cgroup_fd); // any program, by whomever

#endif
