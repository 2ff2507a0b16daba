// SPDX-License-Identifier: Apache-2.0
// What the agent and all that it starts keep of root's rights.
//
// Capabilities outside the bounding set can never come back, so the set holds what instances may be
// given on request besides what the agent and its shims use themselves. No Landlock: its domain
// would be inherited by shims, which mount. No "no new privileges": set-id programs of instances
// would stop working. System calls in the deny-list are for whole hosts; neither the roles nor any
// instance has use for them. ptrace(2) stays: debuggers run in instances, and across them it needs
// CAP_SYS_PTRACE.
#include "cloud/agent/agent_int.h"

#include "cloud/agent/capability.h"
#include "host/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static const struct {
    unsigned capability;
    const char *reason;
} kept[] = {
    // used by the agent, the shims and the image role
    {CAP_SYS_ADMIN, "mounts, namespaces, setns for exec, device rules of control groups"},
    {CAP_SYS_CHROOT, "roots of instances"},
    {CAP_CHOWN, "owners of unpacked layers and of directories"},
    {CAP_DAC_OVERRIDE, "upper directories belong to anybody"},
    {CAP_DAC_READ_SEARCH, "measuring and removing them"},
    {CAP_FOWNER, "modes of files that belong to others"},
    {CAP_FSETID, "set-id bits of unpacked layers"},
    {CAP_MKNOD, "device nodes of instances and layers"},
    {CAP_SETFCAP, "file capabilities of unpacked layers"},
    {CAP_SETUID, "users of instances"},
    {CAP_SETGID, "groups of instances"},
    {CAP_SETPCAP, "bounding sets of instances"},
    {CAP_KILL, "signals to instances"},
    {CAP_NET_ADMIN, "loopback of new network namespaces"},
    {CAP_SYS_PTRACE, "/proc/PID/ns of instances, for exec"},
    {CAP_SYS_RESOURCE, "limits and oom_score_adj, where the host grants it"},
    // only handed on, to instances that ask
    {CAP_NET_BIND_SERVICE, "default set"},
    {CAP_NET_RAW, "default set"},
    {CAP_AUDIT_WRITE, "default set"},
    {CAP_NET_BROADCAST, "on request"},
    {CAP_IPC_LOCK, "on request: databases, mlock"},
    {CAP_IPC_OWNER, "on request"},
    {CAP_SYS_NICE, "on request: priorities, NUMA"},
    {CAP_SYS_TIME, "on request: time servers"},
    {CAP_SYS_TTY_CONFIG, "on request"},
    {CAP_SYS_RAWIO, "on request: disk tools"},
    {CAP_SYS_PACCT, "on request"},
    {CAP_LINUX_IMMUTABLE, "on request"},
    {CAP_LEASE, "on request: file servers"},
    {CAP_SYSLOG, "on request"},
    {CAP_WAKE_ALARM, "on request"},
    {CAP_AUDIT_CONTROL, "on request"},
    {CAP_AUDIT_READ, "on request"},
    {CAP_PERFMON, "on request: profilers"},
    {CAP_BPF, "on request; device rules of version 2 control groups"},
    {CAP_CHECKPOINT_RESTORE, "on request"},
    // never: SYS_MODULE, SYS_BOOT, MAC_ADMIN, MAC_OVERRIDE, BLOCK_SUSPEND act on the whole host
};

static const char *const denied_calls[] = {
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot",
    "swapon",     "swapoff",         "acct",        "iopl",         "ioperm",        "quotactl",
};

// What of the kept ones this process has: a host or a user namespace may hold some back.
static uint64_t available(void) {
    uint64_t set = 0;
    for (size_t i = 0; i < array_len(kept); i++)
        if (prctl(PR_CAPBSET_READ, kept[i].capability, 0, 0, 0) == 1)
            set |= UINT64_C(1) << kept[i].capability;
    char *status auto_free = NULL;
    if (file_read(AT_FDCWD, "/proc/self/status", 65536, &status, NULL, NULL) < 0) return set;
    const char *line = strstr(status, "\nCapPrm:");
    return line ? set & strtoull(line + 8, NULL, 16) : set;
}

// Group 5 of /proc/self/gid_map, for devpts.
static bool has_tty_group(void) {
    char *map auto_free = NULL;
    if (file_read(AT_FDCWD, "/proc/self/gid_map", 65536, &map, NULL, NULL) < 0) return false;
    unsigned long first, outside, count;
    int used;
    for (const char *p = map; sscanf(p, " %lu %lu %lu%n", &first, &outside, &count, &used) == 3;
         p += used)
        if (first <= 5 && 5 - first < count) return true;
    return false;
}

int rights_reduce(struct agent *agent, struct err *err) {
    agent->tty_group = has_tty_group();
    agent->capabilities = available();
    int rc = sandbox_drop_capabilities(agent->capabilities, err);
    if (rc < 0) return err_while(err, "giving up capabilities");
    // Root gains them by executing; nobody else should find them in what the agent starts.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    rc = sandbox_seccomp_deny_inherited(denied_calls, array_len(denied_calls), err);
    return rc < 0 ? err_while(err, "giving up system calls") : 0;
}
