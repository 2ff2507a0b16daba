// SPDX-License-Identifier: Apache-2.0
// The list of probes and the child that tries.
#include "host/probe/probe_int.h"

#include "base/mem.h"
#include "host/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct probe probes[] = {
    {"level", "vm", "full machines on hardware virtualization", probe_kvm, NULL, NULL},
    {"level", "soft", "machines on the software CPU", probe_soft, NULL, NULL},
    {"level", "container", "containers", probe_containers, NULL, NULL},
    {"level", "language", "bytecode machines (jvm, clr)", probe_language, NULL, NULL},

    {"container", "cgroups", "limits and figures of instances", probe_cgroups, NULL, NULL},
    {"container", "namespaces", "isolation of instances", probe_namespaces, NULL, NULL},
    {"container", "rootless", "instances of ordinary users", probe_rootless, NULL, NULL},
    {"container", "overlay", "image layers below a writable one", probe_overlay, NULL, NULL},
    {"container", "seccomp", "filters of system calls", probe_seccomp, NULL, NULL},
    {"container", "landlock", "roles that narrow themselves", probe_landlock, NULL, NULL},
    {"container", "resources", "raising limits, protecting from the OOM killer", probe_resources,
     NULL, NULL},

    {"storage", "loop", "attach a volume through a file", probe_device, "/dev/loop-control",
     "loop"},
    {"storage", "fuse", "attach a volume as a file", probe_device, "/dev/fuse", "fuse"},
    {"storage", "nbd", "attach a volume by NBD", probe_device, "/dev/nbd0", "nbd"},
    {"storage", "ublk", "attach a volume by ublk", probe_device, "/dev/ublk-control", "ublk_drv"},
    {"storage", "device-mapper", "attach a volume by device-mapper", probe_device,
     "/dev/mapper/control", "dm_mod"},
    {"storage", "io_uring", "fast input and output", probe_io_uring, NULL, NULL},
    {"storage", "ext4", "file systems on volumes", probe_filesystem, "ext4", NULL},
    {"storage", "xfs", "file systems on volumes", probe_filesystem, "xfs", NULL},
    {"storage", "nfs", "mounting NFS shares on this host", probe_filesystem, "nfs", NULL},
    {"storage", "cifs", "mounting SMB shares on this host", probe_filesystem, "cifs", NULL},
    {"storage", "virtiofs", "mounting a machine's shared directory", probe_filesystem, "virtiofs",
     NULL},

    {"network", "veth", "ports of containers", probe_link, "veth", NULL},
    {"network", "bridge", "networks of the kernel's bridge", probe_link, "bridge", NULL},
    {"network", "tun", "ports of machines, remote access", probe_device, "/dev/net/tun", "tun"},
    {"network", "macvlan", "ports on the host's own segment", probe_link, "macvlan", NULL},
    {"network", "vlan", "VLANs offloaded to the kernel", probe_link, "vlan", "8021q"},
    {"network", "vxlan", "VXLAN overlays in the kernel", probe_link, "vxlan", NULL},
    {"network", "gre", "GRE overlays in the kernel", probe_link, "gretap", "ip_gre"},
    {"network", "geneve", "Geneve overlays in the kernel", probe_link, "geneve", NULL},
    {"network", "wireguard", "VPN peers in the kernel", probe_link, "wireguard", NULL},
    {"network", "nftables", "NAT, published ports, security groups", probe_nftables, NULL, NULL},
    {"network", "tcx", "flows offloaded to eBPF", probe_tcx, NULL, NULL},
};

const struct probe *probe_at(size_t index) {
    return index < array_len(probes) ? &probes[index] : NULL;
}

void probe_run(const struct probe *probe, struct probe_result *ret) {
    *ret = (struct probe_result){.verdict = PROBE_NO};
    probe->run(probe, ret);
}

const char *probe_verdict_word(enum probe_verdict verdict) {
    return verdict == PROBE_YES ? "yes" : verdict == PROBE_PARTLY ? "partly" : "no";
}

void probe_say(struct probe_result *ret, enum probe_verdict verdict, const char *fix,
               const char *fmt, ...) {
    va_list args;
    ret->verdict = verdict;
    snprintf(ret->fix, sizeof(ret->fix), "%s", fix ? fix : "");
    va_start(args, fmt);
    vsnprintf(ret->detail, sizeof(ret->detail), fmt, args);
    va_end(args);
}

int probe_child(int (*fn)(const void *arg), const void *arg) {
    pid_t pid = fork();
    if (pid < 0) return -errno;
    if (pid == 0) _exit(fn(arg) & 255);
    int pidfd auto_close = process_pidfd(pid);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    bool late = pidfd >= 0 && poll(&p, 1, PROBE_TIME_MS) == 0;
    if (late) kill(pid, SIGKILL);
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return -errno;
    }
    if (late) return -ETIMEDOUT;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}
