// SPDX-License-Identifier: Apache-2.0
// The new process on its way to become the container's program: what its steps share.
//
// It runs in a copy of the creator's memory. Errors go up the sync socket (init.c); nothing here
// prints, and nothing is freed: exec or exit does that.
#ifndef TRINE_EXECUTION_CONTAINER_CHILD_H
#define TRINE_EXECUTION_CONTAINER_CHILD_H

#include "execution/container/plan.h"

struct child {
    const struct plan *plan;
    int sync;       // to the creator
    int gate;       // one byte opens it
    int root_fd;    // the container's root while it is not yet ours; -1 when it is "/"
    int tty;        // slave of the pty, or -1
    int zero_dir;   // an empty read-only tmpfs for masked directories, or -1
    bool dev_ready; // /dev has been filled
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t n_groups;
    char **env;
    const char *path; // of the program, looked up in the container
};

void child_warn(const struct child *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// mount.c
int child_mount_all(struct child *c, struct err *err);
// A file or directory of the container's root to mount on, made when missing. O_PATH or -errno.
int child_mount_target(struct child *c, const char *path, bool directory);
int child_attach(int tree_fd, int target_fd); // 0 or -errno
// A new, unattached file system. data: "key=value" words. The errors name `what`.
int child_new_filesystem(const char *what, const char *type, const char *source,
                         const struct oci_strings *data, uint64_t attributes, struct err *err);

// cgroup_mount.c
int child_mount_cgroups(struct child *c, const struct plan_mount *m, struct err *err);

// copy_up.c: what the image has at `path` into the unattached file system.
int child_copy_up(struct child *c, const char *path, int tree_fd, struct err *err);

// device.c
int child_fill_dev(struct child *c, int dev_fd, bool detached, struct err *err);
int child_make_devices(struct child *c, struct err *err);

// rootfs.c
int child_isolate_mounts(struct child *c, struct err *err);
int child_mount_root(struct child *c, struct err *err);
int child_make_cwd(struct child *c, struct err *err);
int child_enter_root(struct child *c, struct err *err);
int child_protect_paths(struct child *c, struct err *err);
int child_seal_root(struct child *c, struct err *err); // read-only, propagation

// kernel.c
int child_set_names(struct child *c, struct err *err);
int child_set_sysctls(struct child *c, struct err *err);
int child_set_oom_score(struct child *c, struct err *err);
int child_set_rlimits(struct child *c, struct err *err);
int child_set_scheduling(struct child *c, struct err *err);
int child_set_personality(struct child *c, struct err *err);
int child_new_keyring(struct child *c, struct err *err);

// console.c
int child_open_console(struct child *c, struct err *err);
int child_take_stdio(struct child *c, struct err *err);

// user.c
int child_find_user(struct child *c, struct err *err);
int child_become_user(struct child *c, struct err *err);

// program.c
int child_change_directory(struct child *c, struct err *err);
int child_find_program(struct child *c, struct err *err);
int child_close_descriptors(struct child *c, struct err *err);
int child_execute(struct child *c, struct err *err);

// Steps of init.c that exec shares.
int child_join(struct child *c, struct err *err);
int child_become_root(struct child *c, struct err *err);
int child_new_session(struct child *c, struct err *err);
int child_join_cgroup(struct child *c, struct err *err);
// The rest of the way, the same for init and exec (init.c). Returns only on failure.
int child_become_program(struct child *c, struct err *err);
// To the creator, or through the gate when that no longer listens.
void child_report(const struct child *c, const struct err *err);
struct child_step {
    const char *doing; // "while …"
    int (*run)(struct child *c, struct err *err);
};
int child_run_steps(struct child *c, const struct child_step *steps, size_t n, struct err *err);
// What init does, from clone to exec; the body of the process that clone3 made. Returns an exit
// code.
void child_reset_signals(void);
int child_init(const struct plan *plan, int sync, int gate, enum launch_way way);

#endif
