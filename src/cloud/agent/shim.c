// SPDX-License-Identifier: Apache-2.0
// The shims of instances as processes: start, find, kill.
//
// A pid alone is never trusted: it is paired with its start time, and signals go through a pidfd
// that was opened before the pair was compared.
#include "cloud/agent/instance.h"

#include "base/log.h"
#include "base/str.h"
#include "base/vec.h"
#include "host/cgroup.h"
#include "host/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SHIM_ROLE "trine-shim"
#define SHIM_CONTROL_FD 3
#define SHIM_LOCK_FD 4
#define KILL_WAIT_MS 5000
#define SHIM_END_MS 2000
#define SHIM_LAST_WORDS_MS 12000 // a little more than a shim spends on slow readers
#define LOG_MAX_BYTES_DEFAULT (UINT64_C(16) << 20)
#define SHIM_PATH_ENV "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int shim_record_parse(const char *text, pid_t *ret_pid, uint64_t *ret_start_time) {
    char *end;
    if (!isdigit((unsigned char)text[0])) return -EBADMSG;
    errno = 0;
    unsigned long pid = strtoul(text, &end, 10);
    if (errno || pid == 0 || pid > INT32_MAX || *end != ' ' || !isdigit((unsigned char)end[1]))
        return -EBADMSG;
    uint64_t start = strtoull(end + 1, &end, 10);
    if (errno || !str_same(end, "\n")) return -EBADMSG;
    *ret_pid = (pid_t)pid;
    *ret_start_time = start;
    return 0;
}

int shim_find(int run_instances_fd, const char *id, pid_t *ret_pid, int *ret_pidfd) {
    char path[64];
    snprintf(path, sizeof(path), "%s/" LAYOUT_SHIM_PID, id);
    char *text auto_free = NULL;
    int rc = file_read(run_instances_fd, path, 64, &text, NULL, NULL);
    if (rc < 0) return rc == -ENOENT ? -ENOENT : -EBADMSG;
    pid_t pid;
    uint64_t recorded, actual;
    rc = shim_record_parse(text, &pid, &recorded);
    if (rc < 0) return rc;
    auto_close int pidfd = process_pidfd(pid);
    if (pidfd < 0) return pidfd;
    rc = process_start_time(pid, &actual);
    if (rc < 0) return rc;
    if (actual != recorded) return -ESRCH;
    // A pidfd of a process that ended but was not reaped yet is readable.
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    if (poll(&p, 1, 0) == 1) return -ESRCH;
    *ret_pid = pid;
    if (ret_pidfd) *ret_pidfd = take_fd(pidfd);
    return 0;
}

int shim_connect(int run_instances_fd, const char *id) {
    auto_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0) return -errno;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s/" LAYOUT_SHIM_SOCKET,
             run_instances_fd, id);
    if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0) return -errno;
    return take_fd(sock);
}

static void kill_and_wait(int pidfd) {
    if (process_signal(pidfd, SIGKILL) < 0) return;
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    while (poll(&p, 1, KILL_WAIT_MS) < 0 && errno == EINTR) continue;
}

static int proc_read(pid_t pid, const char *name, char *buf, size_t size) {
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t n = file_read_some(fd, buf, size - 1);
    if (n < 0) return (int)n;
    buf[n] = '\0';
    return (int)n;
}

static bool is_child(pid_t pid, const void *arg) {
    char text[1024], state;
    int parent;
    if (proc_read(pid, "stat", text, sizeof(text)) < 0) return false;
    const char *at = strrchr(text, ')');
    return at && sscanf(at + 1, " %c %d", &state, &parent) == 2 &&
           parent == (int)*(const pid_t *)arg;
}

struct stray {
    const char *id;
    char dir[4200];
};

// argv: …/trine-shim --id ID --dir DIR …
static bool is_stray(pid_t pid, const void *arg) {
    const struct stray *stray = arg;
    char text[8192];
    int n = proc_read(pid, "cmdline", text, sizeof(text));
    bool id_seen = false, dir_seen = false;
    const char *previous = "";
    for (const char *p = text; n > 0 && p < text + n; p += strlen(p) + 1) {
        if (str_same(previous, "--id") && str_same(p, stray->id)) id_seen = true;
        if (str_same(previous, "--dir") && str_same(p, stray->dir)) dir_seen = true;
        previous = p;
    }
    return id_seen && dir_seen;
}

// Descriptors of all processes for which test holds, before and after they were opened.
struct process_set {
    VEC(int) pidfds;
    bool (*test)(pid_t pid, const void *arg);
    const void *arg;
};

static int collect_one(int dirfd, const char *name, void *arg) {
    struct process_set *set = arg;
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    if (!isdigit((unsigned char)name[0]) || pid == getpid() || !set->test(pid, set->arg)) return 0;
    int pidfd = process_pidfd(pid);
    if (pidfd < 0) return 0;
    if (set->test(pid, set->arg))
        vec_add(&set->pidfds, pidfd);
    else
        close(pidfd);
    return 0;
}

static int set_kill(struct process_set *set) {
    int n = (int)set->pidfds.len;
    for (size_t i = 0; i < set->pidfds.len; i++) {
        kill_and_wait(set->pidfds.items[i]);
        close(set->pidfds.items[i]);
    }
    vec_free(&set->pidfds);
    return n;
}

int shim_kill_strays(const char *run_dir, const char *id) {
    struct stray stray = {.id = id};
    snprintf(stray.dir, sizeof(stray.dir), "%s/" LAYOUT_INSTANCES "/%s", run_dir, id);
    struct process_set set = {.test = is_stray, .arg = &stray};
    int total = 0, n;
    do { // one that was being forked while we looked shows in the next round
        dir_each(AT_FDCWD, "/proc", collect_one, &set);
        n = set_kill(&set);
        total += n;
    } while (n > 0);
    return total;
}

void shim_await(int run_instances_fd, const char *id) {
    pid_t pid;
    auto_close int pidfd = -1;
    if (shim_find(run_instances_fd, id, &pid, &pidfd) < 0) return;
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    while (poll(&end, 1, SHIM_LAST_WORDS_MS) < 0 && errno == EINTR) continue;
}

void shim_end(int run_instances_fd, const char *id, struct cgroup *cgroup) {
    pid_t pid;
    auto_close int pidfd = -1;
    if (shim_find(run_instances_fd, id, &pid, &pidfd) < 0) return;
    struct process_set set = {.test = is_child, .arg = &pid};
    dir_each(AT_FDCWD, "/proc", collect_one, &set);
    for (size_t i = 0; i < set.pidfds.len; i++) {
        process_signal(set.pidfds.items[i], SIGKILL);
        close(set.pidfds.items[i]);
    }
    vec_free(&set.pidfds);
    if (cgroup) cgroup_freeze(cgroup, false, NULL); // a frozen process dies when it thaws
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    while (poll(&end, 1, SHIM_END_MS) < 0 && errno == EINTR) continue;
}

void shim_kill(int run_instances_fd, const char *id, bool children) {
    pid_t pid;
    auto_close int pidfd = -1;
    if (shim_find(run_instances_fd, id, &pid, &pidfd) < 0) return;
    struct process_set set = {.test = is_child, .arg = &pid};
    if (children) dir_each(AT_FDCWD, "/proc", collect_one, &set);
    kill_and_wait(pidfd);
    set_kill(&set);
}

static void on_shim_ended(pid_t pid, int wait_status, void *arg) {
    LOG_DEBUG("a shim ended", "pid=%d code=%d", (int)pid, process_exit_code(wait_status));
}

static void shim_arguments(const struct agent *agent, const struct wire_agent_instance_create *r,
                           struct strv *argv) {
    uint64_t log_max = r->log_max_bytes ? r->log_max_bytes : LOG_MAX_BYTES_DEFAULT;
    const gid_t gid = agent->options->daemon_gid;
    strv_add(argv, SHIM_ROLE);
    strv_add(argv, "--id");
    strv_add(argv, r->id);
    strv_add(argv, "--dir");
    strv_printf(argv, "%s/" LAYOUT_INSTANCES "/%s", agent->run_dir, r->id);
    strv_add(argv, "--log");
    strv_printf(argv, "%s/" LAYOUT_INSTANCES "/%s/" LAYOUT_LOG, agent->state_dir, r->id);
    strv_add(argv, "--log-max");
    strv_printf(argv, "%" PRIu64, log_max);
    strv_add(argv, "--log-files");
    strv_printf(argv, "%" PRIu32, r->log_files);
    strv_add(argv, "--cgroup");
    strv_printf(argv, LAYOUT_CGROUP_ROOT "/%s", r->id);
    if (r->terminal) strv_add(argv, "--terminal");
    if (r->stdin_open) strv_add(argv, "--stdin");
    if (gid == (gid_t)-1 || agent->options->rootless) return;
    strv_add(argv, "--log-gid");
    strv_printf(argv, "%u", (unsigned)gid);
}

static int lock_open(int run_instances_fd, const char *id, int flags) {
    char path[64];
    snprintf(path, sizeof(path), "%s/" LAYOUT_SHIM_LOCK, id);
    int fd = openat(run_instances_fd, path, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

bool shim_has_ended(int run_instances_fd, const char *id) {
    auto_close int fd = lock_open(run_instances_fd, id, 0);
    return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int shim_start(struct agent *agent, const struct wire_agent_instance_create *request, int *ret_sock,
               pid_t *ret_pid, struct err *err) {
    char path[4096], *envp[] = {(char[]){SHIM_PATH_ENV}, NULL};
    if (!process_role_path(SHIM_ROLE, path, sizeof(path))) {
        err_set(err, ERR_UNAVAILABLE, 0, SHIM_ROLE, "the program is not installed");
        return err_next(err, "install all of Trine's programs into one folder");
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, errno, SHIM_ROLE, "cannot make its control socket");
    auto_close int ours = pair[0];
    auto_close int theirs = pair[1];
    struct strv argv auto_strv = {0};
    shim_arguments(agent, request, &argv);
    char *bundle auto_free = mem_printf("%s/" LAYOUT_INSTANCES "/%s", agent->run_dir, request->id);
    // A child that has not executed the shim yet cannot be told by its command line; the lock that
    // it inherits tells that it is there, even when we are killed now.
    auto_close int lock = lock_open(agent->run_instances_fd, request->id, O_CREAT | O_EXCL);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return err_os(err, lock < 0 ? -lock : errno, LAYOUT_SHIM_LOCK, "cannot lock it");
    struct process_fd fds[] = {{theirs, SHIM_CONTROL_FD}, {lock, SHIM_LOCK_FD}};
    struct process_spec spec = {.path = path,
                                .argv = argv.items,
                                .envp = envp,
                                .cwd = bundle,
                                .fds = fds,
                                .n_fds = array_len(fds),
                                .new_session = true};
    auto_close int pidfd = -1;
    int rc = process_spawn(&spec, ret_pid, &pidfd, err);
    if (rc < 0) return rc;
    // Only to reap it. Should that fail, the pid stays taken until we end: no harm.
    loop_add_child(agent->loop, *ret_pid, -1, on_shim_ended, agent, NULL, NULL);
    *ret_sock = take_fd(ours);
    return 0;
}
