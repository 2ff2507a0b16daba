// SPDX-License-Identifier: Apache-2.0
#include "execution/container/resources.h"

#include "execution/container/device_filter.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t or_unlimited(int64_t value) {
    return value < 0 ? UINT64_MAX : (uint64_t)value;
}

void resources_limits(const struct oci_resources *res, struct cgroup_limits *ret) {
    *ret = (struct cgroup_limits){0};
    if (!res) return;
    const struct oci_memory *memory = res->memory;
    if (memory && memory->limit.set) ret->memory_max_bytes = or_unlimited(memory->limit.value);
    if (memory && memory->reservation.set)
        ret->memory_low_bytes = or_unlimited(memory->reservation.value);
    // The specification's swap is memory and swap together.
    if (memory && memory->swap.set && memory->swap.value < 0)
        ret->memory_swap_max_bytes = UINT64_MAX;
    else if (memory && memory->swap.set && memory->limit.set && memory->limit.value > 0 &&
             memory->swap.value >= memory->limit.value)
        ret->memory_swap_max_bytes = (uint64_t)(memory->swap.value - memory->limit.value);
    const struct oci_cpu *cpu = res->cpu;
    if (cpu && cpu->quota.set) ret->cpu_quota_us = or_unlimited(cpu->quota.value);
    if (cpu) {
        ret->cpu_period_us = cpu->period.value;
        ret->cpu_shares = cpu->shares.value;
        ret->cpuset_cpus = cpu->cpus && cpu->cpus[0] ? cpu->cpus : NULL;
        ret->cpuset_mems = cpu->mems && cpu->mems[0] ? cpu->mems : NULL;
    }
    if (res->pids_limit.set)
        ret->pids_max = res->pids_limit.value <= 0 ? UINT64_MAX : (uint64_t)res->pids_limit.value;
}

struct apply {
    const struct cgroup_host *host;
    const char *path;
    container_warn_fn *warn;
    void *warn_arg;
    struct err *err;
};

static void say(const struct apply *a, const char *what) {
    char text[256];
    snprintf(text, sizeof(text),
             "%s is not applied: no control group file for it is used on this host", what);
    if (a->warn) a->warn(text, a->warn_arg);
}

// A file that is not there is a warning: the host lacks the feature. A refused value is an error.
static int put(const struct apply *a, enum cgroup_controller c, const char *file, const char *value,
               const char *what) {
    auto_free char *dir = cgroup_host_dir(a->host, c, a->path);
    if (!dir) {
        say(a, what);
        return 0;
    }
    auto_free char *path = mem_printf("%s/%s", dir, file);
    int r = file_write_text(AT_FDCWD, path, value);
    if (r == -ENOENT || r == -EACCES || r == -EPERM || r == -EROFS) {
        say(a, what);
        return 0;
    }
    return r < 0 ? err_os(a->err, -r, what, "the kernel refuses \"%s\"", value) : 0;
}

static int put_number(const struct apply *a, enum cgroup_controller c, const char *file,
                      int64_t value, const char *what) {
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    return put(a, c, file, text, what);
}

// The list's two files stay open: it is long, and its order counts.
struct device_files {
    int allow, deny;
};

static int device_rule(const struct apply *a, const struct device_files *files,
                       const struct oci_device_rule *rule) {
    char text[64], major[24] = "*", minor[24] = "*";
    const char *type = rule->type && rule->type[0] ? rule->type : "a";
    const char *access = rule->access && rule->access[0] ? rule->access : "rwm";
    if (rule->major.set && rule->major.value >= 0)
        snprintf(major, sizeof(major), "%lld", (long long)rule->major.value);
    if (rule->minor.set && rule->minor.value >= 0)
        snprintf(minor, sizeof(minor), "%lld", (long long)rule->minor.value);
    snprintf(text, sizeof(text), "%s %s:%s %s", type, major, minor, access);
    const char *line = *type == 'a' ? "a" : text;
    if (write(rule->allow ? files->allow : files->deny, line, strlen(line)) >= 0) return 0;
    return err_os(a->err, errno, "linux.resources.devices", "the kernel refuses \"%s\"", line);
}

static int open_device_file(const struct apply *a, const char *name) {
    auto_free char *dir = cgroup_host_dir(a->host, CGROUP_DEVICES, a->path);
    auto_free char *path = mem_printf("%s/%s", dir ? dir : "", name);
    return open(path, O_WRONLY | O_CLOEXEC);
}

// What every container may use, whatever the list says: making nodes, and the devices that the
// runtime itself puts into /dev.
static const struct oci_device_rule always[] = {
    {.allow = true, .type = (char[]){"c"}, .access = (char[]){"m"}},
    {.allow = true, .type = (char[]){"b"}, .access = (char[]){"m"}},
#define ALWAYS(a, b) \
    { \
        .allow = true, .type = (char[]){"c"}, .access = (char[]){"rwm"}, .major = {true, a}, \
        .minor = \
        { true, \
          b } \
    }
    ALWAYS(1, 3),
    ALWAYS(1, 5),
    ALWAYS(1, 7),
    ALWAYS(1, 8),
    ALWAYS(1, 9),
    ALWAYS(5, 0),
    ALWAYS(5, 2),
    ALWAYS(136, -1),
#undef ALWAYS
};

static int check_rule(const struct oci_device_rule *rule, struct err *err) {
    const char *type = rule->type && rule->type[0] ? rule->type : "a";
    const char *access = rule->access && rule->access[0] ? rule->access : "rwm";
    if (strlen(type) == 1 && strchr("abc", *type) && strspn(access, "rwm") == strlen(access) &&
        strlen(access) <= 3)
        return 0;
    return err_set(err, ERR_INVALID, 0, "linux.resources.devices",
                   "\"%.8s %.8s\" is no rule: type a, b or c; access of r, w and m", type, access);
}

static struct device_filter_rule filter_rule(const struct oci_device_rule *rule) {
    const char *access = rule->access && rule->access[0] ? rule->access : "rwm";
    return (struct device_filter_rule){
        .allow = rule->allow,
        .type = rule->type && rule->type[0] ? rule->type[0] : 'a',
        .major = rule->major.set && rule->major.value >= 0 ? rule->major.value : -1,
        .minor = rule->minor.set && rule->minor.value >= 0 ? rule->minor.value : -1,
        .access = (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0u) |
                  (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0u) |
                  (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0u),
    };
}

static int open_device_group(const struct cgroup_host *host, const char *path) {
    auto_free char *dir = cgroup_host_dir(host, CGROUP_DEVICES, path);
    if (!dir) return -ENOENT;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int filter_devices(const struct apply *a, const struct oci_resources *res) {
    struct device_filter f;
    device_filter_begin(&f);
    for (size_t i = array_len(always); i-- > 0;) {
        struct device_filter_rule rule = filter_rule(&always[i]);
        device_filter_add(&f, &rule);
    }
    for (size_t i = res->devices.len; i-- > 0;) {
        struct device_filter_rule rule = filter_rule(&res->devices.items[i]);
        device_filter_add(&f, &rule);
    }
    device_filter_end(&f);
    auto_close int group = open_device_group(a->host, a->path);
    int r = group < 0 ? group : device_filter_attach(&f, group);
    device_filter_free(&f);
    if (r == 0) return 0;
    if (r == -E2BIG)
        return err_set(a->err, ERR_TOO_LARGE, 0, "linux.resources.devices", "too many rules");
    // Whether that is bearable is known to who creates the container (resources_guard_devices).
    char text[128];
    snprintf(text, sizeof(text), "linux.resources.devices is not applied: %s", strerror(-r));
    if (a->warn) a->warn(text, a->warn_arg);
    return 0;
}

static int apply_devices(const struct apply *a, const struct oci_resources *res) {
    if (!res->devices.len) return 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < res->devices.len; i++)
        r = check_rule(&res->devices.items[i], a->err);
    if (r < 0) return r;
    if (cgroup_host_version(a->host, CGROUP_DEVICES) == 2) return filter_devices(a, res);
    auto_close int allow = open_device_file(a, "devices.allow");
    auto_close int deny = open_device_file(a, "devices.deny");
    struct device_files files = {allow, deny};
    if (allow < 0 || deny < 0) {
        say(a, "linux.resources.devices");
        return 0;
    }
    for (size_t i = 0; r == 0 && i < res->devices.len; i++)
        r = device_rule(a, &files, &res->devices.items[i]);
    for (size_t i = 0; r == 0 && i < array_len(always); i++) r = device_rule(a, &files, &always[i]);
    return r;
}

bool resources_guard_devices(const struct cgroup_host *host, const char *path,
                             const struct oci_resources *res) {
    bool wanted = false;
    for (size_t i = 0; res && i < res->devices.len; i++) wanted |= !res->devices.items[i].allow;
    if (!wanted) return true;
    if (!host) return false;
    auto_close int group = open_device_group(host, path);
    if (group < 0) return false;
    if (cgroup_host_version(host, CGROUP_DEVICES) == 2) return device_filter_is_attached(group);
    return faccessat(group, "devices.deny", W_OK, 0) == 0;
}

static int apply_throttles(const struct apply *a, const struct oci_throttles *list,
                           const char *file, const char *key) {
    bool v2 = cgroup_host_version(a->host, CGROUP_BLKIO) == 2;
    int r = 0;
    for (size_t i = 0; r == 0 && i < list->len; i++) {
        char text[96];
        snprintf(text, sizeof(text), "%lld:%lld %s%s%llu", (long long)list->items[i].major,
                 (long long)list->items[i].minor, v2 ? key : "", v2 ? "=" : "",
                 (unsigned long long)list->items[i].rate);
        r = put(a, CGROUP_BLKIO, v2 ? "io.max" : file, text, "linux.resources.blockIO");
    }
    return r;
}

static int apply_block_io(const struct apply *a, const struct oci_block_io *io) {
    if (!io) return 0;
    bool v2 = cgroup_host_version(a->host, CGROUP_BLKIO) == 2;
    int r = 0;
    if (io->weight.set && io->weight.value)
        r = put_number(a, CGROUP_BLKIO, v2 ? "io.bfq.weight" : "blkio.bfq.weight",
                       (int64_t)io->weight.value, "linux.resources.blockIO.weight");
    if (r == 0) r = apply_throttles(a, &io->read_bps, "blkio.throttle.read_bps_device", "rbps");
    if (r == 0) r = apply_throttles(a, &io->write_bps, "blkio.throttle.write_bps_device", "wbps");
    if (r == 0) r = apply_throttles(a, &io->read_iops, "blkio.throttle.read_iops_device", "riops");
    if (r == 0)
        r = apply_throttles(a, &io->write_iops, "blkio.throttle.write_iops_device", "wiops");
    return r;
}

static int apply_rest(const struct apply *a, const struct oci_resources *res) {
    const struct oci_memory *memory = res->memory;
    const struct oci_cpu *cpu = res->cpu;
    int r = 0;
    bool memory_v1 = cgroup_host_version(a->host, CGROUP_MEMORY) == 1;
    bool cpu_v1 = cgroup_host_version(a->host, CGROUP_CPU) == 1;
    if (memory && memory->swappiness.set && memory_v1)
        r = put_number(a, CGROUP_MEMORY, "memory.swappiness", (int64_t)memory->swappiness.value,
                       "linux.resources.memory.swappiness");
    if (r == 0 && memory && memory->disable_oom_killer.value && memory_v1)
        r = put(a, CGROUP_MEMORY, "memory.oom_control", "1",
                "linux.resources.memory.disableOOMKiller");
    if (r == 0 && cpu && cpu->burst.set)
        r = put_number(a, CGROUP_CPU, cpu_v1 ? "cpu.cfs_burst_us" : "cpu.max.burst",
                       (int64_t)cpu->burst.value, "linux.resources.cpu.burst");
    if (r == 0 && cpu && cpu->idle.set)
        r = put_number(a, CGROUP_CPU, "cpu.idle", cpu->idle.value, "linux.resources.cpu.idle");
    for (size_t i = 0; r == 0 && i < res->hugepage_limits.len; i++) {
        char file[64];
        bool v1 = cgroup_host_version(a->host, CGROUP_HUGETLB) == 1;
        snprintf(file, sizeof(file), v1 ? "hugetlb.%.20s.limit_in_bytes" : "hugetlb.%.20s.max",
                 res->hugepage_limits.items[i].page_size);
        r = put_number(a, CGROUP_HUGETLB, file, (int64_t)res->hugepage_limits.items[i].limit,
                       "linux.resources.hugepageLimits");
    }
    return r;
}

// Read, checked, and not applied yet: said, so that nobody counts on them.
static void say_missing(const struct apply *a, const struct oci_resources *res) {
    const struct oci_cpu *cpu = res->cpu;
    const struct oci_memory *memory = res->memory;
    const struct {
        bool asked;
        const char *what;
    } fields[] = {
        {cpu && (cpu->realtime_period.set || cpu->realtime_runtime.set),
         "linux.resources.cpu.realtimeRuntime"},
        {memory && (memory->kernel.set || memory->kernel_tcp.set), "linux.resources.memory.kernel"},
        {res->network && (res->network->class_id.set || res->network->priorities.len),
         "linux.resources.network"},
        {res->block_io && res->block_io->weight_device.len, "linux.resources.blockIO.weightDevice"},
    };
    for (size_t i = 0; i < array_len(fields); i++)
        if (fields[i].asked) say(a, fields[i].what);
}

static int apply_unified(const struct apply *a, const struct oci_pairs *unified) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < unified->len; i++) {
        if (strchr(unified->items[i].key, '/'))
            return err_set(a->err, ERR_INVALID, 0, "linux.resources.unified",
                           "\"%.64s\" is no file name", unified->items[i].key);
        bool v2 = cgroup_host_mode(a->host) == CGROUP_V2;
        if (v2)
            r = put(a, CGROUP_PIDS, unified->items[i].key, unified->items[i].value,
                    "linux.resources.unified");
        else
            say(a, "linux.resources.unified");
    }
    return r;
}

int resources_apply(const struct cgroup_host *host, const char *path,
                    const struct oci_resources *res, container_warn_fn *warn, void *warn_arg,
                    struct err *err) {
    if (!res) return 0;
    struct apply a = {host, path, warn, warn_arg, err};
    say_missing(&a, res);
    int r = apply_devices(&a, res);
    if (r == 0) r = apply_block_io(&a, res->block_io);
    if (r == 0) r = apply_rest(&a, res);
    if (r == 0) r = apply_unified(&a, &res->unified);
    return r;
}
