// SPDX-License-Identifier: Apache-2.0
// process_spawn: everything is prepared by the parent; the child only makes system calls.
//
// The child runs on a stack of its own while the parent's thread waits (CLONE_VFORK), in the
// parent's memory (CLONE_VM), so that a large daemon does not copy its page tables for an exec.
// Invariants: (1) all signals are blocked from before the clone until the child has default
// dispositions, so no handler ever runs in the child; (2) the child calls nothing that allocates,
// locks, or (as the C library's set*id do) signals other threads; (3) a child that changes its user
// never shares memory: a process of that user could reach into ours; (4) why a child failed comes
// back in shared memory, so there is no descriptor to keep out of the child's set.
#include "host/process.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_STACK_SIZE = 64 * 1024, SIGNAL_COUNT = 64, FDS_MAX = 1024 };

// A sanitizer would keep notes about a stack that it does not know and that never returns.
#define IN_CHILD __attribute__((no_sanitize("address"), no_sanitize("undefined")))

struct plan { // what the child does, in memory that both see
    const struct process_spec *spec;
    const char *path;
    char *const *envp;
    struct process_fd *fds; // sorted by `to`; from is replaced by the child
    size_t n_fds;
    pid_t parent;
    int error;        // set by the child; 0: it has executed the program
    const char *step; // what failed
};

IN_CHILD static bool fail(struct plan *plan, const char *step) {
    plan->error = errno ? errno : EIO;
    plan->step = step;
    return false;
}

IN_CHILD static bool become_user(struct plan *plan) {
    const struct process_spec *spec = plan->spec;
    if (!spec->set_user) return true;
    if (syscall(SYS_setgroups, 0, NULL) < 0 ||
        syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) < 0 ||
        syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid) < 0)
        return fail(plan, "change the user");
    return true;
}

// First out of the way, above every number that is wanted; then down to those; then the rest goes.
IN_CHILD static bool arrange_fds(struct plan *plan) {
    struct process_fd *fds = plan->fds;
    int above = fds[plan->n_fds - 1].to + 1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return fail(plan, "open /dev/null");
    for (size_t i = 0; i < plan->n_fds; i++) {
        fds[i].from = fcntl(fds[i].from < 0 ? null : fds[i].from, F_DUPFD_CLOEXEC, above);
        if (fds[i].from < 0) return fail(plan, "duplicate a descriptor");
    }
    unsigned next = 0;
    for (size_t i = 0; i < plan->n_fds; i++) {
        unsigned to = (unsigned)fds[i].to;
        if (dup3(fds[i].from, (int)to, 0) < 0) return fail(plan, "place a descriptor");
        if (to > next && syscall(SYS_close_range, next, to - 1, 0) < 0)
            return fail(plan, "close descriptors");
        next = to + 1;
    }
    if (syscall(SYS_close_range, next, UINT_MAX, 0) < 0) return fail(plan, "close descriptors");
    return true;
}

IN_CHILD static bool clean_signals(struct plan *plan) {
    struct sigaction action;
    for (size_t i = 0; i < sizeof(action); i++) ((volatile char *)&action)[i] = 0;
    for (int signo = 1; signo < SIGNAL_COUNT; signo++)
        sigaction(signo, &action, NULL); // KILL, STOP and the C library's own two refuse
    uint64_t none = 0;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none)) < 0)
        return fail(plan, "unblock signals");
    return true;
}

IN_CHILD static bool prepare(struct plan *plan) {
    const struct process_spec *spec = plan->spec;
    if (spec->new_session && setsid() < 0) return fail(plan, "start a session");
    if (!become_user(plan)) return false;
    if (spec->die_with_parent) { // after the change of user, which resets it
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return fail(plan, "tie it to its parent");
        if (getppid() != plan->parent) return fail(plan, "find its parent alive");
    }
    if (spec->cwd && chdir(spec->cwd) < 0) return fail(plan, "enter its working folder");
    return arrange_fds(plan) && clean_signals(plan);
}

IN_CHILD static int child_main(void *arg) {
    struct plan *plan = arg;
    if (prepare(plan)) {
        execve(plan->path, plan->spec->argv, plan->envp);
        fail(plan, "execute it");
    }
    syscall(SYS_exit_group, 127);
    return 127;
}

static int compare_fds(const void *a, const void *b) {
    return ((const struct process_fd *)a)->to - ((const struct process_fd *)b)->to;
}

// The wanted descriptors and /dev/null (from: -1) for what is missing of 0, 1 and 2.
static int plan_fds(const struct process_spec *spec, struct plan *plan) {
    if (spec->n_fds > FDS_MAX) return -E2BIG;
    plan->fds = mem_zalloc((spec->n_fds + 3) * sizeof(*plan->fds));
    bool standard[3] = {false};
    for (size_t i = 0; i < spec->n_fds; i++) {
        if (spec->fds[i].from < 0 || spec->fds[i].to < 0 || spec->fds[i].to == INT_MAX)
            return -EBADF;
        if (spec->fds[i].to < 3) standard[spec->fds[i].to] = true;
        plan->fds[plan->n_fds++] = spec->fds[i];
    }
    for (int to = 0; to < 3; to++)
        if (!standard[to]) plan->fds[plan->n_fds++] = (struct process_fd){-1, to};
    qsort(plan->fds, plan->n_fds, sizeof(*plan->fds), compare_fds);
    for (size_t i = 1; i < plan->n_fds; i++)
        if (plan->fds[i].to == plan->fds[i - 1].to) return -EINVAL;
    return 0;
}

static bool is_program(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool search_path(const char *name, char *buf, size_t size) {
    const char *folders = getenv("PATH");
    if (!folders || !*folders) folders = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    for (const char *at = folders;; at++) {
        size_t len = strcspn(at, ":");
        int n = snprintf(buf, size, "%.*s%s%s", (int)len, at, len ? "/" : "./", name);
        if (n > 0 && (size_t)n < size && is_program(buf)) return true;
        at += len;
        if (!*at) return false;
    }
}

static const char *find_program(const struct process_spec *spec, char *buf, size_t size) {
    if (spec->path) return spec->path;
    const char *name = spec->argv[0];
    if (!name || !*name) return NULL;
    if (strchr(name, '/')) return name;
    if (process_role_path(name, buf, size)) return buf;
    return search_path(name, buf, size) ? buf : NULL;
}

// Clone, wait until the child has executed or failed. *ret_pidfd is -1 on failure.
static int run_clone(struct plan *plan, char *stack, pid_t *ret_pid, int *ret_pidfd) {
    int flags = CLONE_VFORK | CLONE_PIDFD | SIGCHLD | (plan->spec->set_user ? 0 : CLONE_VM);
    uint64_t all = UINT64_MAX, before;
    *ret_pidfd = -1;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all)) < 0) return -errno;
    pid_t pid = clone(child_main, stack + CHILD_STACK_SIZE, flags, plan, ret_pidfd);
    int r = pid < 0 ? -errno : 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
    if (r < 0) return r;
    if (plan->error) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
        close(*ret_pidfd);
        *ret_pidfd = -1;
        return -plan->error;
    }
    *ret_pid = pid;
    return 0;
}

static int spawn(struct plan *plan, const char *object, pid_t *ret_pid, int *ret_pidfd,
                 struct err *err) {
    int r = plan_fds(plan->spec, plan);
    if (r < 0) {
        free(plan->fds);
        return err_os(err, -r, object, "its descriptors are not well chosen");
    }
    plan->parent = getpid();
    plan->step = "make a process";
    r = run_clone(plan, (char *)plan - CHILD_STACK_SIZE, ret_pid, ret_pidfd);
    free(plan->fds);
    return r < 0 ? err_os(err, -r, object, "cannot %s", plan->step) : 0;
}

int process_spawn(const struct process_spec *spec, pid_t *ret_pid, int *ret_pidfd,
                  struct err *err) {
    char found[PATH_MAX];
    const char *path = find_program(spec, found, sizeof(found));
    const char *object = path ? path : spec->argv[0] ? spec->argv[0] : "command";
    if (!path) return err_set(err, ERR_NOT_FOUND, ENOENT, object, "there is no such program");

    // The child's stack below, the plan above it; shared, so that its answer arrives either way.
    size_t size = CHILD_STACK_SIZE + 4096;
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return err_os(err, errno, object, "cannot map memory for a process");
    struct plan *plan = (struct plan *)(void *)(shared + CHILD_STACK_SIZE);
    *plan = (struct plan){.spec = spec, .path = path, .envp = spec->envp ? spec->envp : environ};
    auto_close int pidfd = -1;
    pid_t pid = -1;
    int r = spawn(plan, object, &pid, &pidfd, err);
    munmap(shared, size);
    if (r < 0) return r;
    if (ret_pid) *ret_pid = pid;
    if (ret_pidfd) *ret_pidfd = take_fd(pidfd);
    return 0;
}
