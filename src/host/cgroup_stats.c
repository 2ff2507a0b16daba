// SPDX-License-Identifier: Apache-2.0
// Figures of a group. Each file is optional: kernels and configurations differ.
#include "host/cgroup_int.h"

#include "host/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { STAT_MAX = 1 << 20 };

uint64_t cgroup_text_number(const char *text) {
    if (str_starts(text, "max") || text[0] == '-') return UINT64_MAX;
    uint64_t value = strtoull(text, NULL, 10);
    // Version 1 says "unlimited" as the largest number of whole pages.
    return value >= (uint64_t)INT64_MAX - 0xffff ? UINT64_MAX : value;
}

uint64_t cgroup_text_field(const char *text, const char *key) {
    size_t len = strlen(key);
    while (*text) {
        if (strncmp(text, key, len) == 0 && text[len] == ' ')
            return strtoull(text + len + 1, NULL, 10);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return 0;
}

// "8:0 Read 4096"
void cgroup_text_io_v1(const char *text, uint64_t *ret_read, uint64_t *ret_write) {
    while (*text) {
        size_t line = strcspn(text, "\n");
        const char *space = memchr(text, ' ', line);
        if (space && strncmp(space, " Read ", 6) == 0) *ret_read += strtoull(space + 6, NULL, 10);
        if (space && strncmp(space, " Write ", 7) == 0) *ret_write += strtoull(space + 7, NULL, 10);
        text += line + (text[line] == '\n');
    }
}

// "8:0 rbytes=4096 wbytes=0 rios=1 …"
void cgroup_text_io_v2(const char *text, uint64_t *ret_read, uint64_t *ret_write) {
    for (const char *at = text; (at = strchr(at, ' ')); at++) {
        if (strncmp(at, " rbytes=", 8) == 0) *ret_read += strtoull(at + 8, NULL, 10);
        if (strncmp(at, " wbytes=", 8) == 0) *ret_write += strtoull(at + 8, NULL, 10);
    }
}

// Text of a file, "" when it is not there. The caller's to free.
static char *read_text(int fd, const char *file) {
    char *text;
    return file_read(fd, file, STAT_MAX, &text, NULL, NULL) == 0 ? text : mem_strdup("");
}

static uint64_t read_number(int fd, const char *file) {
    auto_free char *text = read_text(fd, file);
    return cgroup_text_number(text);
}

static void read_cpu(const struct cgroup *cg, struct cgroup_stats *ret) {
    int version, fd = cgroup_fd_of(cg, CGROUP_CPUACCT, &version);
    if (fd >= 0 && version == 1) {
        ret->cpu_usage_ns = read_number(fd, "cpuacct.usage");
        ret->cpu_user_ns = read_number(fd, "cpuacct.usage_user");
        ret->cpu_system_ns = read_number(fd, "cpuacct.usage_sys");
    } else if (fd >= 0) {
        auto_free char *text = read_text(fd, "cpu.stat");
        ret->cpu_usage_ns = cgroup_text_field(text, "usage_usec") * 1000;
        ret->cpu_user_ns = cgroup_text_field(text, "user_usec") * 1000;
        ret->cpu_system_ns = cgroup_text_field(text, "system_usec") * 1000;
    }
    fd = cgroup_fd_of(cg, CGROUP_CPU, &version);
    if (fd < 0) return;
    auto_free char *text = read_text(fd, "cpu.stat");
    ret->cpu_throttled_ns = version == 1 ? cgroup_text_field(text, "throttled_time")
                                         : cgroup_text_field(text, "throttled_usec") * 1000;
}

static void read_memory(const struct cgroup *cg, struct cgroup_stats *ret) {
    int version, fd = cgroup_fd_of(cg, CGROUP_MEMORY, &version);
    if (fd < 0) return;
    auto_free char *stat = read_text(fd, "memory.stat");
    if (version == 1) {
        auto_free char *oom = read_text(fd, "memory.oom_control");
        ret->memory_bytes = read_number(fd, "memory.usage_in_bytes");
        ret->memory_max_bytes = read_number(fd, "memory.limit_in_bytes");
        ret->memory_peak_bytes = read_number(fd, "memory.max_usage_in_bytes");
        ret->memory_cache_bytes = cgroup_text_field(stat, "total_cache");
        ret->oom_kills = cgroup_text_field(oom, "oom_kill");
    } else {
        auto_free char *events = read_text(fd, "memory.events");
        ret->memory_bytes = read_number(fd, "memory.current");
        ret->memory_max_bytes = read_number(fd, "memory.max");
        ret->memory_peak_bytes = read_number(fd, "memory.peak");
        ret->memory_cache_bytes = cgroup_text_field(stat, "file");
        ret->oom_kills = cgroup_text_field(events, "oom_kill");
    }
}

static void read_io(const struct cgroup *cg, struct cgroup_stats *ret) {
    int version, fd = cgroup_fd_of(cg, CGROUP_BLKIO, &version);
    if (fd < 0) return;
    if (version == 1) {
        auto_free char *text = read_text(fd, "blkio.throttle.io_service_bytes_recursive");
        cgroup_text_io_v1(text, &ret->io_read_bytes, &ret->io_write_bytes);
    } else {
        auto_free char *text = read_text(fd, "io.stat");
        cgroup_text_io_v2(text, &ret->io_read_bytes, &ret->io_write_bytes);
    }
}

int cgroup_read_stats(struct cgroup *cg, struct cgroup_stats *ret, struct err *err) {
    *ret = (struct cgroup_stats){0};
    int members = cgroup_members_fd(cg);
    if (members < 0 || faccessat(members, "cgroup.procs", F_OK, 0) < 0) // removed by another
        return err_set(err, ERR_NOT_FOUND, ENOENT, cg->path, "there is no such control group");
    read_cpu(cg, ret);
    read_memory(cg, ret);
    read_io(cg, ret);
    int fd = cgroup_fd_of(cg, CGROUP_PIDS, NULL);
    if (fd >= 0) {
        ret->pids = read_number(fd, "pids.current");
        ret->pids_max = read_number(fd, "pids.max");
    }
    return 0;
}
