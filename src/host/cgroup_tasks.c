// SPDX-License-Identifier: Apache-2.0
// Members of a group: list, freeze, kill, and wait for their end. A workload may have made groups
// below its own, so everything here looks at the whole tree.
#include "host/cgroup_int.h"

#include "base/clock.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PROCS_MAX = 64 << 20, DEPTH_MAX = 64, KILL_ROUNDS = 4 };
#define FREEZE_TIMEOUT_NS (5 * SEC_NS)
#define DESTROY_TIMEOUT_NS (2 * SEC_NS)

static int64_t now_ns(void) {
    return clock_monotonic(clock_system());
}

static void nap(int64_t ns) {
    struct timespec ts = {0, ns};
    nanosleep(&ts, NULL);
}

struct walk {
    int (*visit)(int parent, const char *name, int fd, void *arg); // after what is below it
    void *arg;
    int depth;
};

static int visit_below(int parent, const char *name, void *arg) {
    struct walk *walk = arg;
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) return 0;
    if (walk->depth >= DEPTH_MAX) return -ELOOP;
    auto_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : -errno;
    walk->depth++;
    int r = dir_each(fd, ".", visit_below, walk);
    walk->depth--;
    if (r == -ENOENT || r == -ENODEV) r = 0; // removed meanwhile
    return r < 0 ? r : walk->visit(parent, name, fd, walk->arg);
}

static int read_procs(int fd, struct cgroup_pids *ret) {
    auto_free char *text = NULL;
    int r = file_read(fd, "cgroup.procs", PROCS_MAX, &text, NULL, NULL);
    if (r == -ENODEV || r == -EOPNOTSUPP) return 0; // just removed; or threaded: listed above
    if (r < 0) return r;
    for (char *at = text, *end; *at; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at) break;
        if (pid > 0 && !vec_try_add(ret, (pid_t)pid)) return -ENOMEM;
        while (*end == '\n') end++;
    }
    return 0;
}

static int visit_procs(int parent, const char *name, int fd, void *arg) {
    int r = read_procs(fd, arg);
    return r == -ENOENT ? 0 : r;
}

int cgroup_list_pids(int fd, struct cgroup_pids *ret) {
    struct walk walk = {.visit = visit_procs, .arg = ret};
    int r = dir_each(fd, ".", visit_below, &walk);
    return r < 0 ? r : read_procs(fd, ret);
}

int cgroup_members_fd(const struct cgroup *cg) {
    int fd = cgroup_fd_of(cg, CGROUP_FREEZER, NULL);
    if (fd < 0) fd = cgroup_v2_fd(cg);
    for (size_t i = 0; i < cg->host->n && fd < 0; i++) fd = cg->fds[i];
    return fd;
}

int cgroup_procs(struct cgroup *cg, pid_t **ret_pids, size_t *ret_n, struct err *err) {
    struct cgroup_pids pids = {0};
    int fd = cgroup_members_fd(cg), r = fd < 0 ? -ENOENT : cgroup_list_pids(fd, &pids);
    if (r < 0) {
        free(pids.items);
        return err_os(err, -r, cg->path, "cannot list the processes of the control group");
    }
    *ret_pids = pids.items;
    *ret_n = pids.len;
    return 0;
}

static bool text_starts(int fd, const char *file, const char *want) {
    auto_free char *text = NULL;
    return file_read(fd, file, 4096, &text, NULL, NULL) == 0 && str_starts(text, want);
}

// Version 1 reports FREEZING until all stopped and has no event: asked again, and ever less often.
static int freeze_v1(int fd, bool frozen) {
    const char *want = frozen ? "FROZEN" : "THAWED";
    int64_t deadline = now_ns() + FREEZE_TIMEOUT_NS, pause = 20000;
    for (;;) {
        int r = file_write_text(fd, "freezer.state", want);
        if (r < 0) return r;
        if (text_starts(fd, "freezer.state", want)) return 0;
        if (now_ns() > deadline) return -ETIMEDOUT;
        nap(pause);
        if (pause < MSEC_NS / 2) pause *= 2;
    }
}

static int freeze_v2(int fd, bool frozen) {
    auto_close int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (events < 0) return -errno;
    int r = file_write_text(fd, "cgroup.freeze", frozen ? "1" : "0");
    int64_t deadline = now_ns() + FREEZE_TIMEOUT_NS;
    while (r == 0) {
        char text[512];
        ssize_t n = pread(events, text, sizeof(text) - 1, 0);
        if (n < 0) return -errno;
        text[n] = '\0';
        if (cgroup_text_field(text, "frozen") == frozen) return 0;
        int64_t left = deadline - now_ns();
        if (left <= 0) return -ETIMEDOUT;
        struct pollfd poll_fd = {.fd = events, .events = POLLPRI};
        poll(&poll_fd, 1, (int)(left / MSEC_NS) + 1);
    }
    return r;
}

static int freeze(const struct cgroup *cg, bool frozen) {
    int version = 0, fd = cgroup_fd_of(cg, CGROUP_FREEZER, &version);
    if (fd < 0) return -EOPNOTSUPP;
    return version == 1 ? freeze_v1(fd, frozen) : freeze_v2(fd, frozen);
}

int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *err) {
    int r = freeze(cg, frozen);
    if (r == 0) return 0;
    if (r == -EOPNOTSUPP || r == -ENOENT)
        return err_set(err, ERR_UNSUPPORTED, 0, cg->path,
                       "this host has no freezer for control groups");
    if (r != -ETIMEDOUT)
        return err_os(err, -r, cg->path, "cannot %s the group", frozen ? "freeze" : "thaw");
    if (frozen) freeze(cg, false); // half frozen helps nobody
    return err_set(err, ERR_TIMEOUT, 0, cg->path, "the group did not %s within 5 s",
                   frozen ? "freeze" : "thaw");
}

static bool is_frozen(const struct cgroup *cg) {
    int version = 0, fd = cgroup_fd_of(cg, CGROUP_FREEZER, &version);
    if (fd < 0) return false;
    return version == 1 ? text_starts(fd, "freezer.state", "FR") // FREEZING or FROZEN
                        : text_starts(fd, "cgroup.freeze", "1");
}

static int signal_members(const struct cgroup *cg, int signo, size_t *ret_n) {
    struct cgroup_pids pids = {0};
    int fd = cgroup_members_fd(cg), r = fd < 0 ? 0 : cgroup_list_pids(fd, &pids);
    for (size_t i = 0; i < pids.len && r >= 0; i++)
        if (kill(pids.items[i], signo) < 0 && errno != ESRCH) r = -errno;
    *ret_n = pids.len;
    free(pids.items);
    return r == -ENOENT || r == -ENODEV ? 0 : r; // the group is gone
}

// Without cgroup.kill: again as long as there are members, since they may fork meanwhile; those who
// are faster are frozen first, and die when they thaw.
static int kill_all(const struct cgroup *cg) {
    int unified = cgroup_v2_fd(cg);
    bool whole = unified >= 0 && cg->host->of[CGROUP_FREEZER] == cg->host->unified;
    if (whole && file_write_text(unified, "cgroup.kill", "1") == 0) return 0;
    size_t n, before = SIZE_MAX;
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int r = signal_members(cg, SIGKILL, &n);
        if (r < 0 || n == 0) return r;
        if (round && n >= before && freeze(cg, true) == 0) {
            r = signal_members(cg, SIGKILL, &n);
            int thawed = freeze(cg, false);
            return r < 0 ? r : thawed;
        }
        before = n;
    }
    return 0;
}

int cgroup_kill(struct cgroup *cg, int signo, struct err *err) {
    size_t n;
    bool frozen = is_frozen(cg);
    int r = signo == SIGKILL ? 0 : signal_members(cg, signo, &n);
    if (signo == SIGKILL) r = frozen ? signal_members(cg, signo, &n) : kill_all(cg);
    int thawed = frozen ? freeze(cg, false) : 0; // a frozen process takes no signal
    if (frozen && signo == SIGKILL && r >= 0) r = kill_all(cg);
    if (r < 0) return err_os(err, -r, cg->path, "cannot signal the processes of the group");
    if (thawed < 0) return err_os(err, -thawed, cg->path, "cannot thaw the group");
    return 0;
}

// Until the pid has ended or the deadline is there.
static void wait_for_end(pid_t pid, int64_t deadline) {
    auto_close int pidfd = process_pidfd(pid);
    if (pidfd < 0) return; // reaped
    int64_t left = deadline - now_ns();
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    if (left > 0) poll(&poll_fd, 1, (int)(left / MSEC_NS) + 1);
}

static int wait_empty(const struct cgroup *cg, int64_t deadline, size_t *ret_left) {
    int fd = cgroup_members_fd(cg);
    *ret_left = 0;
    while (fd >= 0) {
        struct cgroup_pids pids = {0};
        int r = cgroup_list_pids(fd, &pids);
        for (size_t i = 0; i < pids.len && r == 0; i++) {
            if (pids.items[i] != getpid()) kill(pids.items[i], SIGKILL); // born since the last time
            wait_for_end(pids.items[i], deadline);
        }
        *ret_left = pids.len;
        free(pids.items);
        if (r == -ENOENT || r == -ENODEV) return 0;
        if (r < 0 || *ret_left == 0) return r;
        if (now_ns() > deadline) return -ETIMEDOUT;
        nap(MSEC_NS / 20); // ended, yet still listed for a moment
    }
    return 0;
}

// The kernel lets go of a group a moment after its last process has ended.
static int remove_folder(int parent, const char *name, int64_t deadline) {
    for (int64_t pause = 20000;; pause = pause < MSEC_NS / 2 ? pause * 2 : pause) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
        if (errno != EBUSY || now_ns() > deadline) return -errno;
        nap(pause);
    }
}

static int visit_remove(int parent, const char *name, int fd, void *arg) {
    return remove_folder(parent, name, *(int64_t *)arg);
}

static int remove_tree(const char *mount, const char *path, int64_t deadline) {
    auto_close int root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -errno;
    if (unlinkat(root, path, AT_REMOVEDIR) == 0) return 0; // nothing below it: nearly always
    struct walk walk = {.visit = visit_remove, .arg = &deadline};
    int r = dir_each(root, path, visit_below, &walk);
    if (r == -ENOENT) return 0;
    return r < 0 ? r : remove_folder(root, path, deadline);
}

int cgroup_destroy(struct cgroup *cg, struct err *err) {
    int64_t deadline = now_ns() + DESTROY_TIMEOUT_NS;
    size_t left;
    int r = cgroup_kill(cg, SIGKILL, err);
    if (r < 0) return r;
    r = wait_empty(cg, deadline, &left);
    if (r == -ETIMEDOUT) {
        err_set(err, ERR_TIMEOUT, 0, cg->path, "%zu processes do not end although killed", left);
        return err_next(err, "look at them with ps: they wait inside the kernel; try again later");
    }
    for (size_t i = 0; i < cg->host->n && r >= 0; i++)
        if (cg->fds[i] >= 0) r = remove_tree(cg->host->hierarchies[i].mount, cg->path, deadline);
    return r < 0 ? err_os(err, -r, cg->path, "cannot remove the control group") : 0;
}
