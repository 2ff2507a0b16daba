// SPDX-License-Identifier: Apache-2.0
#include "host/process.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int process_pidfd(pid_t pid) {
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int)fd;
}

int process_signal(int pidfd, int signo) {
    return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

int process_start_time(pid_t pid, uint64_t *ret) {
    char path[32], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? -ESRCH : -errno;
    ssize_t n = file_read_some(fd, text, sizeof(text) - 1);
    if (n < 0) return (int)n;
    text[n] = '\0';
    // Field 2, the name, may hold anything: the others are counted from its last parenthesis.
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    if (!at) return -EPROTO;
    *ret = strtoull(at + 1, NULL, 10);
    return 0;
}

int process_exit_code(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

int process_wait(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return process_exit_code(status);
}

// Reads to the end, keeps the first max bytes: the child is never stopped by a full pipe.
static int collect(int fd, size_t max, char **ret_output) {
    auto_free char *data = NULL;
    size_t size = 0, cap = 0;
    char buf[4096];
    for (;;) {
        ssize_t n = file_read_some(fd, buf, sizeof(buf));
        if (n < 0) return (int)n;
        size_t keep = (size_t)n < max - size ? (size_t)n : max - size;
        if (!vec_grow((void **)&data, &cap, size + keep + 1, 1)) return -ENOMEM;
        memcpy(data + size, buf, keep);
        size += keep;
        data[size] = '\0';
        if (n == 0) break;
    }
    *ret_output = take(data);
    return 0;
}

int process_run(char *const *argv, size_t max, bool merge, char **ret_output, struct err *err) {
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) return err_os(err, errno, argv[0], "cannot make a pipe");
    auto_close int from = pipe_fds[0], to = pipe_fds[1];
    const struct process_fd fds[] = {{to, 1}, {merge ? to : STDERR_FILENO, 2}};
    const struct process_spec spec = {.argv = argv, .fds = fds, .n_fds = array_len(fds)};
    pid_t pid;
    int r = process_spawn(&spec, &pid, NULL, err);
    if (r < 0) return r;
    close(to);
    to = -1;
    auto_free char *output = NULL;
    int failed = collect(from, max, &output);
    if (failed < 0) kill(pid, SIGKILL);
    r = process_wait(pid);
    if (failed < 0) r = failed;
    if (r < 0) return err_os(err, -r, argv[0], "cannot collect the output of the command");
    if (ret_output) *ret_output = take(output);
    return r;
}

static const char *role_in(const char *folder, size_t folder_len, const char *role, char *buf,
                           size_t size) {
    int len = snprintf(buf, size, "%.*s/%s", (int)folder_len, folder, role);
    if (len < 0 || (size_t)len >= size) return NULL;
    struct stat st;
    if (stat(buf, &st) < 0 || !S_ISREG(st.st_mode) || access(buf, X_OK) < 0) return NULL;
    return buf;
}

const char *process_role_path(const char *role, char *buf, size_t size) {
    if (!*role || strchr(role, '/')) return NULL;
    const char *chosen = secure_getenv("TRINE_LIBEXEC");
    if (chosen && *chosen == '/') return role_in(chosen, strlen(chosen), role, buf, size);
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = '\0';
        const char *slash = strrchr(self, '/');
        if (slash && role_in(self, (size_t)(slash - self), role, buf, size)) return buf;
    }
    return role_in(TRINE_LIBEXEC_DIR, strlen(TRINE_LIBEXEC_DIR), role, buf, size);
}

static int parse_number(const char *text, int min, int max, int *ret) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits]) return -EINVAL;
    int value = atoi(text);
    if (value < min || value > max) return -EINVAL;
    *ret = value;
    return 0;
}

int process_signal_parse(const char *text, int *ret) {
    if (parse_number(text, 1, SIGRTMAX, ret) == 0) return 0;
    if (strncasecmp(text, "SIG", 3) == 0) text += 3;
    if (strncasecmp(text, "RTMIN", 5) == 0) {
        int offset = 0;
        if (text[5] &&
            (text[5] != '+' || parse_number(text + 6, 0, SIGRTMAX - SIGRTMIN, &offset) < 0))
            return -EINVAL;
        *ret = SIGRTMIN + offset;
        return 0;
    }
    for (int signo = 1; signo < SIGRTMIN; signo++) {
        const char *name = process_signal_name(signo);
        if (!name || strcasecmp(name, text) != 0) continue;
        *ret = signo;
        return 0;
    }
    return -EINVAL;
}

const char *process_signal_name(int signo) {
    return sigabbrev_np(signo);
}
