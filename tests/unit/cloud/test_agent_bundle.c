// SPDX-License-Identifier: Apache-2.0
// config.json as the agent writes it: the parts that decide what an instance can see and do.
#include "base/mem.h"
#include "base/str.h"
#include "cloud/agent/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#define ID "0193a1b2c3d4e5f60718293a4b5c6d7e"
#define LAYER_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define LAYER_B "bbbbbbbbbbbbbbbbbbbbbbbb"
#define ALL_CAPABILITIES UINT64_C(0x1ffffffffff)

static const char *const layers[] = {LAYER_A, LAYER_B};
static const char *const args[] = {"/bin/sh", "-c", "echo \"\xc3\xa4\""};
static const char *const env[] = {"PATH=/bin"};

static const struct wire_agent_instance_create plain = {
    .id = ID,
    .name = "web",
    .project = "default",
    .layers = {layers, 2},
    .args = {args, 3},
    .env = {env, 1},
    .working_dir = "",
    .user = "",
    .hostname = "",
    .network = "none",
    .cpuset_cpus = "",
};
static const struct bundle_host root_host = {.state_dir = "/s",
                                             .tty_group = true,
                                             .cgroup_mount = true,
                                             .capabilities = ALL_CAPABILITIES};

static json_t *build(const struct wire_agent_instance_create *r, const struct request_mount *mounts,
                     size_t n, const struct bundle_host *host) {
    char *text auto_free = NULL;
    assert_int_equal(bundle_build(r, mounts, n, host, &text, NULL), 0);
    json_t *config = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(config);
    return config;
}

// The value at "a.b.0.c"; NULL when absent.
static json_t *at(json_t *json, const char *path) {
    char *copy auto_free = mem_strdup(path);
    char *state = NULL;
    for (char *key = strtok_r(copy, ".", &state); key && json; key = strtok_r(NULL, ".", &state))
        json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
                                   : json_object_get(json, key);
    return json;
}

static void expect(json_t *config, const char *path, const char *want) {
    json_t *value = at(config, path);
    char *text auto_free =
        value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : mem_strdup("absent");
    if (strcmp(text, want) != 0) print_error("%s is %s\n", path, text);
    assert_string_equal(text, want);
}

static json_t *mount_of(json_t *config, const char *destination) {
    size_t i;
    json_t *mount;
    json_array_foreach(json_object_get(config, "mounts"), i,
                       mount) if (str_same(json_string_value(json_object_get(mount, "destination")),
                                           destination)) return mount;
    return NULL;
}

static void frame(void **state) {
    json_t *c = build(&plain, NULL, 0, &root_host);
    expect(c, "ociVersion", "\"1.1.0\"");
    expect(c, "root", "{\"path\":\"rootfs\",\"readonly\":false}");
    expect(c, "hostname", "\"0193a1b2c3d4\"");
    expect(c, "process.args", "[\"/bin/sh\",\"-c\",\"echo \\\"\xc3\xa4\\\"\"]");
    expect(c, "process.env", "[\"PATH=/bin\"]");
    expect(c, "process.cwd", "\"/\"");
    expect(c, "process.terminal", "false");
    expect(c, "process.consoleSize", "absent");
    expect(c, "process.noNewPrivileges", "false");
    expect(c, "process.rlimits", "absent");
    expect(c, "process.user", "{\"uid\":0,\"gid\":0}");
    expect(c, "process.capabilities.bounding",
           "[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\",\"CAP_FSETID\",\"CAP_KILL\","
           "\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\","
           "\"CAP_NET_RAW\",\"CAP_SYS_CHROOT\",\"CAP_MKNOD\",\"CAP_AUDIT_WRITE\",\"CAP_SETFCAP\"]");
    expect(c, "process.capabilities.ambient", "[]");
    expect(c, "annotations",
           "{\"org.trine.name\":\"web\",\"org.trine.project\":\"default\","
           "\"org.trine.seccomp\":\"default\"}");
    expect(c, "linux.cgroupsPath", "\"/trine/" ID "\"");
    expect(c, "linux.namespaces",
           "[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
           "{\"type\":\"cgroup\"},{\"type\":\"network\"}]");
    expect(c, "linux.resources.devices.0", "{\"allow\":false,\"access\":\"rwm\"}");
    expect(c, "linux.resources.memory", "absent");
    expect(c, "linux.resources.cpu", "absent");
    assert_true(json_array_size(at(c, "linux.maskedPaths")) > 5);
    assert_true(json_array_size(at(c, "linux.readonlyPaths")) > 3);
    json_decref(c);
}

static void root_and_system_mounts(void **state) {
    json_t *c = build(&plain, NULL, 0, &root_host);
    expect(c, "mounts.0",
           "{\"destination\":\"/\",\"type\":\"overlay\",\"source\":\"overlay\",\"options\":["
           "\"lowerdir=" LAYER_B ":" LAYER_A "\",\"upperdir=/s/instances/" ID "/upper\","
           "\"workdir=/s/instances/" ID "/work\",\"trine.base=/s/images/layers\"]}");
    static const char *const order[] = {"/",        "/proc",       "/dev", "/dev/pts",
                                        "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"};
    for (size_t i = 0; i < array_len(order); i++)
        assert_string_equal(json_string_value(
                                at(json_array_get(at(c, "mounts"), i), "destination")),
                            order[i]);
    expect(mount_of(c, "/sys"), "options.3", "\"ro\"");
    expect(mount_of(c, "/dev/pts"), "options.5", "\"gid=5\"");
    expect(mount_of(c, "/etc/hosts"), "source", "\"/s/instances/" ID "/etc/hosts\"");
    assert_non_null(mount_of(c, "/etc/resolv.conf"));
    assert_non_null(mount_of(c, "/etc/hostname"));
    json_decref(c);
}

static void mounts_of_the_user(void **state) {
    const struct request_mount mounts[] = {
        {REQUEST_MOUNT_VOLUME, ID, "/data", "ro"},
        {REQUEST_MOUNT_BIND, "/srv", "/etc/hosts", ""},
        {REQUEST_MOUNT_TMPFS, "", "/tmp", "size=64m,exec"},
    };
    json_t *c = build(&plain, mounts, 3, &root_host);
    expect(mount_of(c, "/data"), "source", "\"/s/volumes/" ID "/data\"");
    expect(mount_of(c, "/data"), "options", "[\"rbind\",\"rprivate\",\"ro\",\"rro\"]");
    expect(mount_of(c, "/etc/hosts"), "source", "\"/srv\"");
    expect(mount_of(c, "/tmp"), "type", "\"tmpfs\"");
    expect(mount_of(c, "/tmp"), "options", "[\"nosuid\",\"nodev\",\"size=64m\",\"exec\"]");
    json_decref(c);
}

static void limits(void **state) {
    struct wire_agent_instance_create r = plain;
    r.memory_max_bytes = 64 << 20;
    r.memory_swap_max_bytes = 1 << 20;
    r.cpu_nano = 1500000000;
    r.cpu_shares = 512;
    r.pids_max = 100;
    r.cpuset_cpus = "0-1";
    json_t *c = build(&r, NULL, 0, &root_host);
    expect(c, "linux.resources.memory", "{\"limit\":67108864,\"swap\":68157440}");
    expect(c, "linux.resources.cpu",
           "{\"quota\":150000,\"period\":100000,\"shares\":512,\"cpus\":\"0-1\"}");
    expect(c, "linux.resources.pids", "{\"limit\":100}");
    json_decref(c);
    r.memory_max_bytes = r.memory_swap_max_bytes = r.pids_max = UINT64_MAX;
    c = build(&r, NULL, 0, &root_host);
    expect(c, "linux.resources.memory", "{\"limit\":-1,\"swap\":-1}");
    expect(c, "linux.resources.pids", "{\"limit\":-1}");
    json_decref(c);
}

static void terminal_user_and_host_network(void **state) {
    struct wire_agent_instance_create r = plain;
    r.terminal = true;
    r.rows = 24;
    r.columns = 80;
    r.user = "www-data";
    r.working_dir = "/srv";
    r.network = "host";
    r.hostname = "box";
    r.read_only = true;
    json_t *c = build(&r, NULL, 0, &root_host);
    expect(c, "process.consoleSize", "{\"height\":24,\"width\":80}");
    expect(c, "process.env", "[\"PATH=/bin\",\"TERM=xterm\"]");
    expect(c, "process.cwd", "\"/srv\"");
    expect(c, "annotations.org.trine.user", "absent"); // the key holds dots
    assert_string_equal(json_string_value(json_object_get(at(c, "annotations"), "org.trine.user")),
                        "www-data");
    expect(c, "hostname", "\"box\"");
    expect(c, "root.readonly", "true");
    assert_int_equal(json_array_size(at(c, "linux.namespaces")), 5);
    json_decref(c);
}

static void privileged(void **state) {
    struct wire_agent_instance_create r = plain;
    r.privileged = true;
    json_t *c = build(&r, NULL, 0, &root_host);
    assert_int_equal(json_array_size(at(c, "process.capabilities.bounding")), 41);
    assert_null(json_object_get(at(c, "annotations"), "org.trine.seccomp"));
    expect(c, "linux.resources.devices", "[{\"allow\":true,\"access\":\"rwm\"}]");
    expect(c, "linux.maskedPaths", "absent");
    expect(mount_of(c, "/sys"), "options", "[\"nosuid\",\"noexec\",\"nodev\"]");
    json_decref(c);
}

static void rootless(void **state) {
    struct bundle_host host = root_host;
    host.rootless = true;
    host.tty_group = host.cgroup_mount = false;
    json_t *c = build(&plain, NULL, 0, &host);
    expect(c, "mounts.0.options.4", "\"userxattr\"");
    expect(mount_of(c, "/dev/pts"), "options.5", "absent");
    assert_null(mount_of(c, "/sys/fs/cgroup"));
    expect(mount_of(c, "/sys"), "type", "\"sysfs\"");
    json_decref(c);
    struct wire_agent_instance_create r = plain;
    r.network = "host";
    c = build(&r, NULL, 0, &host);
    expect(mount_of(c, "/sys"), "source", "\"/sys\"");
    expect(mount_of(c, "/sys"), "options.0", "\"rbind\"");
    json_decref(c);
}

static void bad_capability(void **state) {
    static const char *const words[] = {"CAP_NOPE"};
    struct wire_agent_instance_create r = plain;
    r.cap_add = (struct wire_strings){words, 1};
    char *text = NULL;
    struct err err = {0};
    assert_true(bundle_build(&r, NULL, 0, &root_host, &text, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_null(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame),
        cmocka_unit_test(root_and_system_mounts),
        cmocka_unit_test(mounts_of_the_user),
        cmocka_unit_test(limits),
        cmocka_unit_test(terminal_user_and_host_network),
        cmocka_unit_test(privileged),
        cmocka_unit_test(rootless),
        cmocka_unit_test(bad_capability),
    };
    return cmocka_run_group_tests_name("agent bundle", tests, NULL, NULL);
}
