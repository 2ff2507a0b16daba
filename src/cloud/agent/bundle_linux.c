// SPDX-License-Identifier: Apache-2.0
// The "linux" object of a bundle: namespaces, what of /proc and /sys is hidden, devices, limits.
#include "cloud/agent/bundle_int.h"
#include "wire/layout.h"

// Host-wide secrets and switches that no instance should read or turn, as engines agree.
static const char *const masked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/scsi",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
};
static const char *const read_only[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static json_t *namespaces(const struct wire_agent_instance_create *r) {
    json_t *list = json_pack("[{s:s}, {s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "ipc",
                             "type", "uts", "type", "mount", "type", "cgroup");
    if (!request_shares_host_network(r))
        json_array_append_new(list, json_pack("{s:s}", "type", "network"));
    return list;
}

static void allow(json_t *list, const char *type, int major, int minor, const char *access) {
    json_t *rule = json_pack("{s:b, s:s, s:s}", "allow", true, "type", type, "access", access);
    if (major >= 0) json_object_set_new(rule, "major", json_integer(major));
    if (minor >= 0) json_object_set_new(rule, "minor", json_integer(minor));
    json_array_append_new(list, rule);
}

// Making a node is harmless (mknod), opening it is what counts.
static json_t *devices(bool privileged) {
    static const int open_to_all[][2] = {
        {1, 3}, {1, 5}, {1, 7}, {1, 8},    {1, 9}, // null zero full random urandom
        {5, 0}, {5, 1}, {5, 2}, {136, -1},         // tty console ptmx, pseudo terminals
    };
    json_t *list = json_array();
    json_array_append_new(list, json_pack("{s:b, s:s}", "allow", privileged, "access", "rwm"));
    if (privileged) return list;
    allow(list, "c", -1, -1, "m");
    allow(list, "b", -1, -1, "m");
    for (size_t i = 0; i < array_len(open_to_all); i++)
        allow(list, "c", open_to_all[i][0], open_to_all[i][1], "rwm");
    return list;
}

// OCI counts memory and swap together (-1: no limit), the request counts swap alone.
static json_int_t memory_and_swap(uint64_t memory, uint64_t swap) {
    uint64_t sum;
    if (swap == UINT64_MAX || __builtin_add_overflow(memory, swap, &sum) || sum > INT64_MAX)
        return -1;
    return (json_int_t)sum;
}

static json_t *memory(const struct wire_agent_instance_create *r) {
    if (!r->memory_max_bytes) return NULL;
    uint64_t max = r->memory_max_bytes;
    json_t *m = json_pack("{s:I}", "limit", max > INT64_MAX ? (json_int_t)-1 : (json_int_t)max);
    if (r->memory_swap_max_bytes)
        json_object_set_new(m, "swap",
                            json_integer(memory_and_swap(max, r->memory_swap_max_bytes)));
    return m;
}

static json_t *cpu(const struct wire_agent_instance_create *r) {
    json_t *c = json_object();
    if (r->cpu_nano) {
        uint64_t quota = r->cpu_nano / (UINT64_C(1000000000) / REQUEST_CPU_PERIOD_US);
        json_object_set_new(c, "quota", json_integer((json_int_t)quota));
        json_object_set_new(c, "period", json_integer(REQUEST_CPU_PERIOD_US));
    }
    if (r->cpu_shares) json_object_set_new(c, "shares", json_integer((json_int_t)r->cpu_shares));
    if (r->cpuset_cpus[0]) json_object_set_new(c, "cpus", json_string(r->cpuset_cpus));
    if (json_object_size(c)) return c;
    json_decref(c);
    return NULL;
}

static json_t *resources(const struct wire_agent_instance_create *r) {
    json_t *res = json_pack("{s:o, s:o*, s:o*}", "devices", devices(r->privileged), "memory",
                            memory(r), "cpu", cpu(r));
    if (r->pids_max)
        json_object_set_new(res, "pids",
                            json_pack("{s:I}", "limit",
                                      r->pids_max > INT64_MAX ? (json_int_t)-1
                                                              : (json_int_t)r->pids_max));
    return res;
}

json_t *bundle_linux(const struct bundle *b) {
    const struct wire_agent_instance_create *r = b->request;
    json_t *l = json_pack("{s:o, s:o, s:o}", "namespaces", namespaces(r), "resources", resources(r),
                          "cgroupsPath", json_sprintf("/" LAYOUT_CGROUP_ROOT "/%s", r->id));
    if (l && !r->privileged) {
        json_object_set_new(l, "maskedPaths", bundle_strings(masked, array_len(masked)));
        json_object_set_new(l, "readonlyPaths", bundle_strings(read_only, array_len(read_only)));
    }
    return l;
}
