// SPDX-License-Identifier: Apache-2.0
#include "execution/container/plan.h"

#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "execution/container/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAN_ARENA_MAX ((size_t)16 << 20)

void plan_warn(const struct plan *plan, const char *fmt, ...) {
    if (!plan->options->warn) return;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    plan->options->warn(text, plan->options->warn_arg);
}

static int no_memory(struct err *err) {
    return err_set(err, ERR_NO_SPACE, 0, "config.json", "it holds more than fits in memory");
}

static const char *in_bundle(const struct plan *plan, const char *path) {
    if (path[0] == '/') return path;
    return arena_printf(plan->arena, "%s/%s", plan->options->bundle, path);
}

static int check_version(const struct oci_spec *spec, struct err *err) {
    if (str_starts(spec->oci_version, "1.") || str_starts(spec->oci_version, "0.")) return 0;
    err_set(err, ERR_VERSION, 0, "ociVersion", "\"%s\" is not supported", spec->oci_version);
    return err_next(err, "use version 1 of the OCI runtime specification");
}

static int plan_process(struct plan *plan, struct err *err) {
    const struct oci_process *process = plan->process;
    if (!process) return err_set(err, ERR_INVALID, 0, "config.json", "process is missing");
    if (!process->args.len)
        return err_set(err, ERR_INVALID, 0, "config.json", "process.args is empty");
    if (process->cwd[0] != '/')
        return err_set(err, ERR_INVALID, 0, "config.json",
                       "process.cwd \"%s\" is not an absolute path", process->cwd);
    if (process->user.umask.set && process->user.umask.value > 0777)
        return err_set(err, ERR_INVALID, 0, "config.json", "process.user.umask is above 0777");
    if (process->oom_score_adj.set &&
        (process->oom_score_adj.value < -1000 || process->oom_score_adj.value > 1000))
        return err_set(err, ERR_INVALID, 0, "config.json",
                       "process.oomScoreAdj is not between -1000 and 1000");
    for (size_t i = 0; i < process->env.len; i++)
        if (!strchr(process->env.items[i], '=') || process->env.items[i][0] == '=')
            return err_set(err, ERR_INVALID, 0, "config.json",
                           "process.env[%zu] is not of the form NAME=value", i);
    if (process->apparmor_profile && process->apparmor_profile[0])
        plan_warn(plan, "process.apparmorProfile is not applied: no AppArmor on this host");
    if (process->selinux_label && process->selinux_label[0])
        plan_warn(plan, "process.selinuxLabel is not applied");
    if (process->exec_cpu_affinity) plan_warn(plan, "process.execCPUAffinity is not applied");
    if (plan->spec->linux_.mount_label && plan->spec->linux_.mount_label[0])
        plan_warn(plan, "linux.mountLabel is not applied");
    if (!process->capabilities) {
        // No capabilities object: the specification leaves it open; runc and crun drop them all.
        plan->set_capabilities = true;
        return 0;
    }
    char unknown[256];
    plan->set_capabilities = true;
    capability_sets_parse(process->capabilities, &plan->capabilities, unknown, sizeof(unknown));
    if (unknown[0]) plan_warn(plan, "unknown capabilities are ignored: %s", unknown);
    return 0;
}

static int plan_root(struct plan *plan, struct err *err) {
    const struct oci_spec *spec = plan->spec;
    if (spec->mounts.len && !strcmp(spec->mounts.items[0].destination, "/"))
        plan->root_mount = &spec->mounts.items[0];
    if (!plan->root_mount && !spec->root)
        return err_set(err, ERR_INVALID, 0, "config.json", "root is missing");
    plan->root_path = spec->root ? in_bundle(plan, spec->root->path) : "";
    if (!plan->root_path) return no_memory(err);
    struct stat st;
    if (!plan->root_mount) {
        if (stat(plan->root_path, &st) < 0)
            return err_os(err, errno, "root.path", "cannot use %s", plan->root_path);
        if (!S_ISDIR(st.st_mode))
            return err_set(err, ERR_INVALID, 0, "root.path", "%s is not a directory",
                           plan->root_path);
    }
    const char *word = spec->linux_.rootfs_propagation;
    if (word && word[0]) {
        plan->root_propagation = mount_propagation_parse(word);
        if (!plan->root_propagation)
            return err_set(err, ERR_INVALID, 0, "linux.rootfsPropagation",
                           "\"%s\" is none of shared, slave, private, unbindable", word);
    }
    if (!plan->has_mount_ns && (spec->mounts.len || plan->root_mount))
        return err_set(err, ERR_INVALID, 0, "config.json",
                       "mounts need a mount namespace in linux.namespaces");
    return 0;
}

static int plan_mounts(struct plan *plan, struct err *err) {
    const struct oci_spec *spec = plan->spec;
    plan->mounts = arena_array(plan->arena, spec->mounts.len + 1, sizeof(*plan->mounts));
    if (!plan->mounts) return no_memory(err);
    for (size_t i = 0; i < spec->mounts.len; i++) {
        const struct oci_mount *mount = &spec->mounts.items[i];
        struct plan_mount *m = &plan->mounts[plan->n_mounts++];
        *m = (struct plan_mount){.spec = mount, .tree_fd = -1, .source = mount->source};
        int r = mount_options_parse(mount, plan->arena, &m->options, err);
        if (r < 0) return err_while(err, "reading mounts[%zu]", i);
        if (!strcmp(mount->destination, "/") && i > 0)
            return err_set(err, ERR_INVALID, 0, "mounts",
                           "mounts[%zu] goes to \"/\": only the first one may", i);
        if (m->options.bind) {
            if (!mount->source || !mount->source[0])
                return err_set(err, ERR_INVALID, 0, "mounts", "the bind mount of %s has no source",
                               mount->destination);
            m->source = in_bundle(plan, mount->source);
            if (!m->source) return no_memory(err);
        } else if (!mount->type || !mount->type[0]) {
            return err_set(err, ERR_INVALID, 0, "mounts", "the mount of %s has no type",
                           mount->destination);
        }
        if (m->options.idmap || mount->uid_mappings.len || mount->gid_mappings.len)
            return err_set(err, ERR_UNSUPPORTED, 0, mount->destination,
                           "id-mapped mounts are not supported yet");
    }
    return 0;
}

// Sources under directories that the container's ids cannot walk are opened while we still can.
static int open_sources(struct plan *plan, struct err *err) {
    if (!plan->in_user_ns || geteuid() != 0) return 0;
    unsigned whole = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    if (!plan->root_mount && (plan->root_fd = open_tree(AT_FDCWD, plan->root_path, whole)) < 0)
        return err_os(err, errno, "root.path", "cannot bind %s", plan->root_path);
    for (size_t i = 0; i < plan->n_mounts; i++) {
        struct plan_mount *m = &plan->mounts[i];
        if (!m->options.bind) continue;
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
        if (m->options.bind_all) flags |= AT_RECURSIVE;
        m->tree_fd = open_tree(AT_FDCWD, m->source, flags);
        if (m->tree_fd < 0)
            return err_os(err, errno, m->spec->destination, "cannot bind %s there", m->source);
    }
    return 0;
}

static int plan_personality(struct plan *plan, struct err *err) {
    plan->personality = PLAN_NO_PERSONALITY;
    const struct oci_personality *p = plan->spec->linux_.personality;
    if (!p) return 0;
    if (p->flags.len)
        return err_set(err, ERR_UNSUPPORTED, 0, "linux.personality.flags",
                       "the specification defines none yet");
    if (!strcmp(p->domain, "LINUX"))
        plan->personality = PER_LINUX;
    else if (!strcmp(p->domain, "LINUX32"))
        plan->personality = PER_LINUX32;
    else
        return err_set(err, ERR_INVALID, 0, "linux.personality",
                       "\"%s\" is neither LINUX nor LINUX32", p->domain);
    return 0;
}

static int plan_seccomp(struct plan *plan, struct err *err) {
    const struct oci_seccomp *profile = plan->spec->linux_.seccomp;
    const char *wanted = oci_spec_annotation(plan->spec, "org.trine.seccomp");
    if (!profile && wanted && !strcmp(wanted, "default")) {
        profile = seccomp_default_profile(plan->arena, plan->capabilities.bounding);
        if (!profile) return no_memory(err);
    } else if (!profile && wanted && strcmp(wanted, "none")) {
        return err_set(err, ERR_INVALID, 0, "annotation org.trine.seccomp",
                       "\"%s\" is neither \"default\" nor \"none\"", wanted);
    }
    if (!profile) return 0;
    return seccomp_compile(profile, plan->options->cache_dir, &plan->seccomp, err);
}

int plan_cgroup_path(const struct oci_spec *spec, const struct container_options *options,
                     char ret[CONTAINER_CGROUP_MAX], struct err *err) {
    const char *path = options->cgroup_path;
    char own[CONTAINER_CGROUP_MAX];
    if (!path || !path[0]) path = spec->linux_.cgroups_path;
    if (!path || !path[0]) {
        snprintf(own, sizeof(own), "trine/%s", options->id);
        path = own;
    }
    while (*path == '/') path++;
    // What engines write for systemd, "slice:prefix:name", named as systemd would.
    char scope[CONTAINER_CGROUP_MAX];
    const char *first = strchr(path, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    if (second && !strchr(path, '/')) {
        int slice = (int)(first - path), prefix = (int)(second - first - 1);
        snprintf(scope, sizeof(scope), "%.*s%s%.*s%s%s.scope", slice, path, slice ? "/" : "",
                 prefix, first + 1, prefix ? "-" : "", second + 1);
        path = scope;
    }
    if (strlen(path) >= CONTAINER_CGROUP_MAX || !*path || !strcmp(path, "..") ||
        str_starts(path, "../") || strstr(path, "/../") || str_ends(path, "/.."))
        return err_set(err, ERR_INVALID, 0, "linux.cgroupsPath", "\"%.100s\" is not usable", path);
    snprintf(ret, CONTAINER_CGROUP_MAX, "%s", path);
    return 0;
}

int plan_build(const struct oci_spec *spec, const struct oci_process *process,
               const struct container_options *options, bool exec, struct plan *ret,
               struct err *err) {
    *ret = (struct plan){.spec = spec,
                         .process = process,
                         .options = options,
                         .exec = exec,
                         .target_pidfd = -1,
                         .root_fd = -1};
    ret->personality = PLAN_NO_PERSONALITY;
    ret->arena = arena_new(PLAN_ARENA_MAX);
    int r;
    if ((r = check_version(spec, err)) < 0 || (r = plan_process(ret, err)) < 0 ||
        (r = plan_cgroup_path(spec, options, ret->cgroup_path, err)) < 0 ||
        (r = plan_seccomp(ret, err)) < 0 || (r = plan_personality(ret, err)) < 0)
        goto fail;
    if (exec) return 0;
    if ((r = namespace_plan(ret, err)) < 0 || (r = plan_root(ret, err)) < 0 ||
        (r = plan_mounts(ret, err)) < 0 || (r = open_sources(ret, err)) < 0)
        goto fail;
    return 0;
fail:
    plan_release(ret);
    return r;
}

void plan_withhold_devices(struct plan *plan) {
    const uint64_t make_nodes = UINT64_C(1) << CAP_MKNOD;
    if (plan->in_user_ns || geteuid() != 0) return;
    plan_warn(plan,
              "this host cannot guard devices: no CAP_MKNOD, and no devices but those of /dev");
    plan->capabilities.bounding &= ~make_nodes;
    plan->capabilities.effective &= ~make_nodes;
    plan->capabilities.permitted &= ~make_nodes;
    plan->capabilities.inheritable &= ~make_nodes;
    plan->capabilities.ambient &= ~make_nodes;
    // Without a file system of its own for /dev, the usual devices are nodes of the root.
    for (size_t i = 0; i < plan->n_mounts; i++)
        plan->no_devices |= !strcmp(plan->mounts[i].spec->destination, "/dev");
}

void plan_release(struct plan *plan) {
    for (size_t i = 0; i < plan->n_join; i++) close(plan->join[i].fd);
    if (plan->root_fd >= 0) close(plan->root_fd);
    for (size_t i = 0; i < plan->n_task_fds; i++) close(plan->task_fds[i]);
    for (size_t i = 0; i < plan->n_mounts; i++)
        if (plan->mounts[i].tree_fd >= 0) close(plan->mounts[i].tree_fd);
    seccomp_filter_free(&plan->seccomp);
    arena_free(plan->arena);
    *plan = (struct plan){.target_pidfd = -1, .root_fd = -1};
}
