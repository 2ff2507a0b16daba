// SPDX-License-Identifier: Apache-2.0
// Limits in the unified hierarchy: Documentation/admin-guide/cgroup-v2.rst of the kernel.
#include "host/cgroup_int.h"

#include "host/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *v2_word(enum cgroup_controller c) {
    return c == CGROUP_BLKIO ? "io" : cgroup_controller_word(c);
}

static unsigned read_controllers(const char *folder, const char *file) {
    auto_free char *path = mem_printf("%s/%s", folder, file), *text = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0) return 0;
    return cgroup_v2_parse_controllers(text);
}

// For the children of `folder`. All in one write; where the kernel refuses one of them, one by one,
// so that it does not cost the others.
static unsigned enable_below(const char *folder, unsigned wanted) {
    unsigned have = read_controllers(folder, "cgroup.controllers") & wanted;
    unsigned on = read_controllers(folder, "cgroup.subtree_control");
    unsigned missing = have & ~on;
    if (!missing) return have;
    auto_free char *path = mem_printf("%s/cgroup.subtree_control", folder);
    auto_str struct str all = {0};
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
        if (missing & CGROUP_BIT(c)) str_printf(&all, "%s+%s", all.len ? " " : "", v2_word(c));
    if (file_write_text(AT_FDCWD, path, str_text(&all)) == 0) return have;
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
        if (!(missing & CGROUP_BIT(c))) continue;
        auto_free char *one = mem_printf("+%s", v2_word(c));
        if (file_write_text(AT_FDCWD, path, one) < 0) have &= ~CGROUP_BIT(c);
    }
    return have;
}

unsigned cgroup_v2_enable(const char *mount, const char *path, unsigned wanted) {
    auto_free char *folder = mem_strdup(mount);
    for (const char *at = path;; at++) {
        wanted = enable_below(folder, wanted);
        at += strcspn(at, "/");
        if (!*at) return wanted;
        free(folder);
        folder = mem_printf("%s/%.*s", mount, (int)(at - path), path);
        dir_make(AT_FDCWD, folder, 0755, NULL); // its failure shows when the group is made
    }
}

uint64_t cgroup_v2_weight(uint64_t shares) {
    if (shares < 2) shares = 2;
    if (shares > 262144) shares = 262144;
    return 1 + (shares - 2) * 9999 / 262142;
}

static int apply_cpu(struct cgroup_writer *w, int fd, const struct cgroup_limits *l) {
    int r = 0;
    char text[64];
    uint64_t period = l->cpu_period_us ? l->cpu_period_us : 100000;
    if (l->cpu_quota_us && l->cpu_quota_us != UINT64_MAX) {
        snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, l->cpu_quota_us, period);
        r = cgroup_set(w, fd, "cpu.max", text);
    } else if (l->cpu_quota_us) {
        snprintf(text, sizeof(text), "max %" PRIu64, period);
        r = cgroup_set(w, fd, "cpu.max", text);
    }
    if (r == 0 && l->cpu_shares)
        r = cgroup_set_u64(w, fd, "cpu.weight", cgroup_v2_weight(l->cpu_shares), "10000");
    return r;
}

static bool is_v2(const struct cgroup *cg, enum cgroup_controller c, int *ret_fd) {
    int version = 0;
    *ret_fd = cgroup_fd_of(cg, c, &version);
    return version == 2 && *ret_fd >= 0;
}

int cgroup_v2_apply(struct cgroup_writer *w, const struct cgroup_limits *l) {
    int fd, r = 0;
    if (is_v2(w->cg, CGROUP_MEMORY, &fd)) {
        // Less memory than is used means reclaim, so the limit of swap comes first.
        if (l->memory_swap_max_bytes)
            r = cgroup_set_u64(w, fd, "memory.swap.max", l->memory_swap_max_bytes, "max");
        if (r == 0 && l->memory_max_bytes)
            r = cgroup_set_u64(w, fd, "memory.max", l->memory_max_bytes, "max");
        if (r == 0 && l->memory_low_bytes)
            r = cgroup_set_u64(w, fd, "memory.low", l->memory_low_bytes, "max");
    }
    if (r == 0 && is_v2(w->cg, CGROUP_CPU, &fd)) r = apply_cpu(w, fd, l);
    if (r == 0 && l->pids_max && is_v2(w->cg, CGROUP_PIDS, &fd))
        r = cgroup_set_u64(w, fd, "pids.max", l->pids_max, "max");
    if (r == 0 && is_v2(w->cg, CGROUP_CPUSET, &fd)) {
        if (l->cpuset_cpus) r = cgroup_set(w, fd, "cpuset.cpus", l->cpuset_cpus);
        if (r == 0 && l->cpuset_mems) r = cgroup_set(w, fd, "cpuset.mems", l->cpuset_mems);
    }
    return r;
}
