// SPDX-License-Identifier: Apache-2.0
// Links, filters and offloads of the kernel. What is missing costs speed, not function: the switch has its own path.
#include "host/probe/probe_int.h"

#include "base/mem.h"
#include "host/netlink.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/bpf_common.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void probe_link(const struct probe *probe, struct probe_result *ret) {
    char fix[200];
    int why = 0, rc = netlink_probe_kind(probe->word, &why);
    snprintf(fix, sizeof(fix),
             access("/proc/modules", R_OK) == 0 ? "modprobe %s" : "use a kernel built with %s",
             probe->more ? probe->more : probe->word);
    if (rc > 0)
        probe_say(ret, PROBE_YES, NULL, "links of kind %s can be made", probe->word);
    else if (rc == 0)
        probe_say(ret, PROBE_NO, fix, "the kernel makes no links of kind %s", probe->word);
    else
        probe_say(ret, PROBE_PARTLY, "run as root", "could not be tried: %s", strerror(-rc));
}

void probe_nftables(const struct probe *probe, struct probe_result *ret) {
    int fd auto_close = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd >= 0)
        probe_say(ret, PROBE_YES, NULL, "the kernel takes rules");
    else
        probe_say(ret, PROBE_NO, "modprobe nf_tables", "no netfilter: %s", strerror(errno));
}

// A program that lets every packet pass, loaded as the kind that tcx hooks take (Linux 6.6).
void probe_tcx(const struct probe *probe, struct probe_result *ret) {
    static const struct bpf_insn pass[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SCHED_CLS, .insn_cnt = array_len(pass)};
    static const char license[] = "Apache-2.0";
    attr.insns = (uintptr_t)pass;
    attr.license = (uintptr_t)license;
    int fd auto_close = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
    if (fd >= 0)
        probe_say(ret, PROBE_YES, NULL, "programs load");
    else
        probe_say(ret, PROBE_PARTLY,
                  geteuid() ? "run as root" : "use a kernel with CONFIG_BPF_SYSCALL",
                  "programs do not load (%s): the switch's own path is used", strerror(errno));
}
