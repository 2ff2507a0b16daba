// SPDX-License-Identifier: Apache-2.0
// The commands of an OCI runtime (create, start, state …) on top of the library: what trine-oci does
// once its arguments are read.
#ifndef TRINE_EXECUTION_CONTAINER_RUNTIME_H
#define TRINE_EXECUTION_CONTAINER_RUNTIME_H

#include "base/vec.h"
#include "execution/container/state.h"

// Everything that the command line can say; NULL, false or 0 where it did not.
struct runtime {
    const char *root; // state directory, never NULL
    const char *id, *bundle, *config;
    const char *pid_file, *console_socket;
    const char *process_file, *cwd, *user, *cgroup; // exec
    const char *resources_file;                     // update
    const char *format;                             // list, ps
    struct strv env, caps, groups, args;
    unsigned preserve_fds;
    int signo;
    bool detach, no_pivot, no_new_keyring, keep;
    bool tty, no_new_privileges, ignore_paused;
    bool all, force, quiet, stats, rootless;
    char *const *argv; // of main
    container_warn_fn *warn;
};

// Each returns the exit code of the program, or a negative errno with err set.
int runtime_create(struct runtime *rt, struct err *err);
int runtime_run(struct runtime *rt, struct err *err);
int runtime_start(struct runtime *rt, struct err *err);
int runtime_exec(struct runtime *rt, struct err *err);
int runtime_kill(struct runtime *rt, struct err *err);
int runtime_delete(struct runtime *rt, struct err *err);
int runtime_state(struct runtime *rt, struct err *err);
int runtime_list(struct runtime *rt, struct err *err);
int runtime_ps(struct runtime *rt, struct err *err);
int runtime_pause(struct runtime *rt, struct err *err);
int runtime_resume(struct runtime *rt, struct err *err);
int runtime_update(struct runtime *rt, struct err *err);
int runtime_events(struct runtime *rt, struct err *err);
int runtime_features(struct runtime *rt, struct err *err);
int runtime_spec(struct runtime *rt, struct err *err);
int runtime_checkpoint(struct runtime *rt, struct err *err);

// Shared by the files of the commands.
// State and configuration of an existing container; cgroups may be NULL (not wanted).
struct runtime_target {
    struct state state;
    struct oci_spec *spec;
    struct cgroup_host *cgroups;
    struct container_options options;
};
int runtime_open(struct runtime *rt, bool shared, bool with_spec, struct runtime_target *ret,
                 struct err *err);
void runtime_close(struct runtime_target *target);
char *runtime_cache_dir(const struct runtime *rt);
int runtime_connect_console(const struct runtime *rt, int *ret_fd, struct err *err);
int runtime_write_pid(const struct runtime *rt, pid_t pid, struct err *err);
// Waits for a child of ours with the terminal (console >= 0) and signals passed on; its exit code.
int runtime_wait(const struct container_process *p, struct err *err);

#endif
