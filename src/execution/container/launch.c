// SPDX-License-Identifier: Apache-2.0
#include "execution/container/launch.h"

#include "execution/container/hooks.h"
#include "execution/container/namespace.h"
#include "execution/container/sync.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EARLY (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWTIME)

static pid_t clone_process(uint64_t flags, bool to_parent, int cgroup_fd, int *ret_pidfd) {
    int pidfd = -1;
    struct clone_args args = {.flags = flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                              .pidfd = (uint64_t)(uintptr_t)&pidfd};
    if (to_parent)
        args.flags |= CLONE_PARENT; // the signal at its end is then the one of our own end
    else
        args.exit_signal = SIGCHLD;
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0) return -errno;
    if (pid > 0) *ret_pidfd = pidfd;
    return pid;
}

static int explain_clone(int number, struct err *err) {
    err_os(err, number, "container", "cannot make its process and namespaces");
    if (number == EPERM)
        return err_next(err, "without root a user namespace is needed in linux.namespaces");
    if (number == ENOSPC || number == EUSERS)
        return err_next(err, "a limit in /proc/sys/user/max_*_namespaces is reached");
    if (number == EINVAL) return err_next(err, "this kernel may lack one of the namespaces");
    return -number;
}

static bool needs_middle(const struct plan *plan) {
    if (plan->exec) return plan->target_namespaces & CLONE_NEWUSER && geteuid() != 0;
    if (plan->new_time_ns) return true;
    if (plan->new_namespaces & CLONE_NEWUSER && plan->n_join) return true;
    for (size_t i = 0; i < plan->n_join; i++)
        if (plan->join[i].type & EARLY) return true;
    return false;
}

static int start_child(struct launch *l, uint64_t flags, bool to_parent, enum launch_way way,
                       int sync, int *ret_pidfd) {
    const struct plan *plan = l->plan;
    int cgroup_fd = plan->cgroup && !plan->exec ? cgroup_v2_fd(plan->cgroup) : -1;
    pid_t pid = clone_process(flags, to_parent, cgroup_fd, ret_pidfd);
    if (pid == -EBADF || pid == -EOPNOTSUPP || pid == -EBUSY)
        pid = clone_process(flags, to_parent, -1, ret_pidfd);
    if (pid != 0) return pid;
    // Only without the creator's own ends does the end of the creator show.
    close(l->sync);
    if (l->gate_peer >= 0) close(l->gate_peer);
    _exit(l->body(plan, sync, l->gate, way));
}

// The user namespace of a container with a time namespace must be there before the offsets, and
// those before the first process: so the middle enters it itself.
static int middle_own_user_namespace(int sync, struct err *err) {
    if (unshare(CLONE_NEWUSER) < 0)
        return err_os(err, errno, "linux.namespaces", "cannot make a user namespace");
    struct sync_message message;
    int r = sync_send_pid(sync, getpid(), -1);
    if (r < 0) return err_os(err, -r, "container", "its creator is gone");
    if ((r = sync_receive(sync, &message, err)) < 0) return r;
    if (message.kind != SYNC_GO)
        return err_set(err, ERR_CANCELLED, 0, "container", "its creator is gone");
    if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
        return err_os(err, errno, "user namespace", "cannot become its root");
    return 0;
}

static int middle_body(struct launch *l, int sync, int child_sync, struct err *err) {
    const struct plan *plan = l->plan;
    uint64_t flags = plan->new_namespaces;
    int r = 0, pidfd = -1;
    if (plan->exec && plan->cgroup) r = cgroup_join(plan->cgroup, err);
    if (r == 0) r = namespace_join(plan, true, err);
    if (r == 0 && !plan->exec && plan->new_namespaces & CLONE_NEWUSER)
        r = namespace_join(plan, false, err);
    if (r == 0 && plan->new_time_ns && flags & CLONE_NEWUSER) {
        r = middle_own_user_namespace(sync, err);
        flags &= ~(uint64_t)CLONE_NEWUSER;
    }
    if (r == 0 && plan->new_time_ns) r = namespace_make_time(plan, err);
    if (r < 0) return r;
    enum launch_way way = plan->exec              ? LAUNCH_JOINED
                          : flags & CLONE_NEWUSER ? LAUNCH_AWAIT_MAPS
                                                  : LAUNCH_DIRECT;
    pid_t pid = start_child(l, flags, true, way, child_sync, &pidfd);
    if (pid < 0) return explain_clone(-pid, err);
    return sync_send_pid(sync, pid, pidfd);
}

static int run_middle(struct launch *l, int child_sync, struct err *err) {
    int own[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, own) < 0)
        return err_os(err, errno, "container", "cannot make a socket pair");
    auto_close int ours = own[0], theirs = own[1];
    pid_t middle = fork();
    if (middle < 0) return err_os(err, errno, "container", "cannot fork");
    if (middle == 0) {
        struct err why = {0};
        close(ours);
        // Init talks over the pair of the launch; the middle over this one.
        int r = middle_body(l, theirs, child_sync, &why);
        if (r < 0) (void)sync_send_err(theirs, &why);
        _exit(r < 0);
    }
    close(take_fd(theirs));
    int r = 0;
    while (r == 0 && l->pid < 0) {
        struct sync_message message;
        if ((r = sync_receive(ours, &message, err)) < 0) break;
        if (message.kind == SYNC_ERROR) {
            if (err) *err = message.err;
            r = err_code(&message.err);
        } else if (message.kind == SYNC_PID && message.fd < 0) {
            r = namespace_write_maps(l->plan, message.pid, err);
            if (r == 0) r = sync_send(ours, SYNC_GO, -1);
        } else if (message.kind == SYNC_PID) {
            l->pid = message.pid;
            l->pidfd = message.fd;
        } else {
            r = err_set(err, ERR_INTERNAL, 0, "container", "the process in the middle ended");
        }
    }
    close(take_fd(ours));
    process_wait(middle);
    return r;
}

// Back to a namespace of our own. Root of a user namespace alone (rootless) has no rights over the
// pid namespace that it came from and stays: whoever execs makes no further child.
static int come_back(int fd, int type, struct err *err) {
    if (fd < 0 || setns(fd, type) == 0 || errno == EPERM) return 0;
    return err_os(err, errno, "container", "cannot come back from its pid namespace");
}

// exec by root: the pid namespace (and time) are joined for the children only while the child is
// made, which saves a process in the middle.
static int start_inside(struct launch *l, int child_sync, struct err *err) {
    auto_close int own_pid = -1, own_time = -1;
    uint64_t part = l->plan->target_namespaces & (CLONE_NEWPID | CLONE_NEWTIME);
    if (part & CLONE_NEWPID) own_pid = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (part & CLONE_NEWTIME) own_time = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
    if (part && setns(l->plan->target_pidfd, (int)part) < 0)
        return err_os(err, errno, "container", "cannot join its pid namespace");
    l->pid =
        start_child(l, 0, l->plan->options->init_of_parent, LAUNCH_DIRECT, child_sync, &l->pidfd);
    int r = l->pid < 0 ? explain_clone(-l->pid, err) : 0;
    struct err *later = r == 0 ? err : NULL;
    int back = come_back(own_pid, CLONE_NEWPID, later);
    if (back == 0) back = come_back(own_time, CLONE_NEWTIME, later);
    return r < 0 ? r : back;
}

static int start_direct(struct launch *l, int child_sync, struct err *err) {
    const struct plan *plan = l->plan;
    if (plan->exec) return start_inside(l, child_sync, err);
    enum launch_way way = plan->new_namespaces & CLONE_NEWUSER ? LAUNCH_AWAIT_MAPS : LAUNCH_DIRECT;
    l->pid = start_child(l, plan->new_namespaces, plan->options->init_of_parent, way, child_sync,
                         &l->pidfd);
    return l->pid < 0 ? explain_clone(-l->pid, err) : 0;
}

int launch_start(struct launch *l, struct err *err) {
    l->pid = l->pidfd = l->sync = -1;
    bool middle = needs_middle(l->plan);
    if (middle && l->plan->options->init_of_parent)
        return err_set(err, ERR_UNSUPPORTED, 0, "linux.namespaces",
                       "a supervised container cannot join user or pid namespaces by path, nor "
                       "have a time namespace, yet");
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, errno, "container", "cannot make a socket pair");
    l->sync = pair[0];
    auto_close int child_sync = pair[1];
    int r = middle ? run_middle(l, child_sync, err) : start_direct(l, child_sync, err);
    bool maps = l->plan->new_namespaces & CLONE_NEWUSER && !(middle && l->plan->new_time_ns);
    if (r == 0 && maps) {
        r = namespace_write_maps(l->plan, l->pid, err);
        if (r == 0 && (r = sync_send(l->sync, SYNC_GO, -1)) < 0)
            err_os(err, -r, "container", "it ended early");
    }
    if (r == 0) return 0;
    launch_abort(l);
    launch_end(l);
    return r;
}

void launch_end(struct launch *l) {
    if (l->sync >= 0) close(take_fd(l->sync));
    if (l->pidfd >= 0) close(take_fd(l->pidfd));
}

void launch_abort(struct launch *l) {
    if (l->pid <= 0) return;
    (void)process_signal(l->pidfd, SIGKILL);
    // A child of our parent is reaped there; it is told the pid together with the error.
    if (!l->plan->options->init_of_parent) process_wait(l->pid);
}

static int runtime_hooks(struct launch *l, struct err *err) {
    const struct plan *plan = l->plan;
    struct hook_state state = {.spec = plan->spec,
                               .id = plan->options->id,
                               .bundle = plan->options->bundle,
                               .status = "creating",
                               .pid = l->pid};
    int r = hooks_run("prestart", &plan->spec->hooks->prestart, &state, err);
    if (r == 0) r = hooks_run("createRuntime", &plan->spec->hooks->create_runtime, &state, err);
    if (r < 0) return r;
    r = sync_send(l->sync, SYNC_GO, -1);
    return r < 0 ? err_os(err, -r, "container", "its process ended early") : 0;
}

int launch_converse(struct launch *l, bool until_exec, int *ret_console, struct err *err) {
    for (bool ready = false;;) {
        struct sync_message message;
        int r = sync_receive(l->sync, &message, err);
        if (r < 0) return r;
        switch (message.kind) {
        case SYNC_READY:
            if (!until_exec) return 0;
            ready = true;
            break;
        case SYNC_WARN:
            plan_warn(l->plan, "%s", message.err.cause);
            break;
        case SYNC_ERROR:
            if (err) *err = message.err;
            return err_code(&message.err);
        case SYNC_CONSOLE:
            *ret_console = message.fd;
            break;
        case SYNC_HOOKS:
            if ((r = runtime_hooks(l, err)) < 0) return r;
            break;
        default:
            if (ready && message.kind == SYNC_CLOSED) return 0;
            return err_set(err, ERR_STATE, 0, "container", "its process ended early");
        }
    }
}
