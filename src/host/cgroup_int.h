// SPDX-License-Identifier: Apache-2.0
// What the parts of cgroup share: cgroup_host.c (what the host has), cgroup.c (a group's life),
// cgroup_v1.c and cgroup_v2.c (limits), cgroup_tasks.c (members, freezing, killing),
// cgroup_stats.c (figures).
#ifndef TRINE_HOST_CGROUP_INT_H
#define TRINE_HOST_CGROUP_INT_H

#include "base/str.h"
#include "base/vec.h"
#include "host/cgroup.h"

#define CGROUP_BIT(c) (1u << (c))
// One for each v1 controller at most, and the unified one.
enum { CGROUP_HIERARCHIES_MAX = CGROUP_CONTROLLER_COUNT + 1 };

struct cgroup_hierarchy {
    int version;
    unsigned controllers; // bits
    char *mount;
    const char *why_not; // static; NULL: we may make groups in it
};

struct cgroup_host {
    enum cgroup_mode mode;
    struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
    size_t n;
    int of[CGROUP_CONTROLLER_COUNT]; // index of the hierarchy that has the controller; -1: none
    int unified;                     // -1: none
};

struct cgroup {
    const struct cgroup_host *host; // borrowed: outlives the group
    char *path;
    int fds[CGROUP_HIERARCHIES_MAX];      // O_PATH folders; -1: the group is not in that hierarchy
    bool created[CGROUP_HIERARCHIES_MAX]; // by cgroup_create, which takes them back on failure
};

// `mountinfo`: text of /proc/PID/mountinfo. The mount points in it are looked at.
int cgroup_host_parse(const char *mountinfo, struct cgroup_host **ret, struct err *err);
const char *cgroup_controller_word(enum cgroup_controller c); // as version 1 calls it
// Words of cgroup.controllers, as bits.
unsigned cgroup_v2_parse_controllers(const char *words);

// Folder of the group in the hierarchy of c, with its version; -1: not there.
int cgroup_fd_of(const struct cgroup *cg, enum cgroup_controller c, int *ret_version);

// Controllers that these limits need, as bits.
unsigned cgroup_limits_controllers(const struct cgroup_limits *limits);

// A value into a control file. What the host lacks becomes a warning, what it refuses an error.
struct cgroup_writer {
    const struct cgroup *cg;
    struct str warning;
    struct err *err;
};
void cgroup_warn(struct cgroup_writer *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int cgroup_set(struct cgroup_writer *w, int fd, const char *file, const char *value);
// "max" for UINT64_MAX in version 2, "-1" in version 1.
int cgroup_set_u64(struct cgroup_writer *w, int fd, const char *file, uint64_t value,
                   const char *unlimited);

int cgroup_v1_apply(struct cgroup_writer *w, const struct cgroup_limits *limits);
int cgroup_v2_apply(struct cgroup_writer *w, const struct cgroup_limits *limits);
uint64_t cgroup_v2_weight(uint64_t shares); // 2..262144 to 1..10000
// A new v1 cpuset is empty and takes no process: each level inherits what is not set.
int cgroup_v1_inherit_cpuset(const char *mount, const char *path);
// Enables controllers in cgroup.subtree_control from the root down to the group's parent, making
// the folders on the way. Returns the bits that the group itself will have.
unsigned cgroup_v2_enable(const char *mount, const char *path, unsigned wanted);

struct cgroup_pids {
    pid_t *items;
    size_t len, cap;
};
// Of the group and the groups below it, from one hierarchy. -errno.
int cgroup_list_pids(int fd, struct cgroup_pids *ret);
int cgroup_members_fd(const struct cgroup *cg); // the folder whose members count

// Figures. A missing key is 0.
uint64_t cgroup_text_field(const char *text, const char *key); // "key value" lines
uint64_t cgroup_text_number(const char *text);                 // "max" and -1: UINT64_MAX
void cgroup_text_io_v1(const char *text, uint64_t *ret_read, uint64_t *ret_write);
void cgroup_text_io_v2(const char *text, uint64_t *ret_read, uint64_t *ret_write);

#endif
