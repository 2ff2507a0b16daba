// SPDX-License-Identifier: Apache-2.0
// Limits in version 1 hierarchies: Documentation/admin-guide/cgroup-v1 of the kernel.
#include "host/cgroup_int.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static int v1_fd(const struct cgroup *cg, enum cgroup_controller c) {
    int version = 0, fd = cgroup_fd_of(cg, c, &version);
    return version == 1 ? fd : -1;
}

static bool reads_empty(const char *path) {
    auto_free char *text = NULL;
    return file_read(AT_FDCWD, path, 65536, &text, NULL, NULL) == 0 &&
           text[strspn(text, " \n")] == 0;
}

static int inherit(const char *above, const char *folder, const char *file) {
    auto_free char *from = mem_printf("%s/%s", above, file);
    auto_free char *to = mem_printf("%s/%s", folder, file), *text = NULL;
    if (!reads_empty(to)) return 0;
    int r = file_read(AT_FDCWD, from, 65536, &text, NULL, NULL);
    return r < 0 ? r : file_write_text(AT_FDCWD, to, text);
}

int cgroup_v1_inherit_cpuset(const char *mount, const char *path) {
    auto_free char *above = mem_strdup(mount);
    for (const char *end = path; *end;) {
        end += strcspn(end + (*end == '/'), "/") + (*end == '/');
        char *folder = mem_printf("%s/%.*s", mount, (int)(end - path), path);
        int r = inherit(above, folder, "cpuset.cpus");
        if (r == 0) r = inherit(above, folder, "cpuset.mems");
        free(above);
        above = folder;
        if (r < 0) return r;
    }
    return 0;
}

static uint64_t read_number(int fd, const char *file) {
    auto_free char *text = NULL;
    return file_read(fd, file, 64, &text, NULL, NULL) == 0 ? cgroup_text_number(text) : UINT64_MAX;
}

// memsw limits memory and swap together and may never be below the limit of memory: when both
// grow it goes first.
static int apply_memory(struct cgroup_writer *w, int fd, const struct cgroup_limits *l) {
    static const char limit[] = "memory.limit_in_bytes", both[] = "memory.memsw.limit_in_bytes";
    int r = 0;
    uint64_t memory = l->memory_max_bytes, sum = 0;
    if (l->memory_swap_max_bytes) {
        uint64_t base = memory ? memory : read_number(fd, limit);
        if (__builtin_add_overflow(base, l->memory_swap_max_bytes, &sum) || base >= INT64_MAX)
            sum = UINT64_MAX;
        if (sum > read_number(fd, both)) r = cgroup_set_u64(w, fd, both, sum, "-1");
    } else if (memory && memory > read_number(fd, both)) {
        // A memsw limit in the way of more memory gives way.
        r = cgroup_set_u64(w, fd, both, UINT64_MAX, "-1");
    }
    if (r == 0 && memory) r = cgroup_set_u64(w, fd, limit, memory, "-1");
    if (r == 0 && sum) r = cgroup_set_u64(w, fd, both, sum, "-1");
    if (r == 0 && l->memory_low_bytes)
        r = cgroup_set_u64(w, fd, "memory.soft_limit_in_bytes", l->memory_low_bytes, "-1");
    return r;
}

static int apply_cpu(struct cgroup_writer *w, int fd, const struct cgroup_limits *l) {
    int r = 0;
    if (l->cpu_period_us || l->cpu_quota_us) {
        uint64_t period = l->cpu_period_us ? l->cpu_period_us : 100000;
        r = cgroup_set_u64(w, fd, "cpu.cfs_period_us", period, "100000");
    }
    if (r == 0 && l->cpu_quota_us)
        r = cgroup_set_u64(w, fd, "cpu.cfs_quota_us", l->cpu_quota_us, "-1");
    if (r == 0 && l->cpu_shares) r = cgroup_set_u64(w, fd, "cpu.shares", l->cpu_shares, "262144");
    return r;
}

int cgroup_v1_apply(struct cgroup_writer *w, const struct cgroup_limits *l) {
    int fd, r = 0;
    if ((fd = v1_fd(w->cg, CGROUP_MEMORY)) >= 0) r = apply_memory(w, fd, l);
    if (r == 0 && (fd = v1_fd(w->cg, CGROUP_CPU)) >= 0) r = apply_cpu(w, fd, l);
    if (r == 0 && l->pids_max && (fd = v1_fd(w->cg, CGROUP_PIDS)) >= 0)
        r = cgroup_set_u64(w, fd, "pids.max", l->pids_max, "max");
    fd = v1_fd(w->cg, CGROUP_CPUSET);
    if (r == 0 && l->cpuset_cpus && fd >= 0) r = cgroup_set(w, fd, "cpuset.cpus", l->cpuset_cpus);
    if (r == 0 && l->cpuset_mems && fd >= 0) r = cgroup_set(w, fd, "cpuset.mems", l->cpuset_mems);
    return r;
}
