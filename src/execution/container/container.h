// SPDX-License-Identifier: Apache-2.0
// OCI containers as a library: the one face that the runtime command (trine-oci) and the supervisor
// (trine-shim) use. Everything else in this folder is its inside.
//
// A container's life, as the OCI runtime specification has it:
//
//   container_create ──▶ created: init waits at its gate ──container_start──▶ running ──▶ stopped
//                                                                                            │
//                       container_exec adds processes        container_kill, container_delete ◀┘
//
// Create reads in three parts: spec (config.json into structs) → plan (validate, open, resolve,
// compile: all that can fail with words) → execute (the named-step list of init.c, in the new
// process).
//
// Invariants: (1) a failed create leaves no process, cgroup or mount; (2) nothing is ever mounted
// in the caller's mount namespace; (3) no path of the container is followed outside its root; (4)
// no threads: the caller must have one thread only; (5) no descriptor but 0, 1, 2 and the preserved
// ones reaches the container's program.
#ifndef TRINE_EXECUTION_CONTAINER_CONTAINER_H
#define TRINE_EXECUTION_CONTAINER_CONTAINER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_host;
struct oci_spec;    // spec.h
struct oci_process; // spec.h

// config.json (or any file of that form) of a bundle. At most 16 MiB; the wrong type of a field is
// an error that names its JSON path; unknown fields are ignored, as the specification wants.
int oci_spec_load(int bundle_fd, const char *name, struct oci_spec **ret, struct err *err);
int oci_spec_parse(const char *json, size_t size, struct oci_spec **ret, struct err *err);
void oci_spec_free(struct oci_spec *spec); // NULL is fine
// A bare "process" object, as `exec --process FILE` takes it. It lives in `owner` until that is
// freed.
int oci_process_parse(struct oci_spec *owner, const char *json, size_t size,
                      struct oci_process **ret, struct err *err);
const char *oci_spec_annotation(const struct oci_spec *spec, const char *key); // NULL when absent

// Trine's own annotations in config.json:
//   org.trine.user     "name[:group]" or "uid[:gid]", resolved in the container's root; HOME is set
//                      when absent
//                      (for container_exec: user.username of the process object, the same way)
//   org.trine.seccomp  "default": the built-in profile, when linux.seccomp is absent
// and one mount form: {"destination":"/", "type":"overlay", ...} as first mount replaces root.path;
// with the option "trine.base=/abs/dir" the lowerdir entries are relative to that directory.

typedef void container_warn_fn(const char *text, void *arg);

struct container_options {
    const char *id;
    const char *bundle;    // absolute; relative paths of the spec start here; hooks are told it
    const char *cache_dir; // keeps compiled seccomp filters; NULL: compiled every time
    const struct cgroup_host *cgroups; // NULL: the container stays in the caller's groups
    const char *cgroup_path;           // NULL: linux.cgroupsPath, else "trine/<id>"
    int stdio[3];       // without a terminal these become 0, 1, 2 (-1: /dev/null). Borrowed.
    int console_socket; // with a terminal: the pty's master is sent here; -1: it comes back
                        // in container_process.console_fd
    int gate_fd; // init reads one byte here before exec; a FIFO opened O_RDWR, or -1: a socket
                 // pair is made and its other end comes back in container_process.gate_fd
    unsigned preserve_fds; // descriptors 3 .. 3+n-1 are kept for the program
    bool init_of_parent;   // the new process becomes the child of the caller's parent
    bool die_with_parent;  // SIGKILL for the new process when its parent thread ends
    bool no_pivot;         // MS_MOVE and chroot in place of pivot_root (root on a ramfs)
    bool no_new_keyring;
    container_warn_fn *warn; // what was asked for and cannot be had here; NULL: dropped
    void *warn_arg;
};
// Everything off, descriptors -1 but stdio, which is 0, 1, 2.
#define CONTAINER_OPTIONS_INIT \
    { .stdio = {0, 1, 2}, .console_socket = -1, .gate_fd = -1 }

#define CONTAINER_CGROUP_MAX 512
struct container_process {
    pid_t pid;
    int pidfd;           // caller's
    int gate_fd;         // caller's; closing it before start aborts the container. -1 where the
                         // caller gave a gate
    int console_fd;      // caller's; pty master, -1: none
    uint64_t start_time; // of /proc/PID/stat: tells reused pids apart
    char cgroup_path[CONTAINER_CGROUP_MAX]; // "" when without cgroup
};
#define CONTAINER_PROCESS_INIT \
    { .pid = -1, .pidfd = -1, .gate_fd = -1, .console_fd = -1 }
void container_process_close(struct container_process *p); // descriptors only; pid 0 afterwards

// On return the namespaces, mounts, cgroup and hooks up to createContainer are done, and init waits
// at its gate. Init is the caller's child (or its parent's, see above): the caller must reap it.
int container_create(const struct oci_spec *spec, const struct container_options *options,
                     struct container_process *ret, struct err *err);
// Opens the gate and returns when the program runs (or with the reason why it could not: then init
// exits 127 when the program was not found, 126 when it cannot be executed). Runs the poststart
// hooks. Closes gate_fd.
int container_start(const struct oci_spec *spec, const struct container_options *options,
                    struct container_process *p, struct err *err);
// The same, without hooks, for the other end of a FIFO that was given as gate_fd (in `dirfd`).
int container_start_fifo(int dirfd, const char *name, struct err *err);
// The poststart hooks alone. One that fails ends the container.
int container_poststart(const struct oci_spec *spec, const struct container_options *options,
                        pid_t pid, struct err *err);

// A further process inside: joins every namespace of `target` by its pidfd, its cgroup, and becomes
// what `process` says. `spec` is the container's (seccomp, apparmor). Of options: id, cgroups,
// cgroup_path, cache_dir, stdio, console_socket, preserve_fds, init_of_parent, die_with_parent.
// Returns when the program runs; exit codes 127/126 as above are the caller's to give
// (container_exit_code).
int container_exec(const struct oci_spec *spec, const struct oci_process *process, pid_t target_pid,
                   int target_pidfd, const struct container_options *options,
                   struct container_process *ret, struct err *err);

// The exit code that a shell would give for a program that could not be started for this reason:
// 127 not found, 126 cannot be executed, else 125 (the runtime's own failure, as engines have it).
int container_exit_code(const struct err *err);

// create and exec from a short-lived child, so that the caller's memory stays as small as it is:
// the JSON, the plan and libseccomp live and die there; the new process is the *caller's* child.
// The spec is read from `config` in options->bundle. container_start is then called with spec NULL
// (no poststart hooks) or through container_spawn_start, which has its own short-lived child.
int container_spawn(const char *config, const struct container_options *options,
                    struct container_process *ret, struct err *err);
// `process_json`: the process object of the new process.
int container_spawn_exec(const char *config, const char *process_json, size_t process_size,
                         pid_t target_pid, int target_pidfd,
                         const struct container_options *options, struct container_process *ret,
                         struct err *err);

// To the init process, or with `all` to every process of the cgroup.
int container_kill(const struct container_options *options, int pidfd, int signo, bool all,
                   struct err *err);
// After init has ended (or with `force`, killing it): removes the cgroup and runs the poststop
// hooks (their failure is a warning). spec may be NULL: no hooks. The caller reaps init.
int container_delete(const struct oci_spec *spec, const struct container_options *options,
                     const struct container_process *p, bool force, struct err *err);

// First thing in main() of a program that calls create or exec: makes the program's own file
// unwritable through /proc/PID/exe from inside a container (CVE-2019-5736) by executing itself
// again from a read-only detached mount of its file. Returns 0 when it already runs so, or when the
// file cannot be written by the container anyway; does not return when it executes itself.
int container_seal_self(char *const *argv, struct err *err);

#endif
