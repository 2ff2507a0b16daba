// SPDX-License-Identifier: Apache-2.0
#include "execution/container/hooks.h"

#include "base/str.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

char *hook_state_json(const struct hook_state *state) {
    auto_str struct str s = {0};
    str_add(&s, "{\"ociVersion\":");
    str_add_json(&s, state->spec->oci_version);
    str_add(&s, ",\"id\":");
    str_add_json(&s, state->id);
    str_printf(&s, ",\"status\":\"%s\"", state->status);
    if (state->pid > 0) str_printf(&s, ",\"pid\":%d", (int)state->pid);
    str_add(&s, ",\"bundle\":");
    str_add_json(&s, state->bundle);
    const struct oci_pairs *notes = &state->spec->annotations;
    for (size_t i = 0; i < notes->len; i++) {
        str_add(&s, i ? "," : ",\"annotations\":{");
        str_add_json(&s, notes->items[i].key);
        str_add_char(&s, ':');
        str_add_json(&s, notes->items[i].value);
    }
    str_add(&s, notes->len ? "}}" : "}");
    return str_take(&s);
}

// A hook that does not read its input is no failure: EPIPE is fine. The state is small enough for
// the pipe's buffer in all but odd cases (annotations), and then the hook has to read.
static void feed(int fd, const char *json) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGPIPE, &ignore, &old);
    (void)file_write_all(fd, json, strlen(json));
    sigaction(SIGPIPE, &old, NULL);
}

static int wait_for(const char *kind, const struct oci_hook *hook, pid_t pid, int pidfd,
                    struct err *err) {
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    bool limited = hook->timeout.set && hook->timeout.value > 0;
    int timeout_ms =
        limited && hook->timeout.value < 1000000 ? (int)hook->timeout.value * 1000 : -1;
    int n;
    while ((n = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR) {
    }
    if (n == 0) {
        (void)process_signal(pidfd, SIGKILL);
        process_wait(pid);
        return err_set(err, ERR_TIMEOUT, 0, hook->path, "the %s hook did not end within %lld s",
                       kind, (long long)hook->timeout.value);
    }
    int code = process_wait(pid);
    if (code == 0) return 0;
    return err_set(err, ERR_STATE, 0, hook->path, "the %s hook ended with exit code %d", kind,
                   code);
}

static int run_one(const char *kind, const struct oci_hook *hook, const char *json,
                   struct err *err) {
    if (hook->path[0] != '/')
        return err_set(err, ERR_INVALID, 0, "hooks", "the path \"%s\" of a %s hook is not absolute",
                       hook->path, kind);
    if (hook->timeout.set && hook->timeout.value <= 0)
        return err_set(err, ERR_INVALID, 0, hook->path, "its timeout is not above 0");
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) return err_os(err, errno, "hooks", "cannot make a pipe");
    auto_close int in = fds[0], out = fds[1];
    struct process_fd map[] = {{in, 0}, {1, 1}, {2, 2}};
    char *own[] = {hook->path, NULL};
    struct process_spec spec = {.path = hook->path,
                                .argv = hook->args.len ? hook->args.items : own,
                                .envp = hook->env.items,
                                .fds = map,
                                .n_fds = array_len(map)};
    pid_t pid;
    auto_close int pidfd = -1;
    int r = process_spawn(&spec, &pid, &pidfd, err);
    if (r < 0) return err_while(err, "starting a %s hook", kind);
    feed(out, json);
    close(take_fd(out));
    return wait_for(kind, hook, pid, pidfd, err);
}

int hooks_run(const char *kind, const struct oci_hook_list *hooks, const struct hook_state *state,
              struct err *err) {
    if (!hooks->len) return 0;
    auto_free char *json = hook_state_json(state);
    if (!json) return err_set(err, ERR_NO_SPACE, 0, "hooks", "no memory for the state");
    int r = 0;
    for (size_t i = 0; r == 0 && i < hooks->len; i++)
        r = run_one(kind, &hooks->items[i], json, err);
    return r;
}
