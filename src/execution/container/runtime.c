// SPDX-License-Identifier: Apache-2.0
// Commands that make and end containers: create, run, start, exec, kill, delete.
#include "execution/container/runtime.h"

#include "base/clock.h"
#include "base/str.h"
#include "execution/container/capability.h"
#include "execution/container/plan.h"
#include "execution/container/spec.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONFIG_MAX ((size_t)16 << 20)

char *runtime_cache_dir(const struct runtime *rt) {
    return mem_printf("%s/.cache", rt->root);
}

int runtime_connect_console(const struct runtime *rt, int *ret_fd, struct err *err) {
    *ret_fd = -1;
    if (!rt->console_socket) return 0;
    return unix_connect(rt->console_socket, SOCK_STREAM, ret_fd, err);
}

int runtime_write_pid(const struct runtime *rt, pid_t pid, struct err *err) {
    if (!rt->pid_file) return 0;
    // Read by whoever polls for it: complete, or not there.
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", (int)pid);
    auto_free char *temporary = mem_printf("%s.new", rt->pid_file);
    auto_close int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int r = fd < 0 ? -errno : file_write_all(fd, text, (size_t)len);
    if (r == 0 && rename(temporary, rt->pid_file) < 0) r = -errno;
    return r < 0 ? err_os(err, -r, rt->pid_file, "cannot write the pid") : 0;
}

// What create and run share, until init waits at its gate.
struct making {
    struct state state;
    struct oci_spec *spec;
    struct cgroup_host *cgroups;
    struct container_options options;
    struct container_process process;
    char *bundle, *json, *cache;
    size_t json_size;
};

static void making_release(struct making *m) {
    if (m->options.console_socket >= 0) close(m->options.console_socket);
    if (m->options.gate_fd >= 0) close(m->options.gate_fd);
    container_process_close(&m->process);
    cgroup_host_free(m->cgroups);
    oci_spec_free(m->spec);
    state_release(&m->state);
    free(m->bundle);
    free(m->json);
    free(m->cache);
}

static int load_bundle(struct runtime *rt, struct making *m, struct err *err) {
    m->bundle = realpath(rt->bundle ? rt->bundle : ".", NULL);
    if (!m->bundle) return err_os(err, errno, rt->bundle ? rt->bundle : ".", "no such bundle");
    if (chdir(m->bundle) < 0) return err_os(err, errno, m->bundle, "cannot enter the bundle");
    const char *config = rt->config ? rt->config : "config.json";
    int r = file_read(AT_FDCWD, config, CONFIG_MAX, &m->json, &m->json_size, err);
    if (r == -ENOENT)
        err_next(err, "a bundle is a directory with a config.json; `trine-oci spec` writes one");
    return r < 0 ? r : oci_spec_parse(m->json, m->json_size, &m->spec, err);
}

static int make_fifo(struct making *m, struct err *err) {
    if (mkfifoat(m->state.dir_fd, STATE_GATE, 0600) < 0)
        return err_os(err, errno, STATE_GATE, "cannot make the gate");
    // Open for both: reading waits for the byte of `start`, with no end of file before it.
    m->options.gate_fd = openat(m->state.dir_fd, STATE_GATE, O_RDWR | O_CLOEXEC);
    return m->options.gate_fd < 0 ? err_os(err, errno, STATE_GATE, "cannot open the gate") : 0;
}

static int prepare(struct runtime *rt, bool fifo, struct making *m, struct err *err) {
    *m = (struct making){.options = CONTAINER_OPTIONS_INIT, .process = CONTAINER_PROCESS_INIT};
    m->state.dir_fd = -1;
    struct err none = {0};
    int r = state_check_id(rt->id, err);
    if (r == 0) r = load_bundle(rt, m, err);
    if (r < 0) return r;
    m->cache = runtime_cache_dir(rt);
    m->options.id = rt->id;
    m->options.bundle = m->bundle;
    m->options.cache_dir = m->cache;
    m->options.preserve_fds = rt->preserve_fds;
    m->options.no_pivot = rt->no_pivot;
    m->options.no_new_keyring = rt->no_new_keyring;
    m->options.warn = rt->warn;
    // A host whose control groups cannot be read still runs containers.
    if (cgroup_host_open(&m->cgroups, &none) == 0) m->options.cgroups = m->cgroups;
    r = runtime_connect_console(rt, &m->options.console_socket, err);
    if (r == 0) r = state_new(rt->root, rt->id, &m->state, err);
    // Saved first: should we be killed in the midst, `delete --force` finds the group by it.
    if (r == 0) r = state_save_config(&m->state, m->json, m->json_size, err);
    if (r == 0 && fifo) r = make_fifo(m, err);
    return r;
}

static int remember(struct making *m, struct err *err) {
    struct state *s = &m->state;
    s->bundle = mem_strdup(m->bundle);
    const char *root = m->spec->root ? m->spec->root->path : "";
    s->root_path = root[0] == '/' ? mem_strdup(root) : mem_printf("%s/%s", m->bundle, root);
    s->cgroup_path = mem_strdup(m->process.cgroup_path);
    if (m->cgroups && m->process.cgroup_path[0])
        s->freezer = cgroup_host_dir(m->cgroups, CGROUP_FREEZER, m->process.cgroup_path);
    if (!s->freezer) s->freezer = mem_strdup("");
    s->pid = m->process.pid;
    s->start_time = m->process.start_time;
    s->created_ns = clock_realtime(clock_system());
    return state_save(s, err);
}

static void undo(struct runtime *rt, struct making *m) {
    if (m->process.pidfd >= 0) {
        (void)process_signal(m->process.pidfd, SIGKILL);
        process_wait(m->process.pid);
        m->options.cgroup_path = m->process.cgroup_path;
        (void)container_delete(NULL, &m->options, &m->process, true, NULL);
    }
    if (m->state.id) (void)state_remove(rt->root, &m->state, NULL);
}

static int create(struct runtime *rt, bool fifo, struct making *m, struct err *err) {
    int r = prepare(rt, fifo, m, err);
    if (r == 0 && m->spec->process && m->spec->process->terminal && fifo && !rt->console_socket) {
        err_set(err, ERR_INVALID, 0, "process.terminal", "a terminal needs somebody to hold it");
        r = err_next(err, "give --console-socket PATH, or set process.terminal to false");
    }
    if (r == 0) r = container_create(m->spec, &m->options, &m->process, err);
    if (r == 0) r = remember(m, err);
    if (r == 0) r = runtime_write_pid(rt, m->process.pid, err);
    if (r < 0) undo(rt, m);
    return r;
}

int runtime_create(struct runtime *rt, struct err *err) {
    struct making m;
    int r = create(rt, true, &m, err);
    making_release(&m);
    return r;
}

// Init is not waited for (its parent is gone soon), but its end is.
static int end(struct runtime *rt, struct making *m, struct err *err) {
    m->options.cgroup_path = m->process.cgroup_path;
    int r = container_delete(m->spec, &m->options, &m->process, true, err);
    int removed = state_remove(rt->root, &m->state, r < 0 ? NULL : err);
    return r < 0 ? r : removed;
}

int runtime_run(struct runtime *rt, struct err *err) {
    struct making m;
    int r = create(rt, false, &m, err);
    if (r == 0) {
        r = container_start(m.spec, &m.options, &m.process, err);
        if (r < 0) {
            process_wait(m.process.pid);
            (void)end(rt, &m, NULL);
        }
    }
    if (r == 0 && !rt->detach) {
        // Others may look at it, kill it and run further programs in it meanwhile.
        state_unlock(&m.state);
        int code = runtime_wait(&m.process, err);
        r = rt->keep ? 0 : end(rt, &m, err);
        if (r == 0) r = code;
    }
    making_release(&m);
    return r;
}

int runtime_open(struct runtime *rt, bool shared, bool with_spec, struct runtime_target *ret,
                 struct err *err) {
    *ret = (struct runtime_target){.options = CONTAINER_OPTIONS_INIT};
    int r = state_load(rt->root, rt->id, shared, &ret->state, err);
    if (r < 0) return r;
    ret->options.id = ret->state.id;
    ret->options.bundle = ret->state.bundle;
    ret->options.cgroup_path = ret->state.cgroup_path;
    ret->options.warn = rt->warn;
    if (with_spec) r = oci_spec_load(ret->state.dir_fd, "config.json", &ret->spec, err);
    if (r < 0) runtime_close(ret);
    return r;
}

static void open_cgroups(struct runtime_target *t) {
    struct err none = {0};
    if (t->state.cgroup_path[0] && cgroup_host_open(&t->cgroups, &none) == 0)
        t->options.cgroups = t->cgroups;
}

void runtime_close(struct runtime_target *t) {
    cgroup_host_free(t->cgroups);
    oci_spec_free(t->spec);
    state_release(&t->state);
}

int runtime_start(struct runtime *rt, struct err *err) {
    struct runtime_target t;
    int r = runtime_open(rt, false, true, &t, err);
    if (r < 0) return r;
    enum state_status status = state_status(&t.state);
    if (status != STATE_CREATED) {
        err_set(err, ERR_STATE, 0, rt->id, "cannot start a container that is %s",
                state_status_word(status));
        r = err_next(err, "only a created container can be started");
    }
    if (r == 0) r = container_start_fifo(t.state.dir_fd, STATE_GATE, err);
    if (faccessat(t.state.dir_fd, STATE_GATE, F_OK, 0) == 0 && status == STATE_CREATED)
        (void)unlinkat(t.state.dir_fd, STATE_GATE, 0);
    if (r == 0) r = container_poststart(t.spec, &t.options, t.state.pid, err);
    runtime_close(&t);
    return r;
}

int runtime_kill(struct runtime *rt, struct err *err) {
    struct runtime_target t;
    int r = runtime_open(rt, true, false, &t, err);
    if (r < 0) return r;
    enum state_status status = state_status(&t.state);
    auto_close int pidfd = state_pidfd(&t.state);
    if (rt->all) {
        open_cgroups(&t);
        if (t.cgroups) r = container_kill(&t.options, pidfd, rt->signo, true, err);
    } else if (status == STATE_STOPPED || pidfd < 0) {
        r = err_set(err, ERR_STATE, 0, rt->id, "container not running");
    } else {
        r = container_kill(&t.options, pidfd, rt->signo, false, err);
        if (r == 0 && status == STATE_PAUSED && rt->signo == SIGKILL) {
            // Only a thawed process can die.
            open_cgroups(&t);
            struct cgroup *cg = NULL;
            if (t.cgroups && cgroup_open(t.cgroups, t.state.cgroup_path, &cg, NULL) == 0) {
                (void)cgroup_freeze(cg, false, NULL);
                cgroup_close(cg);
            }
        }
    }
    runtime_close(&t);
    return r;
}

// A container whose creation was cut short: by its configuration we know its group, and all that is
// left of it is in there.
static int end_group(struct runtime *rt, int dir_fd, struct err *err) {
    struct container_options options = CONTAINER_OPTIONS_INIT;
    struct container_process p = CONTAINER_PROCESS_INIT;
    struct oci_spec *spec = NULL;
    struct cgroup_host *cgroups = NULL;
    struct err none = {0};
    char path[CONTAINER_CGROUP_MAX];
    int r = oci_spec_load(dir_fd, "config.json", &spec, &none);
    if (r < 0) return 0; // cut short even before that
    options.id = rt->id;
    r = plan_cgroup_path(spec, &options, path, &none);
    if (r == 0 && cgroup_host_open(&cgroups, &none) == 0) {
        options.cgroups = cgroups;
        options.cgroup_path = path;
        r = container_delete(NULL, &options, &p, true, err);
        cgroup_host_free(cgroups);
    }
    oci_spec_free(spec);
    return r;
}

static int delete_remains(struct runtime *rt, struct err *err) {
    struct state rest = {.dir_fd = -1, .id = mem_strdup(rt->id)};
    auto_free char *path = mem_printf("%s/%s", rt->root, rt->id);
    auto_close int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = dir_fd < 0 ? 0 : end_group(rt, dir_fd, err);
    if (r == 0 && dir_fd >= 0) r = state_remove(rt->root, &rest, err);
    state_release(&rest);
    return r;
}

int runtime_delete(struct runtime *rt, struct err *err) {
    struct runtime_target t;
    struct err why = {0};
    int r = runtime_open(rt, false, true, &t, &why);
    if (r < 0 && rt->force && why.kind != ERR_INVALID && why.kind != ERR_VERSION)
        return delete_remains(rt, err);
    if (r < 0) {
        *err = why;
        return r;
    }
    enum state_status status = state_status(&t.state);
    struct container_process p = CONTAINER_PROCESS_INIT;
    p.pid = t.state.pid;
    if (status != STATE_STOPPED) p.pidfd = state_pidfd(&t.state);
    // A created container is not running yet: it may be deleted without force, as engines do.
    bool force = rt->force || status == STATE_CREATED;
    open_cgroups(&t);
    r = container_delete(t.spec, &t.options, &p, force, err);
    if (r == 0) r = state_remove(rt->root, &t.state, err);
    container_process_close(&p);
    runtime_close(&t);
    return r;
}
