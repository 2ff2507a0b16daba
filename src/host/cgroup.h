// SPDX-License-Identifier: Apache-2.0
// Control groups of version 1, 2 and of hosts with both (hybrid), behind one interface.
//
// The host is read once (cgroup_host_open): which controller lives in which hierarchy, and where. A
// group is a path relative to the root of every hierarchy ("trine/<id>"); it is made in each
// hierarchy that is needed: those of the controllers in `want`, plus freezer/devices (v1) or the
// unified one (v2). A missing controller is no failure unless a limit asks for it: then the caller
// gets a warning text.
//
// Joining writes "0" to the v1 `tasks` file from the thread itself: moving a single thread that is
// the caller needs no cgroup_threadgroup_rwsem, which saves an RCU grace period (5 to 24 ms)
// against writing a pid to cgroup.procs.
#ifndef TRINE_HOST_CGROUP_H
#define TRINE_HOST_CGROUP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_controller {
    CGROUP_CPU,
    CGROUP_CPUACCT,
    CGROUP_CPUSET,
    CGROUP_MEMORY,
    CGROUP_PIDS,
    CGROUP_DEVICES,
    CGROUP_FREEZER,
    CGROUP_BLKIO,
    CGROUP_HUGETLB,
    CGROUP_NAMED_SYSTEMD,
    CGROUP_CONTROLLER_COUNT, // v2 "io" answers to BLKIO
};
enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_V2, CGROUP_HYBRID };

struct cgroup_host; // immutable after open; may be shared
int cgroup_host_open(struct cgroup_host **ret,
                     struct err *err); // from /proc/self/mountinfo and cgroup.controllers
void cgroup_host_free(struct cgroup_host *host);
enum cgroup_mode cgroup_host_mode(const struct cgroup_host *host);
const char *cgroup_mode_word(enum cgroup_mode mode); // "none" "v1" "v2" "hybrid"
// Usable by us: the hierarchy is mounted and we may make groups in it. why (may be NULL) is set
// when not.
bool cgroup_host_can(const struct cgroup_host *host, enum cgroup_controller c,
                     const char **ret_why);
// Version (1 or 2) of the hierarchy that has the controller; 0: not there.
int cgroup_host_version(const struct cgroup_host *host, enum cgroup_controller c);
// Absolute directory of `path` in the hierarchy of c ("/sys/fs/cgroup/pids/trine/x"); NULL when
// absent. Caller frees.
char *cgroup_host_dir(const struct cgroup_host *host, enum cgroup_controller c, const char *path);

struct cgroup_limits { // 0: not set; the meaning of UINT64_MAX is "unlimited"
    uint64_t memory_max_bytes;
    uint64_t memory_swap_max_bytes; // swap alone
    uint64_t memory_low_bytes;
    uint64_t cpu_quota_us, cpu_period_us; // period 0: 100000
    uint64_t cpu_shares;                  // v1 scale 2..262144; converted on v2
    uint64_t pids_max;
    const char *cpuset_cpus, *cpuset_mems; // "0-2,5"; NULL: not set
};

struct cgroup;
// Makes the directories (0755). Existing ones are reused only if empty of processes, else
// ERR_EXISTS. *ret_warning: what could not be had (NULL when all is well), caller frees; may be
// NULL.
int cgroup_create(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct cgroup **ret, char **ret_warning,
                  struct err *err);
int cgroup_open(const struct cgroup_host *host, const char *path, struct cgroup **ret,
                struct err *err);     // existing
void cgroup_close(struct cgroup *cg); // forgets; the groups stay
int cgroup_join(struct cgroup *cg,
                struct err *err); // the calling, single-threaded process moves itself
// For clone3(CLONE_INTO_CGROUP) on v2: directory descriptor or -1. Borrowed.
int cgroup_v2_fd(const struct cgroup *cg);
int cgroup_update(struct cgroup *cg, const struct cgroup_limits *limits, char **ret_warning,
                  struct err *err);
int cgroup_freeze(struct cgroup *cg, bool frozen,
                  struct err *err); // returns when the kernel says so (bounded 5 s)
int cgroup_kill(struct cgroup *cg, int signo,
                struct err *err); // all processes, thawed; SIGKILL uses cgroup.kill on v2
int cgroup_procs(struct cgroup *cg, pid_t **ret_pids, size_t *ret_n, struct err *err);
// Kills what is left, waits (bounded 2 s, by events, no polling sleep above 1 ms) and removes all
// directories.
int cgroup_destroy(struct cgroup *cg, struct err *err);

struct cgroup_stats { // absent figures are 0
    uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns, cpu_throttled_ns;
    uint64_t memory_bytes, memory_max_bytes, memory_peak_bytes, memory_cache_bytes, oom_kills;
    uint64_t pids, pids_max;
    uint64_t io_read_bytes, io_write_bytes;
};
int cgroup_read_stats(struct cgroup *cg, struct cgroup_stats *ret, struct err *err);

#endif
