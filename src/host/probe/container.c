// SPDX-License-Identifier: Apache-2.0
// What containers need of the kernel.
#include "host/probe/probe_int.h"

#include "base/mem.h"
#include "host/cgroup.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALL_NAMESPACES \
    (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static int try_namespaces(const void *flags) {
    return unshare(*(const int *)flags) < 0 ? errno : 0;
}

void probe_namespaces(const struct probe *probe, struct probe_result *ret) {
    static const struct {
        int flag;
        const char *name;
    } all[] = {{CLONE_NEWUSER, "user"}, {CLONE_NEWNS, "mount"},
               {CLONE_NEWPID, "pid"},   {CLONE_NEWNET, "network"},
               {CLONE_NEWIPC, "ipc"},   {CLONE_NEWUTS, "uts"},
               {0x80, "time"},          {CLONE_NEWCGROUP, "cgroup"}};
    char missing[128] = "";
    for (size_t i = 0; i < array_len(all); i++) {
        int flags = all[i].flag | (geteuid() ? CLONE_NEWUSER : 0);
        if (probe_child(try_namespaces, &flags) == 0) continue;
        snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), " %s", all[i].name);
    }
    if (!*missing)
        probe_say(ret, PROBE_YES, NULL, "user, mount, pid, network, ipc, uts, time and cgroup");
    else
        probe_say(ret, PROBE_PARTLY,
                  "allow them: sysctl user.max_*_namespaces, kernel.unprivileged_userns_clone=1",
                  "cannot make:%s", missing);
}

void probe_cgroups(const struct probe *probe, struct probe_result *ret) {
    struct cgroup_host *host;
    struct err err = {0};
    static const struct {
        enum cgroup_controller c;
        const char *name;
    } wanted[] = {{CGROUP_CPU, "cpu"},
                  {CGROUP_MEMORY, "memory"},
                  {CGROUP_PIDS, "pids"},
                  {CGROUP_CPUSET, "cpuset"}};
    if (cgroup_host_open(&host, &err) < 0) {
        probe_say(ret, PROBE_NO, "mount cgroup2 at /sys/fs/cgroup", "%s", err.cause);
        return;
    }
    char missing[128] = "";
    for (size_t i = 0; i < array_len(wanted); i++) {
        if (!cgroup_host_can(host, wanted[i].c, NULL))
            snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), " %s",
                     wanted[i].name);
    }
    const char *mode = cgroup_mode_word(cgroup_host_mode(host));
    if (!*missing)
        probe_say(ret, PROBE_YES, NULL, "mode %s, with cpu, memory, pids and cpuset", mode);
    else
        probe_say(ret, PROBE_PARTLY,
                  geteuid()
                      ? "let the service manager delegate the controllers to you (Delegate=yes)"
                      : "enable the controllers on the kernel's command line",
                  "mode %s; cannot use:%s", mode, missing);
    cgroup_host_free(host);
}

void probe_rootless(const struct probe *probe, struct probe_result *ret) {
    int flags = CLONE_NEWUSER | CLONE_NEWNS;
    int rc = probe_child(try_namespaces, &flags);
    bool helpers =
        access("/usr/bin/newuidmap", X_OK) == 0 && access("/usr/bin/newgidmap", X_OK) == 0;
    if (rc != 0)
        probe_say(ret, PROBE_NO,
                  "sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces > 0",
                  "users may not make user namespaces");
    else if (!helpers)
        probe_say(ret, PROBE_PARTLY, "apt install uidmap",
                  "only one user id inside an instance: newuidmap is missing");
    else
        probe_say(ret, PROBE_YES, NULL, "user namespaces, newuidmap and newgidmap");
}

// Without maps of the own ids the kernel makes no files for us (EOVERFLOW).
static int enter_user_namespace(int flags) {
    char uid_map[32], gid_map[32];
    snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)geteuid());
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)getegid());
    if (unshare(flags | CLONE_NEWUSER) < 0) return errno;
    int rc = file_write_text(AT_FDCWD, "/proc/self/setgroups", "deny");
    if (rc == 0) rc = file_write_text(AT_FDCWD, "/proc/self/gid_map", gid_map);
    if (rc == 0) rc = file_write_text(AT_FDCWD, "/proc/self/uid_map", uid_map);
    return -rc;
}

static int try_overlay(const void *arg) {
    int rc = 0;
    if (geteuid())
        rc = enter_user_namespace(CLONE_NEWNS);
    else if (unshare(CLONE_NEWNS) < 0)
        rc = errno;
    if (rc) return rc;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return errno;
    if (mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0) return errno;
    if (mkdir("/tmp/l", 0700) || mkdir("/tmp/u", 0700) || mkdir("/tmp/w", 0700) ||
        mkdir("/tmp/m", 0700))
        return errno;
    return mount("overlay", "/tmp/m", "overlay", 0,
                 "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w") < 0
               ? errno
               : 0;
}

void probe_overlay(const struct probe *probe, struct probe_result *ret) {
    int rc = probe_child(try_overlay, NULL);
    if (rc == 0)
        probe_say(ret, PROBE_YES, NULL, "overlayfs mounts");
    else
        probe_say(ret, PROBE_NO, "modprobe overlay", "cannot mount overlayfs: %s",
                  strerror(rc > 0 ? rc : -rc));
}

void probe_seccomp(const struct probe *probe, struct probe_result *ret) {
    unsigned action = SECCOMP_RET_USER_NOTIF;
    if (prctl(PR_GET_SECCOMP) < 0)
        probe_say(ret, PROBE_NO, "use a kernel with CONFIG_SECCOMP_FILTER",
                  "the kernel has no seccomp");
    else if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
        probe_say(ret, PROBE_PARTLY, "use Linux 5.0 or later", "filters, without notification");
    else
        probe_say(ret, PROBE_YES, NULL, "filters, with notification");
}

void probe_landlock(const struct probe *probe, struct probe_result *ret) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
    if (abi > 0)
        probe_say(ret, PROBE_YES, NULL, "ABI %ld", abi);
    else
        probe_say(ret, PROBE_PARTLY, "boot with lsm=landlock,…",
                  "not there: roles narrow themselves by other means only");
}

static bool have_capability(int number) {
    char *text auto_free = NULL;
    unsigned long long effective = 0;
    if (file_read(AT_FDCWD, "/proc/self/status", 65536, &text, NULL, NULL) < 0) return false;
    const char *line = strstr(text, "CapEff:");
    return line && sscanf(line, "CapEff: %llx", &effective) == 1 && (effective >> number & 1);
}

void probe_resources(const struct probe *probe, struct probe_result *ret) {
    if (geteuid() != 0)
        probe_say(ret, PROBE_PARTLY, NULL, "as an ordinary user, limits can only be lowered");
    else if (!have_capability(CAP_SYS_RESOURCE))
        probe_say(ret, PROBE_PARTLY, "give CAP_SYS_RESOURCE to whatever starts this shell",
                  "root without CAP_SYS_RESOURCE: limits cannot be raised, OOM scores not lowered");
    else
        probe_say(ret, PROBE_YES, NULL, "limits can be raised");
}

void probe_containers(const struct probe *probe, struct probe_result *ret) {
    int flags = ALL_NAMESPACES | (geteuid() ? CLONE_NEWUSER : 0);
    int rc = probe_child(try_namespaces, &flags), overlay = probe_child(try_overlay, NULL);
    if (rc == 0 && overlay == 0)
        probe_say(ret, PROBE_YES, NULL, geteuid() ? "rootless" : "as root");
    else
        probe_say(ret, PROBE_NO, "see the rows of area container",
                  rc ? "namespaces cannot be made" : "no overlayfs");
}
