// SPDX-License-Identifier: Apache-2.0
// create and exec for a supervisor that wants to stay small: a short-lived child parses, plans,
// compiles and makes the container; its memory goes with it. The container's process is made with
// CLONE_PARENT, so it is the supervisor's own child, and its descriptors come over a socket.
#include "execution/container/container.h"
#include "execution/container/spec.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SPAWN_WARNING, SPAWN_DONE, SPAWN_FAILED };
enum { HAS_PIDFD = 1, HAS_GATE = 2, HAS_CONSOLE = 4 }; // in this order among the descriptors

struct report {
    uint32_t kind, has;
    int32_t pid; // with SPAWN_FAILED: a process that is dead or dying and to be reaped, or -1
    uint64_t start_time;
    char cgroup_path[CONTAINER_CGROUP_MAX];
    struct err err; // of SPAWN_FAILED; of SPAWN_WARNING the cause is the text
};

struct job {
    const char *config;
    const char *process_json; // exec only
    size_t process_size;
    pid_t target_pid;
    int target_pidfd; // -1: create
    const struct container_options *options;
};

static void send_warning(const char *text, void *arg) {
    struct report report = {.kind = SPAWN_WARNING};
    snprintf(report.err.cause, sizeof(report.err.cause), "%s", text);
    (void)fd_send(*(int *)arg, &report, sizeof(report), NULL, 0, MSG_NOSIGNAL);
}

static int load_and_make(const struct job *job, const struct container_options *options,
                         struct container_process *ret, struct err *err) {
    struct oci_spec *spec = NULL;
    struct oci_process *process = NULL;
    auto_close int bundle = open(options->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (bundle < 0) return err_os(err, errno, options->bundle, "cannot open the bundle");
    int r = oci_spec_load(bundle, job->config, &spec, err);
    if (r < 0) return r;
    if (job->target_pidfd < 0) return container_create(spec, options, ret, err);
    r = oci_process_parse(spec, job->process_json, job->process_size, &process, err);
    if (r < 0) return r;
    return container_exec(spec, process, job->target_pid, job->target_pidfd, options, ret, err);
}

static void child_body(const struct job *job, int sock) {
    struct container_options options = *job->options;
    struct container_process p = CONTAINER_PROCESS_INIT;
    struct report report = {.kind = SPAWN_DONE};
    options.init_of_parent = true;
    options.warn = send_warning;
    options.warn_arg = &sock;
    if (load_and_make(job, &options, &p, &report.err) < 0) report.kind = SPAWN_FAILED;
    report.pid = p.pid;
    report.start_time = p.start_time;
    snprintf(report.cgroup_path, sizeof(report.cgroup_path), "%s", p.cgroup_path);
    int fds[3];
    size_t n = 0;
    if (p.pidfd >= 0) report.has |= HAS_PIDFD, fds[n++] = p.pidfd;
    if (p.gate_fd >= 0) report.has |= HAS_GATE, fds[n++] = p.gate_fd;
    if (p.console_fd >= 0) report.has |= HAS_CONSOLE, fds[n++] = p.console_fd;
    (void)fd_send(sock, &report, sizeof(report), fds, n, MSG_NOSIGNAL);
}

static int take_report(const struct report *report, const int *fds, size_t n,
                       struct container_process *ret, struct err *err) {
    size_t at = 0;
    ret->pidfd = report->has & HAS_PIDFD && at < n ? fds[at++] : -1;
    ret->gate_fd = report->has & HAS_GATE && at < n ? fds[at++] : -1;
    ret->console_fd = report->has & HAS_CONSOLE && at < n ? fds[at++] : -1;
    if (report->kind == SPAWN_DONE) {
        ret->pid = report->pid;
        ret->start_time = report->start_time;
        memcpy(ret->cgroup_path, report->cgroup_path, sizeof(ret->cgroup_path));
        return 0;
    }
    container_process_close(ret);
    ret->pid = -1;
    if (report->pid > 0) process_wait(report->pid); // ours by CLONE_PARENT, and killed by now
    if (err) *err = report->err;
    return err_code(&report->err);
}

static int listen_to(int sock, const struct job *job, struct container_process *ret,
                     struct err *err) {
    for (;;) {
        struct report report = {0};
        int fds[FD_PASS_MAX];
        size_t n = 0;
        ssize_t size = fd_recv(sock, &report, sizeof(report), fds, &n, 0);
        if (size != sizeof(report))
            return err_set(err, ERR_INTERNAL, 0, "container",
                           "the process that makes it ended without a word");
        if (report.kind != SPAWN_WARNING) return take_report(&report, fds, n, ret, err);
        if (job->options->warn) job->options->warn(report.err.cause, job->options->warn_arg);
    }
}

static int spawn(const struct job *job, struct container_process *ret, struct err *err) {
    *ret = (struct container_process)CONTAINER_PROCESS_INIT;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, errno, "container", "cannot make a socket pair");
    auto_close int ours = pair[0], theirs = pair[1];
    pid_t pid = fork();
    if (pid < 0) return err_os(err, errno, "container", "cannot fork");
    if (pid == 0) {
        close(ours);
        child_body(job, theirs);
        _exit(0);
    }
    close(take_fd(theirs));
    int r = listen_to(ours, job, ret, err);
    process_wait(pid);
    return r;
}

int container_spawn(const char *config, const struct container_options *options,
                    struct container_process *ret, struct err *err) {
    struct job job = {.config = config, .target_pidfd = -1, .options = options};
    return spawn(&job, ret, err);
}

int container_spawn_exec(const char *config, const char *process_json, size_t process_size,
                         pid_t target_pid, int target_pidfd,
                         const struct container_options *options, struct container_process *ret,
                         struct err *err) {
    struct job job = {config, process_json, process_size, target_pid, target_pidfd, options};
    return spawn(&job, ret, err);
}
