// SPDX-License-Identifier: Apache-2.0
// config.json of the OCI runtime specification 1.2 as plain structs. The member names are the
// specification's, in snake_case; see there for what they mean.
//
// Ownership: every pointer lives in the spec's arena. Absent objects are NULL, absent lists empty,
// absent numbers not `set`.
#ifndef TRINE_EXECUTION_CONTAINER_SPEC_H
#define TRINE_EXECUTION_CONTAINER_SPEC_H

#include "base/mem.h"
#include "execution/container/container.h"

// A JSON array: count and items.
#define OCI_LIST(type) \
    struct { \
        type *items; \
        size_t len; \
    }
struct oci_strings {
    char **items; // NULL-terminated when not NULL
    size_t len;
};
struct oci_int {
    bool set;
    int64_t value;
};
struct oci_uint {
    bool set;
    uint64_t value;
};
struct oci_flag {
    bool set, value;
};
struct oci_pair {
    char *key, *value;
};
struct oci_pairs {
    struct oci_pair *items;
    size_t len;
};

struct oci_rlimit {
    char *type;
    uint64_t hard, soft;
};
struct oci_capabilities {
    struct oci_strings bounding, effective, inheritable, permitted, ambient;
};
struct oci_user {
    uint32_t uid, gid;
    struct oci_uint umask;
    OCI_LIST(uint32_t) additional_gids;
    char *username;
};
struct oci_console_size {
    uint64_t height, width;
};
struct oci_scheduler {
    char *policy;
    struct oci_int nice, priority;
    struct oci_strings flags;
    struct oci_uint runtime, deadline, period;
};
struct oci_io_priority {
    char *class;
    struct oci_int priority;
};
struct oci_cpu_affinity {
    char *initial, *final;
};
struct oci_process {
    bool terminal, no_new_privileges;
    struct oci_console_size *console_size;
    struct oci_user user;
    struct oci_strings args, env;
    char *cwd;
    struct oci_capabilities *capabilities;
    OCI_LIST(struct oci_rlimit) rlimits;
    char *apparmor_profile, *selinux_label;
    struct oci_int oom_score_adj;
    struct oci_scheduler *scheduler;
    struct oci_io_priority *io_priority;
    struct oci_cpu_affinity *exec_cpu_affinity;
};

struct oci_root {
    char *path;
    bool readonly;
};
struct oci_id_mapping {
    uint32_t container_id, host_id, size;
};
struct oci_id_mappings {
    struct oci_id_mapping *items;
    size_t len;
};
struct oci_mount {
    char *destination, *type, *source;
    struct oci_strings options;
    struct oci_id_mappings uid_mappings, gid_mappings;
};
struct oci_mounts {
    struct oci_mount *items;
    size_t len;
};

struct oci_hook {
    char *path;
    struct oci_strings args, env;
    struct oci_int timeout; // seconds
};
struct oci_hook_list {
    struct oci_hook *items;
    size_t len;
};
struct oci_hooks {
    struct oci_hook_list prestart, create_runtime, create_container, start_container, poststart,
        poststop;
};

struct oci_namespace {
    char *type, *path;
};
struct oci_device {
    char *type, *path;
    struct oci_int major, minor;
    struct oci_uint file_mode, uid, gid;
};
struct oci_device_rule {
    bool allow;
    char *type, *access;
    struct oci_int major, minor;
};
struct oci_memory {
    struct oci_int limit, reservation, swap, kernel, kernel_tcp;
    struct oci_uint swappiness;
    struct oci_flag disable_oom_killer, use_hierarchy, check_before_update;
};
struct oci_cpu {
    struct oci_uint shares, burst, period, realtime_period;
    struct oci_int quota, realtime_runtime, idle;
    char *cpus, *mems;
};
struct oci_weight_device {
    int64_t major, minor;
    struct oci_uint weight, leaf_weight;
};
struct oci_throttle_device {
    int64_t major, minor;
    uint64_t rate;
};
struct oci_throttles {
    struct oci_throttle_device *items;
    size_t len;
};
struct oci_block_io {
    struct oci_uint weight, leaf_weight;
    OCI_LIST(struct oci_weight_device) weight_device;
    struct oci_throttles read_bps, write_bps, read_iops, write_iops;
};
struct oci_hugepage_limit {
    char *page_size;
    uint64_t limit;
};
struct oci_if_priority {
    char *name;
    uint32_t priority;
};
struct oci_network {
    struct oci_uint class_id;
    OCI_LIST(struct oci_if_priority) priorities;
};
struct oci_resources {
    OCI_LIST(struct oci_device_rule) devices;
    struct oci_memory *memory;
    struct oci_cpu *cpu;
    struct oci_int pids_limit;
    struct oci_block_io *block_io;
    OCI_LIST(struct oci_hugepage_limit) hugepage_limits;
    struct oci_network *network;
    struct oci_pairs unified;
};

struct oci_seccomp_arg {
    uint32_t index;
    uint64_t value, value_two;
    char *op;
};
struct oci_syscall {
    struct oci_strings names;
    char *action;
    struct oci_uint errno_ret;
    OCI_LIST(struct oci_seccomp_arg) args;
};
struct oci_seccomp {
    char *default_action;
    struct oci_uint default_errno_ret;
    struct oci_strings architectures, flags;
    char *listener_path, *listener_metadata;
    OCI_LIST(struct oci_syscall) syscalls;
};
struct oci_personality {
    char *domain;
    struct oci_strings flags;
};
struct oci_time_offset {
    struct oci_int secs, nanosecs;
};
struct oci_time_offsets {
    struct oci_time_offset *monotonic, *boottime;
};
struct oci_linux {
    OCI_LIST(struct oci_namespace) namespaces;
    struct oci_id_mappings uid_mappings, gid_mappings;
    struct oci_time_offsets *time_offsets;
    OCI_LIST(struct oci_device) devices;
    char *cgroups_path, *rootfs_propagation, *mount_label;
    struct oci_resources *resources;
    struct oci_seccomp *seccomp;
    struct oci_strings masked_paths, readonly_paths;
    struct oci_pairs sysctl;
    struct oci_personality *personality;
};

struct oci_spec {
    struct arena *arena;
    char *oci_version, *hostname, *domainname;
    struct oci_root *root;
    struct oci_process *process;
    struct oci_mounts mounts;
    struct oci_hooks *hooks;
    struct oci_pairs annotations;
    struct oci_linux linux_;
};

// The limits in the middle of `trine-oci update -r FILE`: a bare "resources" object.
int oci_resources_parse(struct oci_spec *owner, const char *json, size_t size,
                        struct oci_resources **ret, struct err *err);

#endif
