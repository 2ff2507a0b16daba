// SPDX-License-Identifier: Apache-2.0
// Starting processes: a clone with a pidfd, an exact set of descriptors, an exact environment, a
// clean signal state.
#ifndef TRINE_HOST_PROCESS_H
#define TRINE_HOST_PROCESS_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <sys/types.h>

struct process_fd {
    int from; // the caller's descriptor, stays the caller's
    int to;   // its number in the child, >= 0
};

struct process_spec {
    const char
        *path; // executable; NULL: searched as argv[0] in the installed libexec folder, then PATH
    char *const *argv;            // NULL-terminated
    char *const *envp;            // NULL-terminated; NULL: the caller's environment
    const char *cwd;              // NULL: unchanged
    const struct process_fd *fds; // 0, 1 and 2 not named go to /dev/null; all others are closed
    size_t n_fds;
    bool new_session;     // setsid
    bool die_with_parent; // SIGKILL when the parent thread ends
    bool set_user;        // become uid/gid with no supplementary groups
    uid_t uid;
    gid_t gid;
};

// A child that could not exec reports why: the call fails, no child is left. *ret_pidfd is the
// caller's (may be NULL).
int process_spawn(const struct process_spec *spec, pid_t *ret_pid, int *ret_pidfd, struct err *err);

int process_pidfd(pid_t pid);             // -errno
int process_signal(int pidfd, int signo); // 0 or -errno
int process_start_time(
    pid_t pid, uint64_t *ret); // field 22 of /proc/PID/stat in clock ticks: tells reused pids apart

// Wait for a child and give its exit as a shell would: 0..255, 128+N for signal N. -errno on
// failure.
int process_wait(pid_t pid);
int process_exit_code(int wait_status);

// Runs a command to its end, output (stdout, and stderr when merge) collected up to max bytes. For
// helpers and tests.
int process_run(char *const *argv, size_t max, bool merge, char **ret_output,
                struct err *err); // exit code or -errno

// The folder of the running program's sister roles (trine-agent, trine-shim…): TRINE_LIBEXEC (absolute) when
// not set-id, else the directory of /proc/self/exe if the role is there, else the installed one.
// Written into buf.
const char *process_role_path(const char *role, char *buf,
                              size_t size); // role: "trine-shim"; NULL when absent

int process_signal_parse(const char *text, int *ret); // "TERM", "SIGTERM", "15"; -EINVAL
const char *process_signal_name(int signo);           // "TERM"; NULL when unknown

#endif
