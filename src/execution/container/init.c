// SPDX-License-Identifier: Apache-2.0
// The new process, from clone to exec, as a list of named steps. Each step is in the file of its
// subject; a failure goes up to the creator with the step's name, and ends the process.
#include "execution/container/child.h"
#include "execution/container/hooks.h"
#include "execution/container/namespace.h"
#include "execution/container/sync.h"
#include "host/cgroup.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void child_warn(const struct child *c, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)sync_send_warn(c->sync, text);
}

static int await_go(struct child *c, struct err *err) {
    struct sync_message message;
    int r = sync_receive(c->sync, &message, err);
    if (r < 0) return r;
    if (message.kind == SYNC_GO) return 0;
    return err_set(err, ERR_CANCELLED, 0, "container", "its creator is gone");
}

int child_join(struct child *c, struct err *err) {
    return namespace_join(c->plan, false, err);
}

// Until the id maps are written, the new user namespace has no root; from then on that is who we
// are.
int child_become_root(struct child *c, struct err *err) {
    if (!c->plan->in_user_ns) return 0;
    if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0) {
        err_os(err, errno, "user namespace", "cannot become its root");
        return err_next(err, "map id 0 of the container in uidMappings and gidMappings");
    }
    (void)syscall(SYS_setgroups, 0, NULL);
    // Changing ids made us dumpable for the outside again.
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return 0;
}

int child_new_session(struct child *c, struct err *err) {
    (void)c;
    umask(0);
    if (setsid() < 0 && errno != EPERM) return err_os(err, errno, "session", "cannot make one");
    return 0;
}

int child_join_cgroup(struct child *c, struct err *err) {
    for (size_t i = 0; i < c->plan->n_task_fds; i++)
        if (write(c->plan->task_fds[i], "0", 1) < 0)
            return err_os(err, errno, c->plan->cgroup_path, "cannot join the control group");
    if (!c->plan->cgroup || c->plan->n_task_fds) return 0;
    return cgroup_join(c->plan->cgroup, err);
}

static int step_new_cgroup_namespace(struct child *c, struct err *err) {
    if (!c->plan->new_cgroup_ns) return 0;
    return unshare(CLONE_NEWCGROUP) < 0
               ? err_os(err, errno, "linux.namespaces", "cannot make a cgroup namespace")
               : 0;
}

static int step_runtime_hooks(struct child *c, struct err *err) {
    const struct oci_hooks *hooks = c->plan->spec->hooks;
    if (!hooks || (!hooks->prestart.len && !hooks->create_runtime.len)) return 0;
    int r = sync_send(c->sync, SYNC_HOOKS, -1);
    if (r < 0) return err_os(err, -r, "container", "its creator is gone");
    return await_go(c, err);
}

static int run_hooks(struct child *c, const char *kind, const char *status,
                     const struct oci_hook_list *list, struct err *err) {
    if (!list->len) return 0;
    struct hook_state state = {.spec = c->plan->spec,
                               .id = c->plan->options->id,
                               .bundle = c->plan->options->bundle,
                               .status = status,
                               .pid = getpid()};
    return hooks_run(kind, list, &state, err);
}

static int step_container_hooks(struct child *c, struct err *err) {
    const struct oci_hooks *hooks = c->plan->spec->hooks;
    return hooks ? run_hooks(c, "createContainer", "creating", &hooks->create_container, err) : 0;
}

static int step_bounding_set(struct child *c, struct err *err) {
    return c->plan->set_capabilities ? capability_prepare(&c->plan->capabilities, err) : 0;
}

static int step_inherit(struct child *c, struct err *err) {
    return c->plan->set_capabilities ? capability_inherit(&c->plan->capabilities, err) : 0;
}

static int step_no_new_privileges(struct child *c, struct err *err) {
    if (!c->plan->process->no_new_privileges) return 0;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
               ? err_os(err, errno, "process.noNewPrivileges", "cannot be set")
               : 0;
}

// Changes of identity clear the death signal, so it is set after them. Should the parent be gone
// before that, the closed gate tells.
static int step_die_with_parent(struct child *c, struct err *err) {
    (void)err;
    if (c->plan->options->die_with_parent) (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return 0;
}

static int step_ready(struct child *c, struct err *err) {
    int r = sync_send(c->sync, SYNC_READY, -1);
    return r < 0 ? err_os(err, -r, "container", "its creator is gone") : 0;
}

// From here on nobody listens on the sync socket; what goes wrong is told through the gate.
static int step_gate(struct child *c, struct err *err) {
    if (c->gate < 0) return 0;
    close(take_fd(c->sync));
    char byte;
    ssize_t n = file_read_some(c->gate, &byte, 1);
    if (n == 1) return 0;
    return err_set(err, ERR_CANCELLED, 0, "container", "it was never started");
}

static int step_start_hooks(struct child *c, struct err *err) {
    const struct oci_hooks *hooks = c->plan->exec ? NULL : c->plan->spec->hooks;
    return hooks ? run_hooks(c, "startContainer", "created", &hooks->start_container, err) : 0;
}

static int step_seccomp(struct child *c, struct err *err) {
    return c->plan->seccomp.program ? seccomp_install(&c->plan->seccomp, err) : 0;
}

static int step_finish_capabilities(struct child *c, struct err *err) {
    return c->plan->set_capabilities ? capability_finish(&c->plan->capabilities, err) : 0;
}

static const struct child_step init_steps[] = {
    {"joining namespaces", child_join},
    {"becoming root of the user namespace", child_become_root},
    {"making a session", child_new_session},
    {"joining the control group", child_join_cgroup},
    {"making a cgroup namespace", step_new_cgroup_namespace},
    {"setting the OOM score", child_set_oom_score},
    {"making a keyring", child_new_keyring},
    {"isolating mounts", child_isolate_mounts},
    {"setting names", child_set_names},
    {"mounting the root", child_mount_root},
    {"mounting", child_mount_all},
    {"making devices", child_make_devices},
    {"making the working directory", child_make_cwd},
    {"opening the terminal", child_open_console},
    {"setting sysctls", child_set_sysctls},
    {"running hooks", step_runtime_hooks},
    {"running hooks", step_container_hooks},
    {"entering the root", child_enter_root},
    {"hiding paths", child_protect_paths},
    {"sealing the root", child_seal_root},
    {"setting the personality", child_set_personality},
};

static const struct child_step program_steps[] = {
    {"finding the user", child_find_user},
    {"taking standard streams", child_take_stdio},
    {"setting resource limits", child_set_rlimits},
    {"setting priorities", child_set_scheduling},
    {"dropping capabilities", step_bounding_set},
    {"becoming the user", child_become_user},
    {"dropping capabilities", step_inherit},
    {"closing descriptors", child_close_descriptors},
    {"entering the working directory", child_change_directory},
    {"finding the program", child_find_program},
    {"giving up new privileges", step_no_new_privileges},
    {"tying the life to the parent's", step_die_with_parent},
    {"reporting", step_ready},
    {"waiting for start", step_gate},
    {"running hooks", step_start_hooks},
    {"filtering system calls", step_seccomp},
    {"dropping capabilities", step_finish_capabilities},
    {"executing", child_execute},
};

int child_run_steps(struct child *c, const struct child_step *steps, size_t n, struct err *err) {
    for (size_t i = 0; i < n; i++) {
        int r = steps[i].run(c, err);
        if (r < 0) return err_while(err, "%s", steps[i].doing);
    }
    return 0;
}

int child_become_program(struct child *c, struct err *err) {
    return child_run_steps(c, program_steps, array_len(program_steps), err);
}

void child_report(const struct child *c, const struct err *err) {
    if (c->sync >= 0)
        (void)sync_send_err(c->sync, err);
    else
        (void)sync_write_err(c->gate, err);
}

// clone3 has reset the handled signals. Ignored ones stay ignored, even past exec; which they are,
// the kernel says in one read.
static uint64_t ignored_signals(void) {
    char text[4096];
    auto_close int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : file_read_some(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    const char *at = strstr(text, "\nSigIgn:\t");
    return at ? strtoull(at + 9, NULL, 16) : UINT64_MAX;
}

void child_reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    struct sigaction normal = {.sa_handler = SIG_DFL};
    uint64_t ignored = ignored_signals();
    for (int signo = 1; signo < NSIG; signo++)
        if (ignored >> (signo - 1) & 1) (void)sigaction(signo, &normal, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int child_init(const struct plan *plan, int sync, int gate, enum launch_way way) {
    struct child c = {.plan = plan, .sync = sync, .gate = gate};
    c.root_fd = c.tty = c.zero_dir = -1;
    struct err err = {0};
    child_reset_signals();
    // Until the maps are there this process must stay dumpable: else its files in /proc are root's,
    // and an ordinary user's creator could not write them.
    int r = way == LAUNCH_AWAIT_MAPS ? await_go(&c, &err) : 0;
    // A process of the container must not look into this one while it still holds the host.
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (r == 0) r = child_run_steps(&c, init_steps, array_len(init_steps), &err);
    if (r == 0) r = child_become_program(&c, &err);
    child_report(&c, &err);
    return container_exit_code(&err);
}
