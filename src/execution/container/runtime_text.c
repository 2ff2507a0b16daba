// SPDX-License-Identifier: Apache-2.0
// Commands that only print: features (features.md of the specification) and spec (a config.json to
// start from); and checkpoint and restore, which say why not.
#include "base/str.h"
#include "execution/container/capability.h"
#include "execution/container/mount_option.h"
#include "execution/container/namespace.h"
#include "execution/container/runtime.h"
#include "execution/container/seccomp.h"
#include "host/capability.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

static const char *capability_at(size_t i) {
    return capability_name((unsigned)i);
}

static const char *hook_at(size_t i) {
    static const char *const names[] = {"prestart",       "createRuntime", "createContainer",
                                        "startContainer", "poststart",     "poststop"};
    return i < array_len(names) ? names[i] : NULL;
}

static void add_names(struct str *s, const char *key, const char *(*at)(size_t)) {
    str_printf(s, "\"%s\": [", key);
    for (size_t i = 0; at(i); i++) {
        if (i) str_add(s, ", ");
        str_add_json(s, at(i));
    }
    str_add(s, "]");
}

int runtime_features(struct runtime *rt, struct err *err) {
    auto_str struct str s = {0};
    (void)rt;
    str_add(&s, "{\n  \"ociVersionMin\": \"1.0.0\",\n  \"ociVersionMax\": \"1.2.0\",\n  ");
    add_names(&s, "hooks", hook_at);
    str_add(&s, ",\n  ");
    add_names(&s, "mountOptions", mount_option_name);
    str_add(&s, ",\n  \"linux\": {\n    ");
    add_names(&s, "namespaces", namespace_word);
    str_add(&s, ",\n    ");
    add_names(&s, "capabilities", capability_at);
    str_add(&s, ",\n    \"cgroup\": {\"v1\": true, \"v2\": true, \"systemd\": false, "
                "\"systemdUser\": false, \"rdma\": false},\n    \"seccomp\": {\"enabled\": true, ");
    add_names(&s, "actions", seccomp_action_name);
    str_add(&s, ", ");
    add_names(&s, "archs", seccomp_arch_name);
    str_add(&s,
            "},\n    \"apparmor\": {\"enabled\": false},\n    \"selinux\": {\"enabled\": false},"
            "\n    \"intelRdt\": {\"enabled\": false},\n"
            "    \"mountExtensions\": {\"idmap\": {\"enabled\": false}}\n  },\n");
    const struct scmp_version *v = seccomp_version();
    str_printf(&s,
               "  \"annotations\": {\n    \"io.github.seccomp.libseccomp.version\": \"%u.%u.%u\",\n"
               "    \"org.opencontainers.runc.checkpoint.enabled\": \"false\"\n  }\n}\n",
               v->major, v->minor, v->micro);
    if (s.failed || file_write_all(1, s.data, s.len) < 0)
        return err_set(err, ERR_IO, 0, "standard output", "cannot be written");
    return 0;
}

#define CAPS "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]"
static const char template_head[] =
    "{\n  \"ociVersion\": \"1.0.2\",\n  \"process\": {\n    \"terminal\": true,\n"
    "    \"user\": {\"uid\": 0, \"gid\": 0},\n    \"args\": [\"sh\"],\n    \"env\": [\n"
    "      \"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
    "      \"TERM=xterm\"\n    ],\n    \"cwd\": \"/\",\n    \"capabilities\": {\n"
    "      \"bounding\": " CAPS ",\n      \"effective\": " CAPS ",\n      \"permitted\": " CAPS
    "\n    },\n    \"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024}],\n"
    "    \"noNewPrivileges\": true\n  },\n"
    "  \"root\": {\"path\": \"rootfs\", \"readonly\": true},\n  \"hostname\": \"trine\",\n"
    "  \"mounts\": [\n"
    "    {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},\n"
    "    {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
    "     \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},\n"
    "    {\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"newinstance\", \"ptmxmode=0666\", "
    "\"mode=0620\"%s]},\n"
    "    {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"mode=1777\", \"size=65536k\"]},\n"
    "    {\"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\"]},\n";
static const char template_tail[] =
    "    \"maskedPaths\": [\"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\",\n"
    "      \"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\",\n"
    "      \"/proc/sched_debug\", \"/sys/firmware\", \"/proc/scsi\"],\n"
    "    \"readonlyPaths\": [\"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\",\n"
    "      \"/proc/sysrq-trigger\"]\n  }\n}\n";
static const char template_root[] =
    "    {\"destination\": \"/sys\", \"type\": \"sysfs\", \"source\": \"sysfs\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]},\n"
    "    {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
    "     \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]}\n  ],\n"
    "  \"linux\": {\n    \"resources\": {\"devices\": [{\"allow\": false, \"access\": \"rwm\"}]},\n"
    "    \"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\"}, {\"type\": \"ipc\"},\n"
    "      {\"type\": \"uts\"}, {\"type\": \"mount\"}, {\"type\": \"cgroup\"}],\n";
static const char template_rootless[] =
    "    {\"destination\": \"/sys\", \"type\": \"none\", \"source\": \"/sys\",\n"
    "     \"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"ro\"]}\n  ],\n"
    "  \"linux\": {\n"
    "    \"uidMappings\": [{\"containerID\": 0, \"hostID\": %u, \"size\": 1}],\n"
    "    \"gidMappings\": [{\"containerID\": 0, \"hostID\": %u, \"size\": 1}],\n"
    "    \"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"ipc\"}, {\"type\": \"uts\"},\n"
    "      {\"type\": \"mount\"}, {\"type\": \"cgroup\"}, {\"type\": \"user\"}],\n";

int runtime_spec(struct runtime *rt, struct err *err) {
    if (rt->bundle && chdir(rt->bundle) < 0)
        return err_os(err, errno, rt->bundle, "cannot enter the bundle");
    auto_str struct str s = {0};
    str_printf(&s, template_head, rt->rootless ? "" : ", \"gid=5\"");
    if (rt->rootless)
        str_printf(&s, template_rootless, geteuid(), getegid());
    else
        str_add(&s, template_root);
    str_add(&s, template_tail);
    auto_close int fd = open("config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) {
        err_set(err, ERR_EXISTS, 0, "config.json", "it exists already");
        return err_next(err, "move it away first");
    }
    int r = fd < 0 ? -errno : file_write_all(fd, s.data, s.len);
    return r < 0 ? err_os(err, -r, "config.json", "cannot be written") : 0;
}

int runtime_checkpoint(struct runtime *rt, struct err *err) {
    err_set(err, ERR_UNSUPPORTED, 0, rt->id, "checkpoint and restore are not supported");
    return err_next(err, "pause and resume keep a container still without ending it");
}
