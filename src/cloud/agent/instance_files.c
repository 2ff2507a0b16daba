// SPDX-License-Identifier: Apache-2.0
// What an instance needs on disk before its shim starts: overlay directories, config.json, and the
// files that are mounted below its /etc.
#include "cloud/agent/instance.h"

#include "base/str.h"
#include "cloud/agent/bundle.h"
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ETC_FILE_MAX 65536

// New file in the run directory; a crash makes the whole directory worthless, so nothing is synced.
static int write_new(int dirfd, const char *name, const char *text, mode_t mode, struct err *err) {
    auto_close int fd =
        openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) return err_os(err, errno, name, "cannot make the file");
    int rc = file_write_all(fd, text, strlen(text));
    return rc < 0 ? err_os(err, -rc, name, "cannot write the file") : 0;
}

static int make_state(struct agent *agent, const char *id, bool *ret_made, struct err *err) {
    static const char *const parts[] = {LAYOUT_UPPER, LAYOUT_WORK};
    *ret_made = mkdirat(agent->state_instances_fd, id, 0700) == 0;
    if (!*ret_made && errno != EEXIST)
        return err_os(err, errno, LAYOUT_INSTANCES, "cannot make the instance's directory");
    auto_close int dir = -1;
    int rc = dir_open(agent->state_instances_fd, id, &dir, err);
    for (size_t i = 0; rc == 0 && i < array_len(parts); i++) {
        // 0755 is what "/" of the instance will show.
        if (mkdirat(dir, parts[i], 0755) < 0 && errno != EEXIST)
            rc = err_os(err, errno, parts[i], "cannot make the directory");
    }
    return rc;
}

static int check_layers(struct agent *agent, struct wire_strings layers, struct err *err) {
    for (size_t i = 0; i < layers.count; i++) {
        char path[64];
        struct stat st;
        snprintf(path, sizeof(path), LAYOUT_IMAGES "/layers/%s", layers.items[i]);
        if (fstatat(agent->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            continue;
        err_set(err, ERR_NOT_FOUND, 0, "image", "layer %s is not in the store", layers.items[i]);
        return err_next(err, "import the image again");
    }
    return 0;
}

static bool is_below(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

// The source as it is now, without links. What a host directory holds is its owner's business, but
// Trine's own directories would let an instance change what the agent trusts.
static int resolve_bind(struct agent *agent, struct request_mount *m, struct arena *arena,
                        struct err *err) {
    char *real auto_free = realpath(m->source, NULL);
    if (!real) {
        err_os(err, errno, "mount source", "cannot use %.200s", m->source);
        return err_next(err, "make it first");
    }
    if (is_below(real, agent->state_dir) || is_below(real, agent->run_dir)) {
        err_set(err, ERR_DENIED, 0, "mount source", "%.200s is Trine's own", real);
        return err_next(err, "use a volume");
    }
    m->source = arena_strdup(arena, real);
    return m->source ? 0 : err_set(err, ERR_NO_SPACE, ENOMEM, "mount source", "no memory");
}

static int check_volume(struct agent *agent, const struct request_mount *m, struct err *err) {
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "%s/" LAYOUT_VOLUME_DATA, m->source);
    if (fstatat(agent->volumes_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 0;
    err_set(err, ERR_NOT_FOUND, 0, "volume", "%.32s has no directory", m->source);
    return err_next(err, "create the volume first");
}

static int resolve_mounts(struct agent *agent, struct request_mount *mounts, size_t n,
                          struct arena *arena, struct err *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (mounts[i].kind == REQUEST_MOUNT_BIND)
            rc = resolve_bind(agent, &mounts[i], arena, err);
        else if (mounts[i].kind == REQUEST_MOUNT_VOLUME)
            rc = check_volume(agent, &mounts[i], err);
    }
    return rc;
}

// An earlier life of the instance may have left the directory with what it made of the files.
static int make_etc(struct agent *agent, const char *id, int *ret_dir, struct err *err) {
    char path[64];
    snprintf(path, sizeof(path), "%s/" LAYOUT_ETC, id);
    int rc = dir_remove_tree(agent->state_instances_fd, path, err);
    if (rc == 0 && mkdirat(agent->state_instances_fd, path, 0755) < 0)
        rc = err_os(err, errno, LAYOUT_ETC, "cannot make the directory");
    return rc < 0 ? rc : dir_open(agent->state_instances_fd, path, ret_dir, err);
}

// On the host's network the instance resolves names as the host does; alone it has none to ask.
static int write_etc(struct agent *agent, const struct wire_agent_instance_create *r,
                     struct err *err) {
    bool host = request_shares_host_network(r);
    char name[64];
    char *resolv auto_free = NULL;
    struct str hosts auto_str = {0};
    bundle_hostname(r, name);
    if (host) file_read(AT_FDCWD, "/etc/resolv.conf", ETC_FILE_MAX, &resolv, NULL, NULL);
    char *host_table auto_free = NULL;
    if (host) file_read(AT_FDCWD, "/etc/hosts", ETC_FILE_MAX, &host_table, NULL, NULL);
    str_add(&hosts, host_table ? host_table
                               : "127.0.0.1\tlocalhost\n"
                                 "::1\tlocalhost ip6-localhost ip6-loopback\n");
    if (hosts.len && hosts.data[hosts.len - 1] != '\n') str_add_char(&hosts, '\n');
    str_printf(&hosts, "127.0.1.1\t%s\n", name);
    auto_close int dir = -1;
    int rc = make_etc(agent, r->id, &dir, err);
    if (rc == 0) rc = write_new(dir, BUNDLE_RESOLV_CONF, resolv ? resolv : "", 0644, err);
    if (rc == 0) rc = write_new(dir, BUNDLE_HOSTS, str_text(&hosts), 0644, err);
    strcat(name, "\n");
    if (rc == 0) rc = write_new(dir, BUNDLE_HOSTNAME, name, 0644, err);
    return rc;
}

static int write_config(struct agent *agent, int run_dir,
                        const struct wire_agent_instance_create *request,
                        const struct request_mount *mounts, size_t n_mounts, struct err *err) {
    bool rootless = agent->options->rootless;
    struct bundle_host host = {
        .state_dir = agent->state_dir,
        .rootless = rootless,
        .tty_group = agent->tty_group,
        // A user namespace may show control groups of version 2 only.
        .cgroup_mount =
            agent->cgroups && (!rootless || cgroup_host_mode(agent->cgroups) == CGROUP_V2),
        .capabilities = agent->capabilities,
    };
    char *json auto_free = NULL;
    int rc = bundle_build(request, mounts, n_mounts, &host, &json, err);
    return rc < 0 ? rc : write_new(run_dir, LAYOUT_CONFIG, json, 0600, err);
}

int instance_files_make(struct agent *agent, const struct wire_agent_instance_create *request,
                        struct request_mount *mounts, size_t n_mounts, struct arena *arena,
                        bool *ret_state_made, struct err *err) {
    auto_close int run_dir = -1;
    *ret_state_made = false;
    int rc = check_layers(agent, request->layers, err);
    if (rc == 0) rc = resolve_mounts(agent, mounts, n_mounts, arena, err);
    if (rc == 0) rc = make_state(agent, request->id, ret_state_made, err);
    if (rc == 0) rc = dir_open(agent->run_instances_fd, request->id, &run_dir, err);
    if (rc == 0 && mkdirat(run_dir, LAYOUT_ROOTFS, 0755) < 0)
        rc = err_os(err, errno, LAYOUT_ROOTFS, "cannot make the mount point");
    if (rc == 0) rc = write_etc(agent, request, err);
    if (rc == 0) rc = write_config(agent, run_dir, request, mounts, n_mounts, err);
    return rc;
}
