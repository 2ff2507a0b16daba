// SPDX-License-Identifier: Apache-2.0
// What a container will be, decided before anything is done: made by the creating process (plan.c),
// then read by the new process (init.c). All that can be refused with words is refused here.
//
// Invariant: after plan_build no path of the spec's host side (namespace files, bundle) is looked
// up twice: descriptors are kept. Paths inside the container are looked up once, in its root.
#ifndef TRINE_EXECUTION_CONTAINER_PLAN_H
#define TRINE_EXECUTION_CONTAINER_PLAN_H

#include "execution/container/capability.h"
#include "execution/container/mount_option.h"
#include "execution/container/seccomp.h"
#include "execution/container/spec.h"

struct cgroup;

// Namespaces that are joined by descriptor, in the order in which that must happen.
#define PLAN_JOIN_MAX 8
#define PLAN_TASKS_MAX 16
struct plan_join {
    int fd, type; // type: CLONE_NEW*
    const char *word;
};

struct plan_mount {
    const struct oci_mount *spec;
    struct mount_options options;
    const char *source; // absolute for binds
    int tree_fd;        // bind source opened by the creator (user namespaces), or -1
};

struct plan {
    const struct oci_spec *spec;
    const struct oci_process *process; // NULL never
    const struct container_options *options;
    struct arena *arena;
    bool exec; // joins a running container instead of making one

    uint64_t new_namespaces; // CLONE_NEW* made by clone3
    bool new_cgroup_ns, new_time_ns;
    struct plan_join join[PLAN_JOIN_MAX];
    size_t n_join;
    bool in_user_ns;  // new or joined: not all of root's rights
    int target_pidfd; // exec: whose namespaces are joined; else -1
    uint64_t target_namespaces;

    const char *root_path; // absolute; "" when the first mount is the root
    int root_fd;           // its tree opened by the creator (user namespaces), or -1
    struct plan_mount *mounts;
    size_t n_mounts;
    const struct oci_mount *root_mount; // the mount of "/", or NULL
    unsigned long root_propagation;     // MS_PRIVATE … with MS_REC, 0: not asked for
    bool has_mount_ns;
    bool no_devices; // of the root file system

    struct capability_sets capabilities;
    bool set_capabilities;
    struct seccomp_filter seccomp;
    unsigned long personality; // PLAN_NO_PERSONALITY: leave it
    struct cgroup *cgroup;
    char cgroup_path[CONTAINER_CGROUP_MAX];
    // Where a process in a new user namespace writes itself into its groups: opened by the creator,
    // whose rights are what the kernel then asks for.
    int task_fds[PLAN_TASKS_MAX];
    size_t n_task_fds;
};
#define PLAN_NO_PERSONALITY (~0UL)

// What the new process finds: nothing to wait for; id maps that are still to come; or namespaces and
// groups that a process in the middle has joined already.
enum launch_way { LAUNCH_DIRECT, LAUNCH_AWAIT_MAPS, LAUNCH_JOINED };

// options and spec stay the caller's and must outlive the plan.
int plan_build(const struct oci_spec *spec, const struct oci_process *process,
               const struct container_options *options, bool exec, struct plan *ret,
               struct err *err);
// Where the container's group is, relative to every hierarchy's root.
int plan_cgroup_path(const struct oci_spec *spec, const struct container_options *options,
                     char ret[CONTAINER_CGROUP_MAX], struct err *err);
// Nothing on this host guards devices: the container gets no right to make nodes, and those that
// the image has cannot be opened. In a user namespace the kernel sees to that by itself.
void plan_withhold_devices(struct plan *plan);
void plan_release(struct plan *plan); // descriptors and memory; the cgroup is only forgotten
void plan_warn(const struct plan *plan, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
