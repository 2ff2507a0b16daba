// SPDX-License-Identifier: Apache-2.0
// exec: the process object from a file, or from the container's own with what the command line says.
#include "base/str.h"
#include "base/text.h"
#include "execution/container/capability.h"
#include "execution/container/runtime.h"
#include "execution/container/spec.h"
#include "host/capability.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCESS_MAX ((size_t)4 << 20)

static int from_file(struct runtime *rt, struct runtime_target *t, struct oci_process **ret,
                     struct err *err) {
    auto_free char *json = NULL;
    size_t size = 0;
    int r = file_read(AT_FDCWD, rt->process_file, PROCESS_MAX, &json, &size, err);
    return r < 0 ? r : oci_process_parse(t->spec, json, size, ret, err);
}

// "1000", "1000:100" are numbers; anything else is a name of the container's own files.
static int set_user(struct runtime *rt, struct oci_process *p, struct err *err) {
    if (!rt->user) return 0;
    if (!*rt->user) return err_set(err, ERR_INVALID, 0, "flag --user", "it is empty");
    p->user = (struct oci_user){.umask = p->user.umask};
    p->user.username = (char *)(uintptr_t)rt->user;
    return 0;
}

static int set_groups(struct runtime *rt, struct oci_spec *spec, struct oci_process *p,
                      struct err *err) {
    if (!rt->groups.len) return 0;
    uint32_t *gids = arena_array(spec->arena, rt->groups.len, sizeof(*gids));
    if (!gids) return err_set(err, ERR_NO_SPACE, 0, "flag --additional-gids", "no memory");
    for (size_t i = 0; i < rt->groups.len; i++) {
        uint64_t gid = 0;
        int r =
            text_parse_u64("--additional-gids", rt->groups.items[i], 0, UINT32_MAX - 1, &gid, err);
        if (r < 0) return r;
        gids[i] = (uint32_t)gid;
    }
    p->user.additional_gids.items = gids;
    p->user.additional_gids.len = rt->groups.len;
    return 0;
}

static int append(struct oci_spec *spec, struct oci_strings *list, const struct strv *more,
                  struct err *err) {
    if (!more->len) return 0;
    char **items = arena_array(spec->arena, list->len + more->len + 1, sizeof(char *));
    if (!items) return err_set(err, ERR_NO_SPACE, 0, "exec", "no memory");
    for (size_t i = 0; i < list->len; i++) items[i] = list->items[i];
    for (size_t i = 0; i < more->len; i++) items[list->len + i] = more->items[i];
    *list = (struct oci_strings){items, list->len + more->len};
    return 0;
}

static int set_caps(struct runtime *rt, struct oci_spec *spec, struct oci_process *p,
                    struct err *err) {
    if (!rt->caps.len) return 0;
    struct oci_capabilities *caps = arena_alloc(spec->arena, sizeof(*caps));
    if (!caps) return err_set(err, ERR_NO_SPACE, 0, "flag --cap", "no memory");
    if (p->capabilities) *caps = *p->capabilities;
    for (size_t i = 0; i < rt->caps.len; i++)
        if (capability_number(rt->caps.items[i]) < 0)
            return err_set(err, ERR_INVALID, 0, "flag --cap", "unknown capability \"%s\"",
                           rt->caps.items[i]);
    struct oci_strings *sets[] = {&caps->bounding, &caps->effective, &caps->permitted,
                                  &caps->inheritable, &caps->ambient};
    int r = 0;
    for (size_t i = 0; r == 0 && i < array_len(sets); i++)
        r = append(spec, sets[i], &rt->caps, err);
    p->capabilities = caps;
    return r;
}

static int from_flags(struct runtime *rt, struct runtime_target *t, struct oci_process **ret,
                      struct err *err) {
    if (!rt->args.len) {
        err_set(err, ERR_INVALID, 0, "exec", "the command is missing");
        return err_next(err, "trine-oci exec ID COMMAND [ARG…], or --process FILE");
    }
    struct oci_process *p = t->spec->process;
    p->args = (struct oci_strings){rt->args.items, rt->args.len};
    p->terminal = rt->tty;
    p->no_new_privileges |= rt->no_new_privileges;
    if (rt->cwd) p->cwd = (char *)(uintptr_t)rt->cwd;
    int r = set_user(rt, p, err);
    if (r == 0) r = set_groups(rt, t->spec, p, err);
    if (r == 0) r = append(t->spec, &p->env, &rt->env, err);
    if (r == 0) r = set_caps(rt, t->spec, p, err);
    *ret = p;
    return r;
}

static int check_running(struct runtime *rt, struct runtime_target *t, struct err *err) {
    enum state_status status = state_status(&t->state);
    if (status == STATE_STOPPED)
        return err_set(err, ERR_STATE, 0, rt->id, "cannot exec in a container that is stopped");
    if (status == STATE_PAUSED && !rt->ignore_paused) {
        err_set(err, ERR_STATE, 0, rt->id, "cannot exec in a container that is paused");
        return err_next(err, "resume it, or give --ignore-paused");
    }
    return 0;
}

static int run(struct runtime *rt, struct runtime_target *t, struct container_process *process,
               struct err *err) {
    struct oci_process *p = NULL;
    int r = rt->process_file ? from_file(rt, t, &p, err) : from_flags(rt, t, &p, err);
    if (r < 0) return r;
    if (p->terminal && rt->detach && !rt->console_socket) {
        err_set(err, ERR_INVALID, 0, "flag --tty", "a detached terminal needs somebody to hold it");
        return err_next(err, "give --console-socket PATH");
    }
    struct err none = {0};
    if (t->state.cgroup_path[0] && cgroup_host_open(&t->cgroups, &none) == 0)
        t->options.cgroups = t->cgroups;
    auto_free char *cache = runtime_cache_dir(rt);
    auto_close int pidfd = state_pidfd(&t->state);
    if (pidfd < 0) return err_set(err, ERR_STATE, 0, rt->id, "the container is not running");
    t->options.cache_dir = cache;
    t->options.preserve_fds = rt->preserve_fds;
    r = runtime_connect_console(rt, &t->options.console_socket, err);
    if (r == 0) r = container_exec(t->spec, p, t->state.pid, pidfd, &t->options, process, err);
    if (t->options.console_socket >= 0) close(t->options.console_socket);
    return r;
}

int runtime_exec(struct runtime *rt, struct err *err) {
    struct runtime_target t;
    struct container_process process = CONTAINER_PROCESS_INIT;
    int r = runtime_open(rt, true, true, &t, err);
    if (r < 0) return r;
    r = check_running(rt, &t, err);
    if (r == 0) r = run(rt, &t, &process, err);
    if (r == 0) r = runtime_write_pid(rt, process.pid, err);
    runtime_close(&t); // nobody waits for our lock while the program runs
    if (r == 0 && !rt->detach) r = runtime_wait(&process, err);
    container_process_close(&process);
    return r;
}
