// SPDX-License-Identifier: Apache-2.0
// The mounts of a bundle, in the order in which they are made: the overlay root, what every Linux
// program expects (OCI runtime specification, "Default Filesystems"), /etc files, the user's own.
#include "base/str.h"
#include "cloud/agent/bundle_int.h"
#include "wire/layout.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS_MAX 8

struct fixed_mount {
    const char *destination, *type, *source;
    const char *options[OPTIONS_MAX];
};

static const struct fixed_mount mount_proc = {"/proc",
                                              "proc",
                                              "proc",
                                              {"nosuid", "noexec", "nodev"}};
static const struct fixed_mount mount_dev = {"/dev",
                                             "tmpfs",
                                             "tmpfs",
                                             {"nosuid", "strictatime", "mode=755", "size=65536k"}};
static const struct fixed_mount mount_pts = {"/dev/pts",
                                             "devpts",
                                             "devpts",
                                             {"nosuid", "noexec", "newinstance", "ptmxmode=0666",
                                              "mode=0620", "gid=5"}};
// A user namespace without group 5 cannot name it.
static const struct fixed_mount mount_pts_plain = {"/dev/pts",
                                                   "devpts",
                                                   "devpts",
                                                   {"nosuid", "noexec", "newinstance",
                                                    "ptmxmode=0666", "mode=0620"}};
static const struct fixed_mount mount_shm = {
    "/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}};
static const struct fixed_mount mount_mqueue = {"/dev/mqueue",
                                                "mqueue",
                                                "mqueue",
                                                {"nosuid", "noexec", "nodev"}};
static const struct fixed_mount mount_sys = {"/sys",
                                             "sysfs",
                                             "sysfs",
                                             {"nosuid", "noexec", "nodev", "ro"}};
static const struct fixed_mount mount_sys_rw = {"/sys",
                                                "sysfs",
                                                "sysfs",
                                                {"nosuid", "noexec", "nodev"}};
// sysfs belongs to the network namespace's owner: without owning it, the host's own is shown.
static const struct fixed_mount mount_sys_host = {"/sys",
                                                  "none",
                                                  "/sys",
                                                  {"rbind", "nosuid", "noexec", "nodev", "ro"}};
static const struct fixed_mount mount_cgroup = {"/sys/fs/cgroup",
                                                "cgroup",
                                                "cgroup",
                                                {"nosuid", "noexec", "nodev", "relatime", "ro"}};
static const struct fixed_mount mount_cgroup_rw = {"/sys/fs/cgroup",
                                                   "cgroup",
                                                   "cgroup",
                                                   {"nosuid", "noexec", "nodev", "relatime"}};

static void add_mount(json_t *list, const char *destination, const char *type, const char *source,
                      json_t *options) {
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "destination", destination,
                                          "type", type, "source", source, "options", options));
}

static void add_fixed(json_t *list, const struct fixed_mount *m) {
    size_t n = 0;
    while (n < OPTIONS_MAX && m->options[n]) n++;
    add_mount(list, m->destination, m->type, m->source, bundle_strings(m->options, n));
}

// lowerdir lists the top layer first; the names are relative to the store's layers, so that 128 of
// them fit into the page that mount(2) takes.
static void add_root(json_t *list, const struct bundle *b) {
    const struct wire_agent_instance_create *r = b->request;
    const char *state = b->host->state_dir;
    struct str lower auto_str = {0};
    str_add(&lower, "lowerdir=");
    for (size_t i = r->layers.count; i-- > 0;) {
        str_add(&lower, r->layers.items[i]);
        if (i) str_add_char(&lower, ':');
    }
    json_t *options = json_array();
    json_array_append_new(options, json_string(str_text(&lower)));
    json_array_append_new(options, json_sprintf("upperdir=%s/" LAYOUT_INSTANCES "/%s/" LAYOUT_UPPER,
                                                state, r->id));
    json_array_append_new(options, json_sprintf("workdir=%s/" LAYOUT_INSTANCES "/%s/" LAYOUT_WORK,
                                                state, r->id));
    json_array_append_new(options, json_sprintf("trine.base=%s/" LAYOUT_IMAGES "/layers", state));
    if (b->host->rootless) json_array_append_new(options, json_string("userxattr"));
    add_mount(list, "/", "overlay", "overlay", options);
}

static bool user_mounts(const struct bundle *b, const char *destination) {
    for (size_t i = 0; i < b->n_mounts; i++)
        if (str_same(b->mounts[i].destination, destination)) return true;
    return false;
}

static void add_etc(json_t *list, const struct bundle *b, const char *file) {
    char *destination auto_free = mem_printf("/etc/%s", file);
    if (user_mounts(b, destination)) return;
    // Not from the bundle: its directory is where the runtime mounts the root.
    char *source auto_free = mem_printf("%s/" LAYOUT_INSTANCES "/%s/" LAYOUT_ETC "/%s",
                                        b->host->state_dir, b->request->id, file);
    static const char *const options[] = {"bind", "rprivate", "nosuid", "nodev", "noexec"};
    add_mount(list, destination, "bind", source, bundle_strings(options, array_len(options)));
}

// What narrows a bind holds for what is mounted below it as well: "ro" of a tree with a writable
// disk in it is not read-only.
static void add_option(json_t *options, bool bind, const char *word, size_t n) {
    static const char *const narrowing[] = {"ro", "nosuid", "nodev", "noexec"};
    json_array_append_new(options, json_stringn(word, n));
    for (size_t i = 0; bind && i < array_len(narrowing); i++)
        if (strlen(narrowing[i]) == n && !memcmp(word, narrowing[i], n))
            json_array_append_new(options, json_sprintf("r%s", narrowing[i]));
}

static json_t *user_options(const struct request_mount *m) {
    json_t *options = json_array();
    if (m->kind != REQUEST_MOUNT_TMPFS) {
        // rbind: what is mounted below a directory belongs to it, as a person sees it.
        json_array_append_new(options, json_string("rbind"));
        json_array_append_new(options, json_string("rprivate"));
    } else {
        json_array_append_new(options, json_string("nosuid"));
        json_array_append_new(options, json_string("nodev"));
    }
    for (const char *p = m->options; *p;) {
        size_t n = strcspn(p, ",");
        add_option(options, m->kind != REQUEST_MOUNT_TMPFS, p, n);
        p += n + (p[n] == ',');
    }
    return options;
}

static void add_user(json_t *list, const struct bundle *b, const struct request_mount *m) {
    char *volume auto_free = NULL;
    const char *type = m->kind == REQUEST_MOUNT_TMPFS ? "tmpfs" : "bind", *source = m->source;
    if (m->kind == REQUEST_MOUNT_TMPFS) source = "tmpfs";
    if (m->kind == REQUEST_MOUNT_VOLUME)
        source = volume = mem_printf("%s/" LAYOUT_VOLUMES "/%s/" LAYOUT_VOLUME_DATA,
                                     b->host->state_dir, m->source);
    add_mount(list, m->destination, type, source, user_options(m));
}

json_t *bundle_mounts(const struct bundle *b) {
    const struct wire_agent_instance_create *r = b->request;
    bool host_sys = b->host->rootless && request_shares_host_network(r);
    json_t *list = json_array();
    add_root(list, b);
    add_fixed(list, &mount_proc);
    add_fixed(list, &mount_dev);
    add_fixed(list, b->host->tty_group ? &mount_pts : &mount_pts_plain);
    add_fixed(list, &mount_shm);
    add_fixed(list, &mount_mqueue);
    add_fixed(list, host_sys ? &mount_sys_host : r->privileged ? &mount_sys_rw : &mount_sys);
    if (b->host->cgroup_mount && !host_sys)
        add_fixed(list, r->privileged ? &mount_cgroup_rw : &mount_cgroup);
    add_etc(list, b, BUNDLE_RESOLV_CONF);
    add_etc(list, b, BUNDLE_HOSTS);
    add_etc(list, b, BUNDLE_HOSTNAME);
    for (size_t i = 0; i < b->n_mounts; i++) add_user(list, b, &b->mounts[i]);
    return list;
}
