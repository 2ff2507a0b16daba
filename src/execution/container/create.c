// SPDX-License-Identifier: Apache-2.0
// The creator's side of a container's life: create, start, kill, delete.
#include "execution/container/child.h"
#include "execution/container/hooks.h"
#include "execution/container/launch.h"
#include "execution/container/resources.h"
#include "execution/container/sync.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

void container_process_close(struct container_process *p) {
    if (p->pidfd >= 0) close(take_fd(p->pidfd));
    if (p->gate_fd >= 0) close(take_fd(p->gate_fd));
    if (p->console_fd >= 0) close(take_fd(p->console_fd));
    p->pid = 0;
}

// One file per hierarchy that the group is in; several controllers may share one.
static int open_tasks(struct plan *plan, struct err *err) {
    if (!plan->in_user_ns) return 0;
    auto_strv struct strv seen = {0};
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT && plan->n_task_fds < PLAN_TASKS_MAX; c++) {
        auto_free char *dir =
            cgroup_host_dir(plan->options->cgroups, (enum cgroup_controller)c, plan->cgroup_path);
        bool again = !dir;
        for (size_t i = 0; !again && i < seen.len; i++) again = !strcmp(seen.items[i], dir);
        if (again) continue;
        strv_add(&seen, dir);
        bool v1 = cgroup_host_version(plan->options->cgroups, (enum cgroup_controller)c) == 1;
        auto_free char *path = mem_printf("%s/%s", dir, v1 ? "tasks" : "cgroup.procs");
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) continue; // no group in that hierarchy
        if (fd < 0) return err_os(err, errno, path, "cannot open the control group");
        plan->task_fds[plan->n_task_fds++] = fd;
    }
    return 0;
}

static int make_cgroup(struct plan *plan, struct err *err) {
    const struct cgroup_host *host = plan->options->cgroups;
    if (!host || cgroup_host_mode(host) == CGROUP_NONE) return 0;
    struct cgroup_limits limits;
    resources_limits(plan->spec->linux_.resources, &limits);
    auto_free char *warning = NULL;
    int r = cgroup_create(host, plan->cgroup_path, &limits, &plan->cgroup, &warning, err);
    if ((r == -EACCES || r == -EPERM || r == -EROFS) && geteuid() != 0) {
        // Rootless without delegation: the container lives in our own group.
        plan_warn(plan, "no control group of its own: %s", err ? err->cause : "not allowed");
        err_clear(err);
        return 0;
    }
    if (r < 0) return r;
    if (warning) plan_warn(plan, "%s", warning);
    r = resources_apply(host, plan->cgroup_path, plan->spec->linux_.resources, plan->options->warn,
                        plan->options->warn_arg, err);
    return r < 0 ? r : open_tasks(plan, err);
}

static int make_gate(const struct container_options *options, int *ret_inside, int *ret_ours,
                     struct err *err) {
    *ret_inside = options->gate_fd;
    if (options->gate_fd >= 0) return 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, errno, "container", "cannot make its gate");
    *ret_inside = pair[0];
    *ret_ours = pair[1];
    return 0;
}

static int hand_over_console(const struct plan *plan, int *console, struct err *err) {
    int sock = plan->options->console_socket;
    if (*console < 0 || sock < 0) return 0;
    // The receiver may show the name; it is the one that runc and crun send.
    static const char name[] = "/dev/ptmx";
    ssize_t n = fd_send(sock, name, sizeof(name) - 1, console, 1, MSG_NOSIGNAL);
    close(take_fd(*console));
    return n < 0 ? err_os(err, (int)-n, "console socket", "cannot hand the terminal over") : 0;
}

static int finish(struct launch *l, int *console, struct container_process *ret, struct err *err) {
    int r = hand_over_console(l->plan, console, err);
    if (r < 0) return r;
    *ret = (struct container_process)CONTAINER_PROCESS_INIT;
    ret->pid = l->pid;
    ret->console_fd = take_fd(*console);
    if (process_start_time(l->pid, &ret->start_time) < 0) ret->start_time = 0;
    ret->pidfd = take_fd(l->pidfd);
    if (l->plan->cgroup)
        snprintf(ret->cgroup_path, sizeof(ret->cgroup_path), "%s", l->plan->cgroup_path);
    return 0;
}

static int create_from(struct plan *plan, struct container_process *ret, struct err *err) {
    int inside = -1;
    auto_close int gate = -1, console = -1;
    int r = make_gate(plan->options, &inside, &gate, err);
    if (r < 0) return r;
    struct launch l = {.plan = plan, .body = child_init, .gate = inside, .gate_peer = gate};
    r = launch_start(&l, err);
    ret->pid = l.pid; // also of one that failed: whoever is its parent has to reap it
    if (gate >= 0) close(inside);
    if (r < 0) return r;
    r = launch_converse(&l, false, &console, err);
    if (r == 0) r = finish(&l, &console, ret, err);
    if (r < 0) {
        launch_abort(&l);
    } else {
        ret->gate_fd = take_fd(gate);
    }
    launch_end(&l);
    return r;
}

int container_create(const struct oci_spec *spec, const struct container_options *options,
                     struct container_process *ret, struct err *err) {
    *ret = (struct container_process)CONTAINER_PROCESS_INIT;
    struct plan plan;
    int r = plan_build(spec, spec->process, options, false, &plan, err);
    if (r < 0) return err_while(err, "planning the container");
    r = make_cgroup(&plan, err);
    if (r == 0 && !resources_guard_devices(plan.cgroup ? options->cgroups : NULL, plan.cgroup_path,
                                           spec->linux_.resources))
        plan_withhold_devices(&plan);
    if (r == 0) r = create_from(&plan, ret, err);
    if (r < 0 && plan.cgroup) (void)cgroup_destroy(plan.cgroup, NULL);
    if (plan.cgroup) cgroup_close(plan.cgroup);
    plan_release(&plan);
    return r;
}

int container_poststart(const struct oci_spec *spec, const struct container_options *options,
                        pid_t pid, struct err *err) {
    if (!spec || !spec->hooks) return 0;
    struct hook_state state = {.spec = spec,
                               .id = options->id,
                               .bundle = options->bundle,
                               .status = "running",
                               .pid = pid};
    int r = hooks_run("poststart", &spec->hooks->poststart, &state, err);
    if (r < 0) (void)kill(pid, SIGKILL);
    return r;
}

int container_start(const struct oci_spec *spec, const struct container_options *options,
                    struct container_process *p, struct err *err) {
    int r = sync_open_gate(p->gate_fd, p->gate_fd, err);
    close(take_fd(p->gate_fd));
    if (r < 0) return r;
    return container_poststart(spec, options, p->pid, err);
}

int container_start_fifo(int dirfd, const char *name, struct err *err) {
    // Reading end first: from then on init's writing end is watched.
    auto_close int read_fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (read_fd < 0)
        return errno == ENOENT
                   ? err_set(err, ERR_STATE, 0, "container", "it has been started already")
                   : err_os(err, errno, "container", "cannot open its gate");
    int write_fd = openat(dirfd, name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (write_fd < 0) return err_os(err, errno, "container", "cannot open its gate");
    return sync_open_gate(write_fd, read_fd, err);
}

static int kill_init(int pidfd, int signo, struct err *err) {
    int r = process_signal(pidfd, signo);
    if (r == -ESRCH) return err_set(err, ERR_STATE, 0, "container", "it is not running");
    return r < 0 ? err_os(err, -r, "container", "cannot send it signal %d", signo) : 0;
}

int container_kill(const struct container_options *options, int pidfd, int signo, bool all,
                   struct err *err) {
    if (!all) return kill_init(pidfd, signo, err);
    struct cgroup *cg = NULL;
    int r = -ENOENT;
    if (options->cgroups) r = cgroup_open(options->cgroups, options->cgroup_path, &cg, err);
    if (r == -ENOENT) {
        // No group holds it (rootless without delegation): with init its pid namespace ends.
        err_clear(err);
        return kill_init(pidfd, signo, err);
    }
    if (r == 0) r = cgroup_kill(cg, signo, err);
    if (cg) cgroup_close(cg);
    return r;
}

static int end_init(const struct container_options *options, const struct container_process *p,
                    bool force, struct err *err) {
    struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};
    if (p->pidfd < 0 || poll(&poll_fd, 1, 0) == 1) return 0;
    if (!force) {
        err_set(err, ERR_STATE, 0, options->id, "it is running");
        return err_next(err, "stop it first, or delete with --force");
    }
    int r = process_signal(p->pidfd, SIGKILL);
    if (r < 0 && r != -ESRCH) return err_os(err, -r, options->id, "cannot kill it");
    return 0;
}

int container_delete(const struct oci_spec *spec, const struct container_options *options,
                     const struct container_process *p, bool force, struct err *err) {
    int r = end_init(options, p, force, err);
    if (r < 0) return r;
    if (options->cgroups && options->cgroup_path && options->cgroup_path[0]) {
        struct cgroup *cg = NULL;
        r = cgroup_open(options->cgroups, options->cgroup_path, &cg, err);
        if (r == -ENOENT) {
            err_clear(err);
            r = 0;
        } else if (r == 0) {
            r = cgroup_destroy(cg, err);
        }
        if (cg) cgroup_close(cg);
        if (r < 0) return r;
    }
    struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};
    if (p->pidfd >= 0) (void)poll(&poll_fd, 1, 5000);
    if (!spec || !spec->hooks) return 0;
    struct hook_state state = {.spec = spec,
                               .id = options->id,
                               .bundle = options->bundle,
                               .status = "stopped"};
    struct err why = {0};
    if (hooks_run("poststop", &spec->hooks->poststop, &state, &why) < 0 && options->warn)
        options->warn(why.cause, options->warn_arg);
    return 0;
}
