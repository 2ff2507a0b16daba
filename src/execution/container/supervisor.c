// SPDX-License-Identifier: Apache-2.0
// The life of a supervisor: create, serve, end. What it is asked meanwhile: supervisor_request.c.
#include "execution/container/supervisor_int.h"

#include "base/log.h"
#include "base/str.h"
#include "execution/container/supervisor_ring.h"
#include "host/file.h"
#include "host/process.h"
#include "wire/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLUSH_NS (10 * SEC_NS) // for readers that hang when the container has ended
#define HELLO_MS 1000

static void ignore_signal(int signo) {
    (void)signo;
}

// Handlers that do nothing, and not SIG_IGN: a program that is executed must find the defaults.
static int step_become_supervisor(struct supervisor *s, struct err *err) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    struct sigaction nothing = {.sa_handler = ignore_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < array_len(signals); i++) sigaction(signals[i], &nothing, NULL);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_os(err, errno, "supervisor", "cannot become the reaper of orphans");
    return 0;
}

static int step_open_directories(struct supervisor *s, struct err *err) {
    s->dir_fd = open(s->options->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) return err_os(err, errno, "directory", "cannot open %s", s->options->dir);
    s->bundle_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->bundle = getcwd(NULL, 0);
    if (s->bundle_fd < 0 || !s->bundle) return err_os(err, errno, "bundle", "cannot open it");
    // Instances are neighbours, and their compiled filters lie between them.
    s->cache_dir = mem_printf("%s/../%s", s->options->dir, strchr(LAYOUT_SECCOMP_CACHE, '/') + 1);
    if (unlinkat(s->dir_fd, LAYOUT_EXIT, 0) < 0 && errno != ENOENT)
        return err_os(err, errno, LAYOUT_EXIT, "cannot remove the one of an earlier life");
    return supervisor_write_pid(s->dir_fd, err);
}

static void reap(int signo, void *arg) {
    struct supervisor *s = arg;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != s->process.pid) {
            supervisor_exec_reaped(s, pid, process_exit_code(status)); // or an orphan
            continue;
        }
        s->init_ended = true;
        s->init_status = status;
        loop_stop(s->loop, 0);
    }
}

static int step_make_loop(struct supervisor *s, struct err *err) {
    s->frame =
        mem_try_resize(NULL, STREAM_FRAME_MAX, 1); // not zeroed: untouched pages cost nothing
    if (!s->frame) return err_set(err, ERR_NO_SPACE, ENOMEM, "supervisor", "cannot get its buffer");
    int rc = loop_new(clock_system(), &s->loop, err);
    if (rc == 0) rc = loop_add_signal(s->loop, SIGCHLD, reap, s, err);
    if (rc == 0) supervisor_stdio_init(&s->stdio, s->loop, s->frame);
    return rc;
}

static int step_open_log(struct supervisor *s, struct err *err) {
    struct supervisor_log_options options = {.path = s->options->log_path,
                                             .max_bytes = s->options->log_max_bytes,
                                             .files = s->options->log_files,
                                             .gid = s->options->log_gid};
    int rc = supervisor_log_open(&s->log, &options, err);
    if (rc == 0) s->stdio.log = &s->log;
    return rc;
}

// In the short-lived child that creates: a line for the agent, which passes it on to the user.
static void on_container_warning(const char *text, void *arg) {
    const struct supervisor *s = arg;
    auto_close int fd = openat(s->dir_fd, LAYOUT_WARNINGS,
                               O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    char line[512];
    int n = snprintf(line, sizeof(line), "%.*s\n", (int)sizeof(line) - 2, text);
    for (char *p = line; n > 0 && p < line + n - 1; p++) *p = *p == '\n' ? ' ' : *p;
    if (fd < 0 || file_write_all(fd, line, (size_t)n) < 0)
        LOG_WARN("the container does not get all that was asked for", "cause=\"%s\"", text);
}

static int step_find_cgroups(struct supervisor *s, struct err *err) {
    struct err why = {0};
    if (cgroup_host_open(&s->cgroups, &why) < 0) {
        LOG_WARN("the container runs without a control group", "cause=\"%s\"", why.cause);
        s->cgroups = NULL;
    }
    return 0;
}

static int step_spawn_container(struct supervisor *s, struct err *err) {
    s->container = (struct container_options)CONTAINER_OPTIONS_INIT;
    s->container.id = s->options->id;
    s->container.bundle = s->bundle;
    s->container.cache_dir = s->cache_dir;
    s->container.cgroups = s->cgroups;
    s->container.cgroup_path = s->options->cgroup;
    s->container.die_with_parent = true;
    s->container.warn = on_container_warning;
    s->container.warn_arg = s;
    int child[3] = {-1, -1, -1};
    int rc =
        s->options->terminal ? 0 : supervisor_stdio_pipes(&s->stdio, s->options->input, child, err);
    struct container_options options = s->container;
    memcpy(options.stdio, child, sizeof(child));
    if (rc == 0) rc = container_spawn(LAYOUT_CONFIG, &options, &s->process, err);
    for (size_t i = 0; i < 3; i++) {
        s->container.stdio[i] = -1;
        if (child[i] >= 0) close(child[i]);
    }
    return rc;
}

static int step_take_streams(struct supervisor *s, struct err *err) {
    if (s->options->terminal) {
        if (s->process.console_fd < 0)
            return err_set(err, ERR_INVALID, 0, LAYOUT_CONFIG, "it asks for no terminal");
        s->stdio.ring = supervisor_ring_new();
        int rc = supervisor_stdio_console(&s->stdio, take_fd(s->process.console_fd),
                                          s->options->input, err);
        if (rc < 0) return rc;
    }
    return supervisor_stdio_watch(&s->stdio, err);
}

// Whoever started us may be gone already: the container is made, and they find it by its socket.
static int step_greet(struct supervisor *s, struct err *err) {
    struct err why = {0};
    if (supervisor_connect(s, take_fd(s->control), &why) < 0)
        LOG_WARN("the first connection is lost", "cause=\"%s\"", why.cause);
    return 0;
}

typedef int step_fn(struct supervisor *s, struct err *err);

static int supervisor_create(struct supervisor *s, struct err *err) {
    static step_fn *const steps[] = {
        step_become_supervisor, step_open_directories, step_make_loop,
        step_open_log,          step_find_cgroups,     step_spawn_container,
        step_take_streams,      supervisor_listen,     step_greet,
    };
    for (size_t i = 0; i < array_len(steps); i++) {
        int rc = steps[i](s, err);
        if (rc < 0) return rc;
    }
    malloc_trim(0); // there is one supervisor for each container, and nearly all of them wait
    return 0;
}

void supervisor_set_state(struct supervisor *s, enum supervisor_state state) {
    if (s->state == state) return;
    s->state = state;
    supervisor_announce(s);
}

static void keep_failure(struct supervisor *s, const struct err *why) {
    snprintf(s->record.failure, sizeof(s->record.failure), "%s: %s", why->object, why->cause);
    s->record.exit_code = container_exit_code(why);
}

int supervisor_start(struct supervisor *s, struct err *err) {
    if (s->state != SUPERVISOR_CREATED || s->record.failure[0])
        return err_set(err, ERR_STATE, 0, "instance", "it was started before");
    int64_t now = clock_realtime(loop_clock(s->loop));
    struct err why = {0};
    int rc = container_start(NULL, &s->container, &s->process, &why);
    if (rc < 0) {
        keep_failure(s, &why);
        process_signal(s->process.pidfd, SIGKILL); // where it did not end by itself
        if (err) *err = why;
        return rc;
    }
    s->record.started_ns = now;
    supervisor_set_state(s, SUPERVISOR_RUNNING);
    return 0;
}

int supervisor_open_cgroup(struct supervisor *s, struct cgroup **ret, struct err *err) {
    int rc = -ENOENT;
    if (s->cgroups) rc = cgroup_open(s->cgroups, s->process.cgroup_path, ret, err);
    if (rc != -ENOENT) return rc;
    err_set(err, ERR_UNSUPPORTED, 0, "instance", "it has no control group on this host");
    return err_next(err, "see what is missing with: trine doctor");
}

int supervisor_pause(struct supervisor *s, bool paused, struct err *err) {
    if (s->state != SUPERVISOR_RUNNING && s->state != SUPERVISOR_PAUSED)
        return err_set(err, ERR_STATE, 0, "instance", "it is not running");
    if (paused == (s->state == SUPERVISOR_PAUSED)) return 0;
    struct cgroup *cg;
    int rc = supervisor_open_cgroup(s, &cg, err);
    if (rc < 0) return rc;
    rc = cgroup_freeze(cg, paused, err);
    cgroup_close(cg);
    if (rc == 0) supervisor_set_state(s, paused ? SUPERVISOR_PAUSED : SUPERVISOR_RUNNING);
    return rc;
}

int supervisor_signal(struct supervisor *s, int signo, bool all, struct err *err) {
    int rc = container_kill(&s->container, s->process.pidfd, signo, all, err);
    // A frozen process dies when it thaws; who sends SIGKILL wants it to end.
    if (rc == 0 && signo == SIGKILL && s->state == SUPERVISOR_PAUSED)
        rc = supervisor_pause(s, false, err);
    return rc;
}

// Counted by the container's own group, which is new with it. A container that ended well although
// some process of it was killed has not failed for memory.
static bool killed_for_memory(struct supervisor *s) {
    if (s->record.exit_code == 0 || !s->cgroups) return false;
    struct cgroup *cg;
    if (cgroup_open(s->cgroups, s->process.cgroup_path, &cg, NULL) < 0) return false;
    struct cgroup_stats stats = {0};
    int rc = cgroup_read_stats(cg, &stats, NULL);
    cgroup_close(cg);
    return rc == 0 && stats.oom_kills > 0;
}

static void end_processes(struct supervisor *s) {
    struct err err = {0};
    if (container_delete(NULL, &s->container, &s->process, false, &err) < 0)
        LOG_WARN("the container is not removed whole", "cause=\"%s\"", err.cause);
    reap(SIGCHLD, s);
    supervisor_exec_end_all(s);
}

static void end_record(struct supervisor *s) {
    supervisor_stdio_drain(&s->stdio);
    supervisor_log_close(&s->log, s->record.finished_ns);
    s->stdio.log = NULL;
    struct err err = {0};
    if (supervisor_write_record(s->dir_fd, &s->record, &err) < 0)
        LOG_ERROR("the exit record is not written", "exit_code=%d cause=\"%s\"",
                  s->record.exit_code, err.cause);
    unlinkat(s->dir_fd, LAYOUT_SHIM_SOCKET, 0);
}

static void end_flush(struct supervisor *s) {
    struct clock *clock = loop_clock(s->loop);
    int64_t deadline = clock_monotonic(clock) + FLUSH_NS;
    while (!supervisor_stdio_flushed(&s->stdio) || !supervisor_exec_flushed(s)) {
        int64_t left = deadline - clock_monotonic(clock);
        if (left <= 0 || loop_step(s->loop, (int)(left / MSEC_NS) + 1) < 0) return;
    }
}

static void supervisor_end(struct supervisor *s) {
    if (!s->record.failure[0]) s->record.exit_code = process_exit_code(s->init_status);
    s->record.finished_ns = clock_realtime(loop_clock(s->loop));
    s->record.oom_killed = killed_for_memory(s);
    end_processes(s);
    end_record(s);
    // Streams first: who hears of the end may clear the instance at once.
    supervisor_stdio_end(&s->stdio, s->record.exit_code, s->record.failure);
    supervisor_set_state(s, SUPERVISOR_EXITED);
    end_flush(s);
}

// Nothing of a container that could not be created stays.
static void supervisor_undo(struct supervisor *s) {
    if (s->process.pid > 0) {
        container_delete(NULL, &s->container, &s->process, true, NULL);
        while (waitpid(s->process.pid, NULL, 0) < 0 && errno == EINTR) continue;
    }
    supervisor_log_discard(&s->log);
    if (s->dir_fd < 0) return;
    unlinkat(s->dir_fd, LAYOUT_SHIM_SOCKET, 0);
    unlinkat(s->dir_fd, LAYOUT_SHIM_PID, 0);
}

// In place of our hello. Theirs is waited for, so that they do not meet a closed socket first.
static void tell_failure(struct supervisor *s, const struct err *why) {
    struct wire_packet hello;
    wire_send_failure(s->control, 0, why);
    if (wire_receive(s->control, HELLO_MS, &hello, NULL) == 0) wire_packet_done(&hello);
    supervisor_socket_finish(s->control);
}

static void supervisor_free(struct supervisor *s) {
    if (s->loop) {
        supervisor_exec_free_all(s);
        supervisor_stdio_close(&s->stdio);
        supervisor_disconnect(s);
    }
    supervisor_ring_free(s->stdio.ring);
    container_process_close(&s->process);
    loop_free(s->loop);
    cgroup_host_free(s->cgroups);
    if (s->dir_fd >= 0) close(s->dir_fd);
    if (s->bundle_fd >= 0) close(s->bundle_fd);
    if (s->control >= 0) close(s->control);
    free(s->frame);
    free(s->bundle);
    free(s->cache_dir);
    free(s);
}

int supervisor_run(const struct supervisor_options *options, struct err *err) {
    struct supervisor *s = mem_new(struct supervisor);
    s->options = options;
    s->dir_fd = s->bundle_fd = s->listen_fd = s->log.fd = -1;
    s->control = options->control;
    s->process = (struct container_process)CONTAINER_PROCESS_INIT;
    list_init(&s->execs);
    list_init(&s->connections);
    struct err why = {0};
    int rc = supervisor_create(s, &why);
    if (rc < 0) {
        supervisor_undo(s);
        if (s->control >= 0) tell_failure(s, &why);
        if (err) *err = why;
    } else {
        // Not even a broken loop may leave the container without its supervisor.
        while (!s->init_ended) {
            if (loop_run(s->loop, &why) < 0) err_print(&why);
        }
        supervisor_end(s);
    }
    supervisor_free(s);
    return rc;
}
