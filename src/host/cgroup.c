// SPDX-License-Identifier: Apache-2.0
// A group's life: make, open, join, limit, close. Invariant: when cgroup_create fails, every folder
// that it made for the group itself is gone again (those above it stay: others may use them).
#include "host/cgroup_int.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Where every group is, limits or not: what counts, freezes and guards it. Without one of them a
// group works, only with fewer figures: their absence is no warning.
#define ALWAYS \
    (CGROUP_BIT(CGROUP_FREEZER) | CGROUP_BIT(CGROUP_DEVICES) | CGROUP_BIT(CGROUP_CPUACCT) | \
     CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_PIDS))

unsigned cgroup_limits_controllers(const struct cgroup_limits *l) {
    unsigned bits = 0;
    if (!l) return 0;
    if (l->memory_max_bytes || l->memory_swap_max_bytes || l->memory_low_bytes)
        bits |= CGROUP_BIT(CGROUP_MEMORY);
    if (l->cpu_quota_us || l->cpu_period_us || l->cpu_shares) bits |= CGROUP_BIT(CGROUP_CPU);
    if (l->pids_max) bits |= CGROUP_BIT(CGROUP_PIDS);
    if (l->cpuset_cpus || l->cpuset_mems) bits |= CGROUP_BIT(CGROUP_CPUSET);
    return bits;
}

void cgroup_warn(struct cgroup_writer *w, const char *fmt, ...) {
    if (w->warning.len) str_add(&w->warning, "; ");
    va_list args;
    va_start(args, fmt);
    str_vprintf(&w->warning, fmt, args);
    va_end(args);
}

int cgroup_set(struct cgroup_writer *w, int fd, const char *file, const char *value) {
    int r = file_write_text(fd, file, value);
    if (r == 0) return 0;
    if (r == -ENOENT || r == -EOPNOTSUPP) {
        cgroup_warn(w, "%s is not set: this kernel does not have it", file);
        return 0;
    }
    err_os(w->err, -r, w->cg->path, "the kernel refuses \"%.64s\" for %s", value, file);
    return err_next(w->err, "choose a limit that the host and the groups above can give");
}

int cgroup_set_u64(struct cgroup_writer *w, int fd, const char *file, uint64_t value,
                   const char *unlimited) {
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return cgroup_set(w, fd, file, value == UINT64_MAX ? unlimited : text);
}

int cgroup_fd_of(const struct cgroup *cg, enum cgroup_controller c, int *ret_version) {
    int index = cg->host->of[c];
    if (index < 0) return -1;
    if (ret_version) *ret_version = cg->host->hierarchies[index].version;
    return cg->fds[index];
}

static int check_path(const char *path, struct err *err) {
    size_t len = strlen(path);
    bool bad = len == 0 || len > PATH_MAX / 2;
    for (const char *at = path; !bad; at += strcspn(at, "/"), at += *at == '/') {
        size_t part = strcspn(at, "/");
        bad = part == 0 || part > NAME_MAX || at[0] == '.' || strncmp(at, "cgroup.", 7) == 0;
        if (!at[part]) break;
    }
    if (!bad) return 0;
    return err_set(err, ERR_INVALID, 0, path, "not a relative path of a control group");
}

static struct cgroup *group_new(const struct cgroup_host *host, const char *path) {
    struct cgroup *cg = mem_new(struct cgroup);
    cg->host = host;
    cg->path = mem_strdup(path);
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++) cg->fds[i] = -1;
    return cg;
}

void cgroup_close(struct cgroup *cg) {
    if (!cg) return;
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
        if (cg->fds[i] >= 0) close(cg->fds[i]);
    free(cg->path);
    free(cg);
}

static int open_group(struct cgroup *cg, size_t i) {
    auto_free char *path = mem_printf("%s/%s", cg->host->hierarchies[i].mount, cg->path);
    cg->fds[i] = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return cg->fds[i] < 0 ? -errno : 0;
}

// The group's folder in hierarchy i, with those above it. *ret_made: it was not there before.
static int make_group(struct cgroup *cg, size_t i, unsigned wanted, bool *ret_made) {
    const struct cgroup_hierarchy *hierarchy = &cg->host->hierarchies[i];
    auto_free char *path = mem_printf("%s/%s", hierarchy->mount, cg->path);
    if (hierarchy->version == 2)
        cgroup_v2_enable(hierarchy->mount, cg->path, wanted & hierarchy->controllers);
    const char *slash = strrchr(path, '/');
    auto_free char *above = mem_strndup(path, (size_t)(slash - path));
    int r = mkdir(path, 0755) < 0 ? -errno : 0;
    if (r == -ENOENT) {
        r = dir_make(AT_FDCWD, above, 0755, NULL);
        if (r == 0) r = mkdir(path, 0755) < 0 ? -errno : 0;
    }
    if (r < 0 && r != -EEXIST) return r;
    *ret_made = r == 0;
    if (hierarchy->controllers & CGROUP_BIT(CGROUP_CPUSET) && hierarchy->version == 1) {
        r = cgroup_v1_inherit_cpuset(hierarchy->mount, cg->path);
        if (r < 0) return r;
    }
    return open_group(cg, i);
}

static int refuse_members(struct cgroup *cg, size_t i, struct err *err) {
    struct cgroup_pids pids = {0};
    int r = cgroup_list_pids(cg->fds[i], &pids);
    size_t n = pids.len;
    pid_t first = n ? pids.items[0] : 0;
    free(pids.items);
    if (r < 0 && r != -ENOENT) return err_os(err, -r, cg->path, "cannot read the group's members");
    if (n == 0) return 0;
    err_set(err, ERR_EXISTS, 0, cg->path, "the control group has %zu processes (the first is %d)",
            n, (int)first);
    return err_next(err, "end those processes or choose another name");
}

// Folders in all hierarchies of the wanted controllers. Those of `required` that cannot be had are
// warned about.
static int make_groups(struct cgroup *cg, unsigned wanted, unsigned required,
                       struct cgroup_writer *w) {
    const struct cgroup_host *host = cg->host;
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
        const char *why;
        if (!(wanted & CGROUP_BIT(c))) continue;
        if (!cgroup_host_can(host, c, &why)) {
            if (required & CGROUP_BIT(c))
                cgroup_warn(w, "no limit of %s: %s", cgroup_controller_word(c), why);
            continue;
        }
        size_t i = (size_t)host->of[c];
        if (cg->fds[i] >= 0) continue;
        int r = make_group(cg, i, wanted, &cg->created[i]);
        if (r < 0)
            return err_os(w->err, -r, cg->path, "cannot make the control group of %s",
                          cgroup_controller_word(c));
        if (!cg->created[i]) r = refuse_members(cg, i, w->err);
        if (r < 0) return r;
    }
    return 0;
}

static void take_back(struct cgroup *cg) {
    for (size_t i = 0; i < cg->host->n; i++) {
        if (!cg->created[i]) continue;
        auto_free char *path = mem_printf("%s/%s", cg->host->hierarchies[i].mount, cg->path);
        rmdir(path);
    }
}

static int apply_limits(struct cgroup_writer *w, const struct cgroup_limits *limits) {
    if (!limits) return 0;
    int r = cgroup_v1_apply(w, limits);
    return r < 0 ? r : cgroup_v2_apply(w, limits);
}

static void give_warning(struct cgroup_writer *w, char **ret_warning) {
    if (ret_warning) *ret_warning = w->warning.len ? str_take(&w->warning) : NULL;
    str_free(&w->warning);
}

int cgroup_create(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct cgroup **ret, char **ret_warning,
                  struct err *err) {
    int r = check_path(path, err);
    if (r < 0) return r;
    struct cgroup *cg = group_new(host, path);
    struct cgroup_writer w = {.cg = cg, .err = err};
    unsigned required = cgroup_limits_controllers(limits);
    r = make_groups(cg, ALWAYS | required, required, &w);
    if (r == 0) r = apply_limits(&w, limits);
    if (r < 0) {
        take_back(cg);
        cgroup_close(cg);
        str_free(&w.warning);
        return r;
    }
    give_warning(&w, ret_warning);
    *ret = cg;
    return 0;
}

int cgroup_open(const struct cgroup_host *host, const char *path, struct cgroup **ret,
                struct err *err) {
    int r = check_path(path, err);
    if (r < 0) return r;
    struct cgroup *cg = group_new(host, path);
    bool found = false;
    for (size_t i = 0; i < host->n; i++) found |= open_group(cg, i) == 0;
    if (!found) {
        cgroup_close(cg);
        return err_set(err, ERR_NOT_FOUND, ENOENT, path, "there is no such control group");
    }
    *ret = cg;
    return 0;
}

int cgroup_join(struct cgroup *cg, struct err *err) {
    for (size_t i = 0; i < cg->host->n; i++) {
        if (cg->fds[i] < 0) continue;
        bool v1 = cg->host->hierarchies[i].version == 1;
        int r = file_write_text(cg->fds[i], v1 ? "tasks" : "cgroup.procs", "0");
        if (r < 0)
            return err_os(err, -r, cg->path, "cannot join the control group in %s",
                          cg->host->hierarchies[i].mount);
    }
    return 0;
}

int cgroup_v2_fd(const struct cgroup *cg) {
    return cg->host->unified < 0 ? -1 : cg->fds[cg->host->unified];
}

// A hierarchy where the group was not until now: its members move there.
static int move_members(struct cgroup *cg, const bool *was_there, struct err *err) {
    struct cgroup_pids pids = {0};
    int from = cgroup_members_fd(cg), r = from < 0 ? 0 : cgroup_list_pids(from, &pids);
    for (size_t i = 0; i < cg->host->n && r >= 0; i++) {
        if (was_there[i] || cg->fds[i] < 0) continue;
        for (size_t p = 0; p < pids.len && r >= 0; p++) {
            char text[16];
            snprintf(text, sizeof(text), "%d", (int)pids.items[p]);
            r = file_write_text(cg->fds[i], "cgroup.procs", text);
            if (r == -ESRCH) r = 0; // it has ended
        }
    }
    free(pids.items);
    return r < 0 ? err_os(err, -r, cg->path, "cannot move the group's processes") : 0;
}

int cgroup_update(struct cgroup *cg, const struct cgroup_limits *limits, char **ret_warning,
                  struct err *err) {
    struct cgroup_writer w = {.cg = cg, .err = err};
    unsigned required = cgroup_limits_controllers(limits);
    bool was_there[CGROUP_HIERARCHIES_MAX];
    for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++) was_there[i] = cg->fds[i] >= 0;
    int r = make_groups(cg, required, required, &w);
    if (r == 0) r = apply_limits(&w, limits);
    if (r == 0) r = move_members(cg, was_there, err);
    if (r < 0) {
        str_free(&w.warning);
        return r;
    }
    give_warning(&w, ret_warning);
    return 0;
}
