// SPDX-License-Identifier: Apache-2.0
// Litter that no run directory accounts for: control groups trine/<id>, volumes that an agent was
// removing when it was killed. On a worker, while verbs are served.
//
// Another Trine on this host (another run directory) has its groups in the same place. So a group
// goes only when it is not ours, older than a minute (one that is being made is not) and no shim
// anywhere carries its id.
#include "cloud/agent/instance.h"

#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "host/cgroup.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define AGE_MIN_NS (60 * SEC_NS)

struct sweep {
    struct agent *agent;
    struct map *ids; // of groups that may be litter
};

static int note_group(int dirfd, const char *name, void *arg) {
    struct sweep *sweep = arg;
    struct stat st, ours;
    if (text_check_id("instance", name, NULL) < 0) return 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) return 0;
    int64_t age = clock_realtime(clock_system()) - st.st_ctim.tv_sec * SEC_NS;
    if (age < AGE_MIN_NS) return 0;
    if (fstatat(sweep->agent->run_instances_fd, name, &ours, AT_SYMLINK_NOFOLLOW) == 0) return 0;
    map_put(sweep->ids, name, sweep);
    return 0;
}

// A living shim keeps its instance, whoever's it is.
static int spare_living(int dirfd, const char *name, void *arg) {
    struct sweep *sweep = arg;
    char path[32];
    char *text auto_free = NULL;
    size_t size = 0;
    if (!isdigit((unsigned char)name[0]) || map_len(sweep->ids) == 0) return 0;
    snprintf(path, sizeof(path), "%.16s/cmdline", name);
    if (file_read(dirfd, path, 1 << 20, &text, &size, NULL) < 0) return 0;
    const char *previous = "";
    for (const char *p = text; p < text + size; p += strlen(p) + 1) {
        if (str_same(previous, "--id")) map_remove(sweep->ids, p);
        previous = p;
    }
    return 0;
}

static void note_groups(struct sweep *sweep) {
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
        char *dir auto_free =
            cgroup_host_dir(sweep->agent->cgroups, (enum cgroup_controller)c, LAYOUT_CGROUP_ROOT);
        if (dir) dir_each(AT_FDCWD, dir, note_group, sweep);
    }
}

static void destroy_groups(struct sweep *sweep) {
    const char *id;
    void *value;
    for (size_t at = 0; map_next(sweep->ids, &at, &id, &value);) {
        char path[64];
        struct cgroup *cg;
        struct err err = {0};
        snprintf(path, sizeof(path), LAYOUT_CGROUP_ROOT "/%s", id);
        if (cgroup_open(sweep->agent->cgroups, path, &cg, &err) < 0) continue;
        if (cgroup_destroy(cg, &err) < 0)
            LOG_WARN("a left control group stays", "id=%s cause=\"%s\"", id, err.cause);
        else
            LOG_INFO("removed a left control group", "id=%s", id);
        cgroup_close(cg);
    }
}

static void sweep_body(void *arg) {
    struct sweep *sweep = arg;
    volume_finish_removals(sweep->agent->volumes_fd);
    if (!sweep->agent->cgroups) return;
    note_groups(sweep);
    if (map_len(sweep->ids)) dir_each(AT_FDCWD, "/proc", spare_living, sweep);
    destroy_groups(sweep);
}

static void sweep_done(void *arg) {
    struct sweep *sweep = arg;
    agent_operation_end(sweep->agent);
    map_free(sweep->ids);
    free(sweep);
}

void reconcile_start(struct agent *agent) {
    struct sweep *sweep = mem_new(struct sweep);
    *sweep = (struct sweep){.agent = agent, .ids = map_new(NULL)};
    agent_operation_begin(agent);
    struct err err = {0};
    if (loop_work(agent->loop, sweep_body, sweep_done, sweep, &err) == 0) return;
    LOG_WARN("litter is not looked for", "cause=\"%s\"", err.cause);
    sweep_done(sweep);
}
