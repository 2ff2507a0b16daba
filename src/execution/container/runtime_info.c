// SPDX-License-Identifier: Apache-2.0
// Commands that look, and those that change a running container's groups: state, list, ps, events,
// pause, resume, update.
#include "base/clock.h"
#include "base/str.h"
#include "execution/container/resources.h"
#include "execution/container/runtime.h"
#include "execution/container/spec.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JSON_MAX ((size_t)4 << 20)

static int print(struct str *s, struct err *err) {
    if (s->failed || file_write_all(1, s->data, s->len) < 0)
        return err_set(err, ERR_IO, 0, "standard output", "cannot be written");
    return 0;
}

static void add_member(struct str *s, const char *indent, const char *name, const char *value) {
    str_printf(s, ",\n%s\"%s\": ", indent, name);
    str_add_json(s, value);
}

static void add_annotations(struct str *s, const struct oci_spec *spec, const char *indent) {
    if (!spec || !spec->annotations.len) return;
    str_printf(s, ",\n%s\"annotations\": {", indent);
    for (size_t i = 0; i < spec->annotations.len; i++) {
        str_printf(s, "%s\n%s  ", i ? "," : "", indent);
        str_add_json(s, spec->annotations.items[i].key);
        str_add(s, ": ");
        str_add_json(s, spec->annotations.items[i].value);
    }
    str_printf(s, "\n%s}", indent);
}

static void describe(struct str *s, const struct state *state, const struct oci_spec *spec,
                     const char *indent) {
    char created[TIME_TEXT_SIZE];
    enum state_status status = state_status(state);
    str_printf(s, "%s\"ociVersion\": ", indent);
    str_add_json(s, spec ? spec->oci_version : "1.0.0");
    add_member(s, indent, "id", state->id);
    str_printf(s, ",\n%s\"pid\": %d", indent, status == STATE_STOPPED ? 0 : (int)state->pid);
    add_member(s, indent, "status", state_status_word(status));
    add_member(s, indent, "bundle", state->bundle);
    add_member(s, indent, "rootfs", state->root_path);
    add_member(s, indent, "created", time_format(state->created_ns, created));
    add_annotations(s, spec, indent);
    str_printf(s, ",\n%s\"owner\": \"%s\"\n", indent, state->owner == 0 ? "root" : "");
}

int runtime_state(struct runtime *rt, struct err *err) {
    struct runtime_target t;
    int r = runtime_open(rt, true, true, &t, err);
    if (r < 0) return r;
    auto_str struct str s = {0};
    str_add(&s, "{\n");
    describe(&s, &t.state, t.spec, "  ");
    str_add(&s, "}\n");
    runtime_close(&t);
    return print(&s, err);
}

struct list {
    struct runtime *rt;
    struct str *out;
    size_t n;
    bool json;
};

static int list_one(const char *id, void *arg) {
    struct list *list = arg;
    struct runtime rt = *list->rt;
    struct runtime_target t;
    struct err none = {0};
    rt.id = id;
    if (runtime_open(&rt, true, list->json, &t, &none) < 0) return 0; // gone, or half made
    char created[TIME_TEXT_SIZE];
    enum state_status status = state_status(&t.state);
    if (list->rt->quiet) {
        str_printf(list->out, "%s\n", id);
    } else if (list->json) {
        str_add(list->out, list->n ? ",\n  {\n" : "\n  {\n");
        describe(list->out, &t.state, t.spec, "    ");
        str_add(list->out, "  }");
    } else {
        str_printf(list->out, "%-20s %-10d %-10s %-40s %-26s %u\n", id,
                   status == STATE_STOPPED ? 0 : (int)t.state.pid, state_status_word(status),
                   t.state.bundle, time_format(t.state.created_ns, created), t.state.owner);
    }
    list->n++;
    runtime_close(&t);
    return 0;
}

int runtime_list(struct runtime *rt, struct err *err) {
    auto_str struct str s = {0};
    struct list list = {rt, &s, 0, !rt->quiet && rt->format && !strcmp(rt->format, "json")};
    if (list.json)
        str_add(&s, "[");
    else if (!rt->quiet)
        str_printf(&s, "%-20s %-10s %-10s %-40s %-26s %s\n", "ID", "PID", "STATUS", "BUNDLE",
                   "CREATED", "OWNER");
    int r = state_each(rt->root, list_one, &list, err);
    if (list.json) str_add(&s, list.n ? "\n]\n" : "]\n");
    return r < 0 ? r : print(&s, err);
}

// The container's group, for commands that need one.
static int open_group(struct runtime *rt, struct runtime_target *t, struct cgroup **ret,
                      struct err *err) {
    *ret = NULL;
    int r = runtime_open(rt, false, true, t, err);
    if (r < 0) return r;
    if (!t->state.cgroup_path[0])
        r = err_set(err, ERR_UNSUPPORTED, 0, rt->id, "the container has no control group");
    if (r == 0) r = cgroup_host_open(&t->cgroups, err);
    if (r == 0) r = cgroup_open(t->cgroups, t->state.cgroup_path, ret, err);
    if (r < 0) runtime_close(t);
    return r;
}

int runtime_ps(struct runtime *rt, struct err *err) {
    struct runtime_target t;
    struct cgroup *cg;
    int r = open_group(rt, &t, &cg, err);
    if (r < 0) return r;
    auto_free pid_t *pids = NULL;
    size_t n = 0;
    r = cgroup_procs(cg, &pids, &n, err);
    auto_str struct str s = {0};
    bool json = rt->format && !strcmp(rt->format, "json");
    str_add(&s, json ? "[" : "PID        COMMAND\n");
    for (size_t i = 0; r == 0 && i < n; i++) {
        char path[64], name[64] = "";
        snprintf(path, sizeof(path), "/proc/%d/comm", (int)pids[i]);
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = fd < 0 ? 0 : file_read_some(fd, name, sizeof(name) - 1);
        name[len > 0 ? len : 0] = 0;
        name[strcspn(name, "\n")] = 0;
        if (json)
            str_printf(&s, "%s%d", i ? "," : "", (int)pids[i]);
        else
            str_printf(&s, "%-10d %s\n", (int)pids[i], name);
    }
    if (json) str_add(&s, "]\n");
    cgroup_close(cg);
    runtime_close(&t);
    return r < 0 ? r : print(&s, err);
}

static int freeze(struct runtime *rt, bool frozen, struct err *err) {
    struct runtime_target t;
    struct cgroup *cg;
    int r = open_group(rt, &t, &cg, err);
    if (r < 0) return r;
    enum state_status now = state_status(&t.state);
    bool fits = frozen ? now == STATE_RUNNING || now == STATE_CREATED : now == STATE_PAUSED;
    if (!fits)
        r = err_set(err, ERR_STATE, 0, rt->id, "cannot %s a container that is %s",
                    frozen ? "pause" : "resume", state_status_word(now));
    if (r == 0) r = cgroup_freeze(cg, frozen, err);
    cgroup_close(cg);
    runtime_close(&t);
    return r;
}

int runtime_pause(struct runtime *rt, struct err *err) {
    return freeze(rt, true, err);
}

int runtime_resume(struct runtime *rt, struct err *err) {
    return freeze(rt, false, err);
}

static int read_resources(struct runtime *rt, struct runtime_target *t, struct oci_resources **ret,
                          struct err *err) {
    auto_free char *json = NULL;
    size_t size = 0;
    const char *path = !strcmp(rt->resources_file, "-") ? "/proc/self/fd/0" : rt->resources_file;
    int r = file_read(AT_FDCWD, path, JSON_MAX, &json, &size, err);
    return r < 0 ? r : oci_resources_parse(t->spec, json, size, ret, err);
}

int runtime_update(struct runtime *rt, struct err *err) {
    if (!rt->resources_file) {
        err_set(err, ERR_INVALID, 0, "update", "nothing to change");
        return err_next(err, "give --resources FILE (- for standard input)");
    }
    struct runtime_target t;
    struct cgroup *cg;
    int r = open_group(rt, &t, &cg, err);
    if (r < 0) return r;
    struct oci_resources *res = NULL;
    struct cgroup_limits limits;
    auto_free char *warning = NULL;
    r = read_resources(rt, &t, &res, err);
    if (r == 0) {
        resources_limits(res, &limits);
        r = cgroup_update(cg, &limits, &warning, err);
    }
    if (warning && rt->warn) rt->warn(warning, NULL);
    if (r == 0) r = resources_apply(t.cgroups, t.state.cgroup_path, res, rt->warn, NULL, err);
    cgroup_close(cg);
    runtime_close(&t);
    return r;
}

#define U(x) ((unsigned long long)(x))
int runtime_events(struct runtime *rt, struct err *err) {
    if (!rt->stats) {
        err_set(err, ERR_UNSUPPORTED, 0, "events", "only single readings are there");
        return err_next(err, "give --stats");
    }
    struct runtime_target t;
    struct cgroup *cg;
    int r = open_group(rt, &t, &cg, err);
    if (r < 0) return r;
    struct cgroup_stats st = {0};
    r = cgroup_read_stats(cg, &st, err);
    auto_str struct str s = {0};
    str_add(&s, "{\"type\":\"stats\",\"id\":");
    str_add_json(&s, rt->id);
    str_printf(&s,
               ",\"data\":{\"cpu\":{\"usage\":{\"total\":%llu,\"kernel\":%llu,\"user\":%llu},"
               "\"throttling\":{\"throttledTime\":%llu}},",
               U(st.cpu_usage_ns), U(st.cpu_system_ns), U(st.cpu_user_ns), U(st.cpu_throttled_ns));
    str_printf(&s,
               "\"memory\":{\"cache\":%llu,\"usage\":{\"usage\":%llu,\"max\":%llu,\"limit\":%llu}},"
               "\"pids\":{\"current\":%llu,\"limit\":%llu},"
               "\"blkio\":{\"ioServiceBytesRecursive\":[{\"op\":\"Read\",\"value\":%llu},"
               "{\"op\":\"Write\",\"value\":%llu}]}}}\n",
               U(st.memory_cache_bytes), U(st.memory_bytes), U(st.memory_peak_bytes),
               U(st.memory_max_bytes), U(st.pids), U(st.pids_max == UINT64_MAX ? 0 : st.pids_max),
               U(st.io_read_bytes), U(st.io_write_bytes));
    cgroup_close(cg);
    runtime_close(&t);
    return r < 0 ? r : print(&s, err);
}
