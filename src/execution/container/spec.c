// SPDX-License-Identifier: Apache-2.0
// The fields of config.json, one table per object (OCI runtime specification, config.md and
// config-linux.md).
#include "execution/container/spec.h"

#include "execution/container/schema.h"
#include "host/file.h"

#include <errno.h>

#define SPEC_MAX_BYTES ((size_t)16 << 20)
#define SPEC_ARENA_MAX ((size_t)64 << 20)

#define F(kind, type, name, member) \
    { name, SCHEMA_##kind, offsetof(struct type, member), false, NULL }
#define REQUIRED(kind, type, name, member) \
    { name, SCHEMA_##kind, offsetof(struct type, member), true, NULL }
#define SUB(kind, type, name, member, table) \
    { name, SCHEMA_##kind, offsetof(struct type, member), false, &table }

SCHEMA(rlimit_schema, struct oci_rlimit, REQUIRED(STRING, oci_rlimit, "type", type),
       REQUIRED(U64, oci_rlimit, "hard", hard), REQUIRED(U64, oci_rlimit, "soft", soft));
SCHEMA(capabilities_schema, struct oci_capabilities,
       F(STRINGS, oci_capabilities, "bounding", bounding),
       F(STRINGS, oci_capabilities, "effective", effective),
       F(STRINGS, oci_capabilities, "inheritable", inheritable),
       F(STRINGS, oci_capabilities, "permitted", permitted),
       F(STRINGS, oci_capabilities, "ambient", ambient));
SCHEMA(user_schema, struct oci_user, F(U32, oci_user, "uid", uid), F(U32, oci_user, "gid", gid),
       F(UINT, oci_user, "umask", umask), F(U32_LIST, oci_user, "additionalGids", additional_gids),
       F(STRING, oci_user, "username", username));
SCHEMA(console_size_schema, struct oci_console_size,
       REQUIRED(U64, oci_console_size, "height", height),
       REQUIRED(U64, oci_console_size, "width", width));
SCHEMA(scheduler_schema, struct oci_scheduler, REQUIRED(STRING, oci_scheduler, "policy", policy),
       F(INT, oci_scheduler, "nice", nice), F(INT, oci_scheduler, "priority", priority),
       F(STRINGS, oci_scheduler, "flags", flags), F(UINT, oci_scheduler, "runtime", runtime),
       F(UINT, oci_scheduler, "deadline", deadline), F(UINT, oci_scheduler, "period", period));
SCHEMA(io_priority_schema, struct oci_io_priority,
       REQUIRED(STRING, oci_io_priority, "class", class),
       F(INT, oci_io_priority, "priority", priority));
SCHEMA(cpu_affinity_schema, struct oci_cpu_affinity,
       F(STRING, oci_cpu_affinity, "initial", initial),
       F(STRING, oci_cpu_affinity, "final", final));
SCHEMA(process_schema, struct oci_process, F(BOOL, oci_process, "terminal", terminal),
       F(BOOL, oci_process, "noNewPrivileges", no_new_privileges),
       SUB(OBJECT, oci_process, "consoleSize", console_size, console_size_schema),
       SUB(INLINE, oci_process, "user", user, user_schema), F(STRINGS, oci_process, "args", args),
       F(STRINGS, oci_process, "env", env), REQUIRED(STRING, oci_process, "cwd", cwd),
       SUB(OBJECT, oci_process, "capabilities", capabilities, capabilities_schema),
       SUB(LIST, oci_process, "rlimits", rlimits, rlimit_schema),
       F(STRING, oci_process, "apparmorProfile", apparmor_profile),
       F(STRING, oci_process, "selinuxLabel", selinux_label),
       F(INT, oci_process, "oomScoreAdj", oom_score_adj),
       SUB(OBJECT, oci_process, "scheduler", scheduler, scheduler_schema),
       SUB(OBJECT, oci_process, "ioPriority", io_priority, io_priority_schema),
       SUB(OBJECT, oci_process, "execCPUAffinity", exec_cpu_affinity, cpu_affinity_schema));

SCHEMA(root_schema, struct oci_root, REQUIRED(STRING, oci_root, "path", path),
       F(BOOL, oci_root, "readonly", readonly));
SCHEMA(id_mapping_schema, struct oci_id_mapping,
       REQUIRED(U32, oci_id_mapping, "containerID", container_id),
       REQUIRED(U32, oci_id_mapping, "hostID", host_id),
       REQUIRED(U32, oci_id_mapping, "size", size));
SCHEMA(mount_schema, struct oci_mount, REQUIRED(STRING, oci_mount, "destination", destination),
       F(STRING, oci_mount, "type", type), F(STRING, oci_mount, "source", source),
       F(STRINGS, oci_mount, "options", options),
       SUB(LIST, oci_mount, "uidMappings", uid_mappings, id_mapping_schema),
       SUB(LIST, oci_mount, "gidMappings", gid_mappings, id_mapping_schema));
SCHEMA(hook_schema, struct oci_hook, REQUIRED(STRING, oci_hook, "path", path),
       F(STRINGS, oci_hook, "args", args), F(STRINGS, oci_hook, "env", env),
       F(INT, oci_hook, "timeout", timeout));
SCHEMA(hooks_schema, struct oci_hooks, SUB(LIST, oci_hooks, "prestart", prestart, hook_schema),
       SUB(LIST, oci_hooks, "createRuntime", create_runtime, hook_schema),
       SUB(LIST, oci_hooks, "createContainer", create_container, hook_schema),
       SUB(LIST, oci_hooks, "startContainer", start_container, hook_schema),
       SUB(LIST, oci_hooks, "poststart", poststart, hook_schema),
       SUB(LIST, oci_hooks, "poststop", poststop, hook_schema));

SCHEMA(namespace_schema, struct oci_namespace, REQUIRED(STRING, oci_namespace, "type", type),
       F(STRING, oci_namespace, "path", path));
SCHEMA(device_schema, struct oci_device, REQUIRED(STRING, oci_device, "type", type),
       REQUIRED(STRING, oci_device, "path", path), F(INT, oci_device, "major", major),
       F(INT, oci_device, "minor", minor), F(UINT, oci_device, "fileMode", file_mode),
       F(UINT, oci_device, "uid", uid), F(UINT, oci_device, "gid", gid));
SCHEMA(device_rule_schema, struct oci_device_rule, REQUIRED(BOOL, oci_device_rule, "allow", allow),
       F(STRING, oci_device_rule, "type", type), F(STRING, oci_device_rule, "access", access),
       F(INT, oci_device_rule, "major", major), F(INT, oci_device_rule, "minor", minor));
SCHEMA(memory_schema, struct oci_memory, F(INT, oci_memory, "limit", limit),
       F(INT, oci_memory, "reservation", reservation), F(INT, oci_memory, "swap", swap),
       F(INT, oci_memory, "kernel", kernel), F(INT, oci_memory, "kernelTCP", kernel_tcp),
       F(UINT, oci_memory, "swappiness", swappiness),
       F(FLAG, oci_memory, "disableOOMKiller", disable_oom_killer),
       F(FLAG, oci_memory, "useHierarchy", use_hierarchy),
       F(FLAG, oci_memory, "checkBeforeUpdate", check_before_update));
SCHEMA(cpu_schema, struct oci_cpu, F(UINT, oci_cpu, "shares", shares),
       F(UINT, oci_cpu, "burst", burst), F(UINT, oci_cpu, "period", period),
       F(UINT, oci_cpu, "realtimePeriod", realtime_period), F(INT, oci_cpu, "quota", quota),
       F(INT, oci_cpu, "realtimeRuntime", realtime_runtime), F(INT, oci_cpu, "idle", idle),
       F(STRING, oci_cpu, "cpus", cpus), F(STRING, oci_cpu, "mems", mems));
SCHEMA(weight_device_schema, struct oci_weight_device,
       REQUIRED(I64, oci_weight_device, "major", major),
       REQUIRED(I64, oci_weight_device, "minor", minor),
       F(UINT, oci_weight_device, "weight", weight),
       F(UINT, oci_weight_device, "leafWeight", leaf_weight));
SCHEMA(throttle_schema, struct oci_throttle_device,
       REQUIRED(I64, oci_throttle_device, "major", major),
       REQUIRED(I64, oci_throttle_device, "minor", minor),
       F(U64, oci_throttle_device, "rate", rate));
SCHEMA(block_io_schema, struct oci_block_io, F(UINT, oci_block_io, "weight", weight),
       F(UINT, oci_block_io, "leafWeight", leaf_weight),
       SUB(LIST, oci_block_io, "weightDevice", weight_device, weight_device_schema),
       SUB(LIST, oci_block_io, "throttleReadBpsDevice", read_bps, throttle_schema),
       SUB(LIST, oci_block_io, "throttleWriteBpsDevice", write_bps, throttle_schema),
       SUB(LIST, oci_block_io, "throttleReadIOPSDevice", read_iops, throttle_schema),
       SUB(LIST, oci_block_io, "throttleWriteIOPSDevice", write_iops, throttle_schema));
SCHEMA(hugepage_limit_schema, struct oci_hugepage_limit,
       REQUIRED(STRING, oci_hugepage_limit, "pageSize", page_size),
       REQUIRED(U64, oci_hugepage_limit, "limit", limit));
SCHEMA(if_priority_schema, struct oci_if_priority, REQUIRED(STRING, oci_if_priority, "name", name),
       REQUIRED(U32, oci_if_priority, "priority", priority));
SCHEMA(network_schema, struct oci_network, F(UINT, oci_network, "classID", class_id),
       SUB(LIST, oci_network, "priorities", priorities, if_priority_schema));
SCHEMA(pids_schema, struct oci_resources, F(INT, oci_resources, "limit", pids_limit));
SCHEMA(resources_schema, struct oci_resources,
       SUB(LIST, oci_resources, "devices", devices, device_rule_schema),
       SUB(OBJECT, oci_resources, "memory", memory, memory_schema),
       SUB(OBJECT, oci_resources, "cpu", cpu, cpu_schema),
       {"pids", SCHEMA_INLINE, 0, false, &pids_schema},
       SUB(OBJECT, oci_resources, "blockIO", block_io, block_io_schema),
       SUB(LIST, oci_resources, "hugepageLimits", hugepage_limits, hugepage_limit_schema),
       SUB(OBJECT, oci_resources, "network", network, network_schema),
       F(PAIRS, oci_resources, "unified", unified));

SCHEMA(seccomp_arg_schema, struct oci_seccomp_arg, REQUIRED(U32, oci_seccomp_arg, "index", index),
       REQUIRED(U64, oci_seccomp_arg, "value", value),
       F(U64, oci_seccomp_arg, "valueTwo", value_two), REQUIRED(STRING, oci_seccomp_arg, "op", op));
SCHEMA(syscall_schema, struct oci_syscall, REQUIRED(STRINGS, oci_syscall, "names", names),
       REQUIRED(STRING, oci_syscall, "action", action), F(UINT, oci_syscall, "errnoRet", errno_ret),
       SUB(LIST, oci_syscall, "args", args, seccomp_arg_schema));
SCHEMA(seccomp_schema, struct oci_seccomp,
       REQUIRED(STRING, oci_seccomp, "defaultAction", default_action),
       F(UINT, oci_seccomp, "defaultErrnoRet", default_errno_ret),
       F(STRINGS, oci_seccomp, "architectures", architectures),
       F(STRINGS, oci_seccomp, "flags", flags),
       F(STRING, oci_seccomp, "listenerPath", listener_path),
       F(STRING, oci_seccomp, "listenerMetadata", listener_metadata),
       SUB(LIST, oci_seccomp, "syscalls", syscalls, syscall_schema));
SCHEMA(personality_schema, struct oci_personality,
       REQUIRED(STRING, oci_personality, "domain", domain),
       F(STRINGS, oci_personality, "flags", flags));
SCHEMA(time_offset_schema, struct oci_time_offset, F(INT, oci_time_offset, "secs", secs),
       F(INT, oci_time_offset, "nanosecs", nanosecs));
SCHEMA(time_offsets_schema, struct oci_time_offsets,
       SUB(OBJECT, oci_time_offsets, "monotonic", monotonic, time_offset_schema),
       SUB(OBJECT, oci_time_offsets, "boottime", boottime, time_offset_schema));
SCHEMA(linux_schema, struct oci_linux,
       SUB(LIST, oci_linux, "namespaces", namespaces, namespace_schema),
       SUB(LIST, oci_linux, "uidMappings", uid_mappings, id_mapping_schema),
       SUB(LIST, oci_linux, "gidMappings", gid_mappings, id_mapping_schema),
       SUB(OBJECT, oci_linux, "timeOffsets", time_offsets, time_offsets_schema),
       SUB(LIST, oci_linux, "devices", devices, device_schema),
       F(STRING, oci_linux, "cgroupsPath", cgroups_path),
       F(STRING, oci_linux, "rootfsPropagation", rootfs_propagation),
       F(STRING, oci_linux, "mountLabel", mount_label),
       SUB(OBJECT, oci_linux, "resources", resources, resources_schema),
       SUB(OBJECT, oci_linux, "seccomp", seccomp, seccomp_schema),
       F(STRINGS, oci_linux, "maskedPaths", masked_paths),
       F(STRINGS, oci_linux, "readonlyPaths", readonly_paths),
       F(PAIRS, oci_linux, "sysctl", sysctl),
       SUB(OBJECT, oci_linux, "personality", personality, personality_schema));

SCHEMA(document_schema, struct oci_spec, REQUIRED(STRING, oci_spec, "ociVersion", oci_version),
       F(STRING, oci_spec, "hostname", hostname), F(STRING, oci_spec, "domainname", domainname),
       SUB(OBJECT, oci_spec, "root", root, root_schema),
       SUB(OBJECT, oci_spec, "process", process, process_schema),
       SUB(LIST, oci_spec, "mounts", mounts, mount_schema),
       SUB(OBJECT, oci_spec, "hooks", hooks, hooks_schema),
       F(PAIRS, oci_spec, "annotations", annotations),
       SUB(INLINE, oci_spec, "linux", linux_, linux_schema));

// jansson has no unsigned 64-bit integers, and configurations say 18446744073709551615 for
// "unlimited". Outside of strings, such a number becomes a fraction of the same length
// ("184467440737095516e2"), which the schema takes for what it was. NULL: no memory.
static char *with_large_numbers(const char *json, size_t size) {
    char *text = mem_try_dup(json, size);
    bool string = false;
    for (size_t i = 0; text && i < size; i++) {
        if (text[i] == '"') string = !string;
        if (string && text[i] == '\\') i++;
        if (string || i >= size || text[i] < '0' || text[i] > '9') continue;
        size_t n = 1;
        while (i + n < size && text[i + n] >= '0' && text[i + n] <= '9') n++;
        bool whole = i + n >= size || !strchr(".eE", text[i + n]);
        if (whole && (n == 20 || (n == 19 && memcmp(text + i, "9223372036854775807", 19) > 0)))
            memcpy(text + i + n - 2, "e2", 2);
        i += n - 1;
    }
    return text;
}

static json_t *load(const char *json, size_t size, json_error_t *where) {
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, where);
    if (root || json_error_code(where) != json_error_numeric_overflow) return root;
    auto_free char *text = with_large_numbers(json, size);
    return text ? json_loadb(text, size, JSON_REJECT_DUPLICATES, where) : NULL;
}

static int parse(struct arena *arena, const char *what, const char *path, const char *json,
                 size_t size, const struct schema *schema, void *into, struct err *err) {
    json_error_t where;
    json_t *root = load(json, size, &where);
    if (!root)
        return err_set(err, ERR_INVALID, 0, what, "line %d, column %d: %s", where.line,
                       where.column, where.text);
    int r = schema_fill(arena, what, path, root, schema, into, err);
    json_decref(root);
    return r;
}

int oci_spec_parse(const char *json, size_t size, struct oci_spec **ret, struct err *err) {
    auto_arena struct arena *arena = arena_new(SPEC_ARENA_MAX);
    struct oci_spec *spec = arena_alloc(arena, sizeof(*spec));
    if (!spec) return err_set(err, ERR_NO_SPACE, 0, "config.json", "no memory");
    int r = parse(arena, "config.json", "", json, size, &document_schema, spec, err);
    if (r < 0) return r;
    spec->arena = take(arena);
    *ret = spec;
    return 0;
}

int oci_spec_load(int bundle_fd, const char *name, struct oci_spec **ret, struct err *err) {
    auto_free char *json = NULL;
    size_t size = 0;
    int r = file_read(bundle_fd, name, SPEC_MAX_BYTES, &json, &size, err);
    if (r == -ENOENT)
        err_next(err, "a bundle is a directory with a config.json; `trine-oci spec` writes one");
    return r < 0 ? r : oci_spec_parse(json, size, ret, err);
}

void oci_spec_free(struct oci_spec *spec) {
    if (spec) arena_free(spec->arena);
}

int oci_process_parse(struct oci_spec *owner, const char *json, size_t size,
                      struct oci_process **ret, struct err *err) {
    struct oci_process *process = arena_alloc(owner->arena, sizeof(*process));
    if (!process) return err_set(err, ERR_NO_SPACE, 0, "process", "no memory");
    *ret = process;
    return parse(owner->arena, "the process file", "process", json, size, &process_schema, process,
                 err);
}

int oci_resources_parse(struct oci_spec *owner, const char *json, size_t size,
                        struct oci_resources **ret, struct err *err) {
    struct oci_resources *res = arena_alloc(owner->arena, sizeof(*res));
    if (!res) return err_set(err, ERR_NO_SPACE, 0, "resources", "no memory");
    *ret = res;
    return parse(owner->arena, "the resources file", "resources", json, size, &resources_schema,
                 res, err);
}

const char *oci_spec_annotation(const struct oci_spec *spec, const char *key) {
    for (size_t i = 0; i < spec->annotations.len; i++)
        if (!strcmp(spec->annotations.items[i].key, key)) return spec->annotations.items[i].value;
    return NULL;
}
