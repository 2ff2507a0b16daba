// SPDX-License-Identifier: Apache-2.0
// Further programs in the container. Each has its own streams and one client; the EXIT frame tells
// how it ended. A client that leaves early hangs up the program's terminal; a program without one
// goes on, its output is taken and dropped.
#include "execution/container/supervisor_int.h"

#include "execution/container/supervisor_exec_json.h"
#include "wire/layout.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct exec {
    struct list link;
    pid_t pid; // 0 once reaped
    struct supervisor_stdio stdio;
};

static void exec_free(struct exec *exec) {
    list_remove(&exec->link);
    supervisor_stdio_close(&exec->stdio);
    free(exec);
}

static void on_left(struct supervisor_stdio *stdio, void *arg) {
    struct exec *exec = arg;
    if (exec->pid == 0) {
        exec_free(exec);
        return;
    }
    if (stdio->terminal)
        supervisor_stdio_close(stdio); // the kernel sends SIGHUP to the terminal's session
    else
        supervisor_stdio_shut_input(stdio);
}

static int exec_spawn(struct supervisor *s, struct exec *exec, const struct wire_shim_exec *request,
                      int child[3], struct err *err) {
    char *json auto_free = NULL;
    size_t size = 0;
    int rc = supervisor_exec_json_spawn(s->bundle_fd, LAYOUT_CONFIG, request, &json, &size, err);
    if (rc < 0) return rc;
    struct container_options options = s->container;
    for (size_t i = 0; i < 3; i++) options.stdio[i] = child[i];
    struct container_process process = CONTAINER_PROCESS_INIT;
    rc = container_spawn_exec(LAYOUT_CONFIG, json, size, s->process.pid, s->process.pidfd, &options,
                              &process, err);
    if (rc < 0) return rc;
    exec->pid = process.pid;
    if (request->terminal && process.console_fd >= 0)
        rc = supervisor_stdio_console(&exec->stdio, take_fd(process.console_fd), request->input,
                                      err);
    container_process_close(&process);
    return rc;
}

static int exec_start(struct supervisor *s, struct exec *exec, const struct wire_shim_exec *request,
                      int *ret_sock, struct err *err) {
    int child[3] = {-1, -1, -1};
    int rc =
        request->terminal ? 0 : supervisor_stdio_pipes(&exec->stdio, request->input, child, err);
    if (rc == 0) rc = exec_spawn(s, exec, request, child, err);
    for (size_t i = 0; i < 3; i++) {
        if (child[i] >= 0) close(child[i]);
    }
    if (rc == 0)
        rc = supervisor_stdio_attach(&exec->stdio, request->input, true, false, ret_sock, err);
    if (rc == 0) rc = supervisor_stdio_watch(&exec->stdio, err);
    return rc;
}

int supervisor_exec(struct supervisor *s, const struct wire_shim_exec *request, int *ret_sock,
                    pid_t *ret_pid, struct err *err) {
    if (s->state == SUPERVISOR_PAUSED) {
        err_set(err, ERR_STATE, 0, "instance", "it is paused");
        return err_next(err, "resume it first");
    }
    if (s->state != SUPERVISOR_RUNNING)
        return err_set(err, ERR_STATE, 0, "instance", "it is not running");
    struct exec *exec = mem_new(struct exec);
    supervisor_stdio_init(&exec->stdio, s->loop, s->frame);
    list_add_tail(&s->execs, &exec->link);
    int rc = exec_start(s, exec, request, ret_sock, err);
    malloc_trim(0);
    if (rc < 0) {
        if (exec->pid > 0) kill(exec->pid, SIGKILL); // reaped as an orphan
        exec_free(exec);
        return rc;
    }
    exec->stdio.on_left = on_left;
    exec->stdio.arg = exec;
    *ret_pid = exec->pid;
    return 0;
}

static void exec_ended(struct exec *exec, int exit_code) {
    exec->pid = 0;
    supervisor_stdio_drain(&exec->stdio);
    supervisor_stdio_end(&exec->stdio, exit_code, "");
    if (supervisor_stdio_flushed(&exec->stdio)) exec_free(exec);
}

bool supervisor_exec_reaped(struct supervisor *s, pid_t pid, int exit_code) {
    struct exec *exec;
    list_each (&s->execs, exec, struct exec, link) {
        if (exec->pid != pid) continue;
        exec_ended(exec, exit_code);
        return true;
    }
    return false;
}

void supervisor_exec_end_all(struct supervisor *s) {
    struct exec *exec;
    list_each (&s->execs, exec, struct exec, link) {
        if (exec->pid > 0) exec_ended(exec, 128 + SIGKILL);
    }
}

bool supervisor_exec_flushed(const struct supervisor *s) {
    return list_empty(&s->execs);
}

void supervisor_exec_free_all(struct supervisor *s) {
    struct exec *exec;
    list_each (&s->execs, exec, struct exec, link) exec_free(exec);
}
