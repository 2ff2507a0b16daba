// SPDX-License-Identifier: Apache-2.0
// A further process in a running container.
#include "execution/container/child.h"
#include "execution/container/launch.h"
#include "execution/container/namespace.h"
#include "execution/container/resources.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_root(struct child *c, struct err *err) {
    c->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return c->root_fd < 0 ? err_os(err, errno, "root", "cannot open it") : 0;
}

static int join_all(struct child *c, struct err *err) {
    int r = child_join_cgroup(c, err);
    return r < 0 ? r : child_join(c, err);
}

static const struct child_step join_steps[] = {
    {"setting the OOM score", child_set_oom_score},
    {"joining the container", join_all},
};

static const struct child_step exec_steps[] = {
    {"becoming root of the user namespace", child_become_root},
    {"making a session", child_new_session},
    {"opening the root", open_root},
    {"opening the terminal", child_open_console},
    {"setting the personality", child_set_personality},
};

static int exec_body(const struct plan *plan, int sync, int gate, enum launch_way way) {
    struct child c = {.plan = plan, .sync = sync, .gate = gate};
    c.root_fd = c.tty = c.zero_dir = -1;
    struct err err = {0};
    // From the moment that this process is inside, the container's root may look for it: not
    // dumpable, it shows neither memory nor descriptors.
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    child_reset_signals();
    int r = 0;
    if (way != LAUNCH_JOINED) r = child_run_steps(&c, join_steps, array_len(join_steps), &err);
    if (r == 0) r = child_run_steps(&c, exec_steps, array_len(exec_steps), &err);
    if (r == 0) r = child_become_program(&c, &err);
    child_report(&c, &err);
    return container_exit_code(&err);
}

static int run(struct plan *plan, struct container_process *ret, struct err *err) {
    auto_close int console = -1;
    struct launch l = {.plan = plan, .body = exec_body, .gate = -1, .gate_peer = -1};
    int r = launch_start(&l, err);
    ret->pid = l.pid;
    if (r < 0) return r;
    r = launch_converse(&l, true, &console, err);
    if (r == 0 && console >= 0 && plan->options->console_socket >= 0) {
        ssize_t n =
            fd_send(plan->options->console_socket, "/dev/ptmx", 9, &console, 1, MSG_NOSIGNAL);
        close(take_fd(console));
        if (n < 0) r = err_os(err, (int)-n, "console socket", "cannot hand the terminal over");
    }
    if (r == 0) {
        if (process_start_time(l.pid, &ret->start_time) < 0) ret->start_time = 0;
        ret->pidfd = take_fd(l.pidfd);
        ret->console_fd = take_fd(console);
        snprintf(ret->cgroup_path, sizeof(ret->cgroup_path), "%s", plan->cgroup_path);
    } else {
        launch_abort(&l);
    }
    launch_end(&l);
    return r;
}

int container_exec(const struct oci_spec *spec, const struct oci_process *process, pid_t target_pid,
                   int target_pidfd, const struct container_options *options,
                   struct container_process *ret, struct err *err) {
    *ret = (struct container_process)CONTAINER_PROCESS_INIT;
    struct plan plan;
    int r = plan_build(spec, process, options, true, &plan, err);
    if (r < 0) return err_while(err, "planning the process");
    plan.target_pidfd = target_pidfd;
    r = namespace_plan_target(&plan, target_pid, err);
    if (r == 0 && options->cgroups && plan.cgroup_path[0] &&
        cgroup_host_mode(options->cgroups) != CGROUP_NONE) {
        r = cgroup_open(options->cgroups, plan.cgroup_path, &plan.cgroup, err);
        if (r == -ENOENT) { // a container without one
            err_clear(err);
            r = 0;
        }
    }
    if (r == 0 && !resources_guard_devices(plan.cgroup ? options->cgroups : NULL, plan.cgroup_path,
                                           spec->linux_.resources))
        plan_withhold_devices(&plan);
    // The pid may have ended and be another's by now; the descriptor cannot.
    if (r == 0 && process_signal(target_pidfd, 0) < 0)
        r = err_set(err, ERR_STATE, 0, options->id, "the container is not running");
    if (r == 0) r = run(&plan, ret, err);
    if (plan.cgroup) cgroup_close(plan.cgroup);
    plan_release(&plan);
    return r;
}
