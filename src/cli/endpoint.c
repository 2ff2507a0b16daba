// SPDX-License-Identifier: Apache-2.0
#include "cli/endpoint.h"

#include "base/mem.h"
#include "base/str.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MACHINE_SOCKET "/run/trine/api.sock"
#define START_TIMEOUT_MS 15000
#define REAP_MS 200

static int choose_named(const char *host, struct endpoint *ret, struct err *err) {
    if (!str_starts(host, "unix:///") || strlen(host) - strlen("unix://") >= sizeof(ret->own)) {
        err_set(err, ERR_INVALID, 0, "flag --host", "\"%.200s\" is not an address that it knows",
                host);
        return err_next(err, "write it as unix:///run/trine/api.sock");
    }
    snprintf(ret->own, sizeof(ret->own), "%s", host + strlen("unix://"));
    ret->named = true;
    return 0;
}

int endpoint_choose(const char *host, struct endpoint *ret, struct err *err) {
    *ret = (struct endpoint){0};
    if (!host) host = getenv("TRINE_HOST");
    if (host && *host) return choose_named(host, ret, err);
    if (geteuid() == 0) {
        snprintf(ret->own, sizeof(ret->own), MACHINE_SOCKET);
        return 0;
    }
    // Where a user's daemon is, as cloud/daemon.c chooses it.
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (runtime && *runtime == '/')
        n = snprintf(ret->own, sizeof(ret->own), "%s/trine/api.sock", runtime);
    else if (data && *data == '/')
        n = snprintf(ret->own, sizeof(ret->own), "%s/trine/run/api.sock", data);
    else if (home && *home == '/')
        n = snprintf(ret->own, sizeof(ret->own), "%s/.local/share/trine/run/api.sock", home);
    if (n < 0 || (size_t)n >= sizeof(ret->own)) {
        err_set(err, ERR_INVALID, 0, "environment",
                "neither XDG_RUNTIME_DIR nor HOME says where your daemon is");
        return err_next(err, "set one of them, or name a daemon with --host");
    }
    snprintf(ret->others, sizeof(ret->others), MACHINE_SOCKET);
    return 0;
}

static int nobody_answers(const struct endpoint *endpoint, int r, struct err *err) {
    err_clear(err);
    if (r == -EACCES || r == -EPERM) {
        err_set(err, ERR_DENIED, -r, "daemon", "the socket %s does not let you in", endpoint->own);
        return err_next(err, "ask the owner of the daemon, or use sudo");
    }
    err_set(err, ERR_UNAVAILABLE, 0, "daemon", "no daemon answers on %s", endpoint->own);
    if (endpoint->named) return err_next(err, "check --host and TRINE_HOST, or start it there");
    return err_next(err,
                    "start one with: trine daemon --background   (run, create, image build and "
                    "image import do so by themselves)");
}

int endpoint_connect(const struct endpoint *endpoint, int *ret_fd, struct err *err) {
    int r = unix_connect(endpoint->own, SOCK_STREAM, ret_fd, NULL);
    if (r >= 0) return 0;
    if (*endpoint->others && unix_connect(endpoint->others, SOCK_STREAM, ret_fd, NULL) >= 0)
        return 0;
    return nobody_answers(endpoint, r, err);
}

// What the daemon said last of itself, for the reader of the failure: its error ("trine: …") when
// there is one, else its last line.
static void start_failed(int stderr_fd, struct err *err) {
    char text[2048];
    ssize_t n = pread(stderr_fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    const char *said = "";
    char *save = NULL;
    bool is_error = false;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        bool error = str_starts(line, "trine: ");
        if (is_error && !error) continue;
        said = error ? line + strlen("trine: ") : line;
        is_error = error;
    }
    err_set(err, ERR_UNAVAILABLE, 0, "daemon", "it did not start%s%.400s", *said ? ": " : "", said);
    err_next(err, "see what it says with: trine daemon");
}

// Waits until the daemon has written to, or closed, its end of the pipe.
static int wait_ready(int ready_fd, struct err *err) {
    struct pollfd pfd = {.fd = ready_fd, .events = POLLIN};
    int r;
    do r = poll(&pfd, 1, START_TIMEOUT_MS);
    while (r < 0 && errno == EINTR);
    if (r < 0) return err_os(err, errno, "daemon", "cannot wait for it");
    if (r == 0)
        return err_set(err, ERR_TIMEOUT, 0, "daemon", "it was not ready after %d s",
                       START_TIMEOUT_MS / 1000);
    return 0;
}

// The process that was started ends when its child serves: nothing of it is left behind.
static void reap(pid_t pid, int pidfd) {
    struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
    if (poll(&pfd, 1, REAP_MS) == 1) process_wait(pid);
}

static int start_daemon(const char *path, int log_fd, int *ret_ready, pid_t *ret_pid,
                        int *ret_pidfd, struct err *err) {
    char role[ENDPOINT_PATH_SIZE];
    if (!process_role_path("trine-daemon", role, sizeof(role))) {
        err_set(err, ERR_UNAVAILABLE, 0, "daemon", "none answers on %s, and trine-daemon is absent",
                path);
        return err_next(err, "install Trine completely, or name its folder in TRINE_LIBEXEC");
    }
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) return err_os(err, errno, "daemon", "cannot make a pipe");
    char *argv[] = {(char *)"trine-daemon", (char *)"--background", (char *)"--ready-fd",
                    (char *)"3", NULL};
    struct process_fd fds[] = {{.from = log_fd, .to = 2}, {.from = ready[1], .to = 3}};
    struct process_spec spec = {
        .path = role,
        .argv = argv,
        .cwd = "/",
        .fds = fds,
        .n_fds = array_len(fds),
        .new_session = true,
    };
    int r = process_spawn(&spec, ret_pid, ret_pidfd, err);
    close(ready[1]);
    if (r < 0) {
        close(ready[0]);
        return err_while(err, "starting the daemon");
    }
    *ret_ready = ready[0];
    return 0;
}

int endpoint_connect_or_start(const struct endpoint *endpoint, int *ret_fd, struct err *err) {
    struct err first = {0};
    int r = endpoint_connect(endpoint, ret_fd, &first);
    if (r >= 0) return 0;
    if (endpoint->named || first.kind != ERR_UNAVAILABLE) {
        if (err) *err = first;
        return r;
    }
    auto_close int log_fd = memfd_create("trine-daemon-start", MFD_CLOEXEC);
    if (log_fd < 0) return err_os(err, errno, "daemon", "cannot make a memory file");
    auto_close int ready = -1, pidfd = -1;
    pid_t pid;
    r = start_daemon(endpoint->own, log_fd, &ready, &pid, &pidfd, err);
    if (r < 0) return r;
    r = wait_ready(ready, err);
    if (r < 0) return r;
    reap(pid, pidfd);
    // Another one may have been first: whoever answers there serves us.
    if (unix_connect(endpoint->own, SOCK_STREAM, ret_fd, NULL) < 0) {
        start_failed(log_fd, err);
        return err_code(err);
    }
    fprintf(stderr, "trine: started a daemon for %s, it listens on %s\n",
            geteuid() == 0 ? "this machine" : "you", endpoint->own);
    return 0;
}
