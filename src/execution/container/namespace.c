// SPDX-License-Identifier: Apache-2.0
#include "execution/container/namespace.h"

#include "base/str.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

// In the order of joining: the user namespace first (it gives the rights over the others), the
// mount namespace last (paths change with it).
static const struct kind {
    const char *word, *file;
    int flag;
} kinds[] = {
    {"user", "user", CLONE_NEWUSER},       {"pid", "pid", CLONE_NEWPID},
    {"time", "time", CLONE_NEWTIME},       {"network", "net", CLONE_NEWNET},
    {"ipc", "ipc", CLONE_NEWIPC},          {"uts", "uts", CLONE_NEWUTS},
    {"cgroup", "cgroup", CLONE_NEWCGROUP}, {"mount", "mnt", CLONE_NEWNS},
};
static const int early_flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWTIME;

const char *namespace_word(size_t i) {
    return i < array_len(kinds) ? kinds[i].word : NULL;
}

static bool same_file(int dirfd, const char *path, const struct stat *other) {
    struct stat st;
    return fstatat(dirfd, path, &st, 0) == 0 && st.st_dev == other->st_dev &&
           st.st_ino == other->st_ino;
}

static int join_by_path(struct plan *plan, const struct kind *kind, const char *path,
                        struct err *err) {
    if (path[0] != '/')
        return err_set(err, ERR_INVALID, 0, "linux.namespaces",
                       "the path \"%s\" of the %s namespace is not absolute", path, kind->word);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_os(err, errno, "linux.namespaces", "cannot open the %s namespace %s", kind->word,
                      path);
    int type = ioctl(fd, NS_GET_NSTYPE);
    if (type != kind->flag)
        return err_set(err, ERR_INVALID, 0, "linux.namespaces", "%s is not a %s namespace", path,
                       kind->word);
    struct stat st;
    char own[32];
    snprintf(own, sizeof(own), "/proc/self/ns/%s", kind->file);
    // Joining the user namespace that one is in already is an error for the kernel; for people it
    // is not.
    if (kind->flag == CLONE_NEWUSER && fstat(fd, &st) == 0 && same_file(AT_FDCWD, own, &st))
        return 0;
    plan->join[plan->n_join++] =
        (struct plan_join){.fd = take_fd(fd), .type = kind->flag, .word = kind->word};
    return 0;
}

static int plan_one(struct plan *plan, const struct kind *kind, const struct oci_namespace *ns,
                    struct err *err) {
    if (ns->path && ns->path[0]) return join_by_path(plan, kind, ns->path, err);
    // A cgroup namespace shows the group that its maker is in, so it is made after joining that; a
    // time namespace needs its offsets before anybody lives in it.
    if (kind->flag == CLONE_NEWCGROUP)
        plan->new_cgroup_ns = true;
    else if (kind->flag == CLONE_NEWTIME)
        plan->new_time_ns = true;
    else
        plan->new_namespaces |= (uint64_t)kind->flag;
    return 0;
}

static int check_maps(const struct plan *plan, bool user, struct err *err) {
    const struct oci_linux *linux_ = &plan->spec->linux_;
    bool has = linux_->uid_mappings.len || linux_->gid_mappings.len;
    if (plan->new_namespaces & CLONE_NEWUSER) {
        if (linux_->uid_mappings.len && linux_->gid_mappings.len) return 0;
        err_set(err, ERR_INVALID, 0, "linux.uidMappings",
                "a new user namespace needs uidMappings and gidMappings");
        return err_next(err, "add both lists to the \"linux\" object of config.json");
    }
    if (has && !user)
        return err_set(err, ERR_INVALID, 0, "linux.uidMappings",
                       "id mappings need a user namespace in linux.namespaces");
    return 0;
}

int namespace_plan(struct plan *plan, struct err *err) {
    const struct oci_linux *linux_ = &plan->spec->linux_;
    bool seen[array_len(kinds)] = {false};
    for (size_t i = 0; i < linux_->namespaces.len; i++) {
        const char *type = linux_->namespaces.items[i].type;
        size_t k = 0;
        while (k < array_len(kinds) && strcmp(type, kinds[k].word)) k++;
        if (k == array_len(kinds))
            return err_set(err, ERR_INVALID, 0, "linux.namespaces", "unknown type \"%s\"", type);
        if (seen[k])
            return err_set(err, ERR_INVALID, 0, "linux.namespaces", "\"%s\" stands there twice",
                           type);
        seen[k] = true;
    }
    for (size_t k = 0; k < array_len(kinds); k++)
        for (size_t i = 0; i < linux_->namespaces.len; i++) {
            if (strcmp(linux_->namespaces.items[i].type, kinds[k].word)) continue;
            int r = plan_one(plan, &kinds[k], &linux_->namespaces.items[i], err);
            if (r < 0) return r;
        }
    plan->in_user_ns = plan->new_namespaces & CLONE_NEWUSER;
    for (size_t i = 0; i < plan->n_join; i++) {
        plan->in_user_ns |= plan->join[i].type == CLONE_NEWUSER;
        plan->has_mount_ns |= plan->join[i].type == CLONE_NEWNS;
    }
    plan->has_mount_ns |= (plan->new_namespaces & CLONE_NEWNS) != 0;
    if (linux_->time_offsets && !plan->new_time_ns)
        return err_set(err, ERR_INVALID, 0, "linux.timeOffsets",
                       "offsets need a new time namespace in linux.namespaces");
    return check_maps(plan, seen[0], err);
}

int namespace_plan_target(struct plan *plan, pid_t pid, struct err *err) {
    for (size_t k = 0; k < array_len(kinds); k++) {
        char own[32], other[48];
        struct stat st;
        snprintf(own, sizeof(own), "/proc/self/ns/%s", kinds[k].file);
        snprintf(other, sizeof(other), "/proc/%d/ns/%s", (int)pid, kinds[k].file);
        if (stat(other, &st) < 0) {
            if (errno == ENOENT && access(own, F_OK) < 0) continue; // a kernel without that kind
            return err_os(err, errno, "container", "cannot look at its %s namespace",
                          kinds[k].word);
        }
        if (same_file(AT_FDCWD, own, &st)) continue;
        plan->target_namespaces |= (uint64_t)kinds[k].flag;
    }
    plan->in_user_ns = plan->target_namespaces & CLONE_NEWUSER;
    return 0;
}

int namespace_join(const struct plan *plan, bool early, struct err *err) {
    if (plan->target_namespaces) {
        // Early is a process in the middle, which joins them all; later, those of pid and time were
        // joined by the creator for its child.
        uint64_t part = plan->target_namespaces;
        if (!early) part &= ~(uint64_t)(CLONE_NEWPID | CLONE_NEWTIME);
        if (part && setns(plan->target_pidfd, (int)part) < 0)
            return err_os(err, errno, "container", "cannot join its namespaces");
        return 0;
    }
    for (size_t i = 0; i < plan->n_join; i++) {
        const struct plan_join *join = &plan->join[i];
        if (!!(join->type & early_flags) != early) continue;
        if (setns(join->fd, join->type) < 0)
            return err_os(err, errno, "linux.namespaces", "cannot join the %s namespace",
                          join->word);
    }
    return 0;
}

static int write_proc(pid_t pid, const char *name, const char *text) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return file_write_text(AT_FDCWD, path, text);
}

// Without rights over all ids, the set-id helpers of the host (shadow's newuidmap) write the map
// after /etc/subuid.
static int map_by_helper(const char *helper, pid_t pid, const struct oci_id_mappings *maps,
                         struct err *err) {
    auto_strv struct strv argv = {0};
    strv_add(&argv, helper);
    strv_printf(&argv, "%d", (int)pid);
    for (size_t i = 0; i < maps->len; i++) {
        strv_printf(&argv, "%u", maps->items[i].container_id);
        strv_printf(&argv, "%u", maps->items[i].host_id);
        strv_printf(&argv, "%u", maps->items[i].size);
    }
    auto_free char *output = NULL;
    int r = process_run(argv.items, 4096, true, &output, err);
    if (r == 0) return 0;
    if (r > 0) err_set(err, ERR_DENIED, 0, helper, "%.200s", output ? output : "it failed");
    return err_next(err, "give the user a range in /etc/subuid and /etc/subgid");
}

static int write_map(pid_t pid, const char *name, const char *helper,
                     const struct oci_id_mappings *maps, struct err *err) {
    auto_str struct str text = {0};
    for (size_t i = 0; i < maps->len; i++)
        str_printf(&text, "%u %u %u\n", maps->items[i].container_id, maps->items[i].host_id,
                   maps->items[i].size);
    int r = write_proc(pid, name, str_text(&text));
    if (r == -EPERM && geteuid() != 0) return map_by_helper(helper, pid, maps, err);
    if (r < 0) {
        err_os(err, -r, "linux.uidMappings", "the kernel refuses the map \"%.100s\" in %s",
               str_text(&text), name);
        return err_next(err, "ranges must not overlap, and the host's ids must be ours to give");
    }
    return 0;
}

int namespace_write_maps(const struct plan *plan, pid_t pid, struct err *err) {
    const struct oci_linux *linux_ = &plan->spec->linux_;
    int r = write_map(pid, "uid_map", "newuidmap", &linux_->uid_mappings, err);
    if (r < 0) return r;
    // An unprivileged user may map a single group only after giving up setgroups for it.
    if (geteuid() != 0 && linux_->gid_mappings.len == 1 && linux_->gid_mappings.items[0].size == 1)
        (void)write_proc(pid, "setgroups", "deny");
    return write_map(pid, "gid_map", "newgidmap", &linux_->gid_mappings, err);
}

int namespace_make_time(const struct plan *plan, struct err *err) {
    if (unshare(CLONE_NEWTIME) < 0)
        return err_os(err, errno, "linux.namespaces", "cannot make a time namespace");
    const struct oci_time_offsets *offsets = plan->spec->linux_.time_offsets;
    auto_str struct str text = {0};
    if (offsets && offsets->monotonic)
        str_printf(&text, "monotonic %lld %lld\n", (long long)offsets->monotonic->secs.value,
                   (long long)offsets->monotonic->nanosecs.value);
    if (offsets && offsets->boottime)
        str_printf(&text, "boottime %lld %lld\n", (long long)offsets->boottime->secs.value,
                   (long long)offsets->boottime->nanosecs.value);
    if (!text.len) return 0;
    int r = file_write_text(AT_FDCWD, "/proc/self/timens_offsets", str_text(&text));
    return r < 0 ? err_os(err, -r, "linux.timeOffsets", "the kernel refuses them") : 0;
}
