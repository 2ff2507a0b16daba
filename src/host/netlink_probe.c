// SPDX-License-Identifier: Apache-2.0
// Can this kernel make such a link? A child tries in a network namespace of its own (and a user
// namespace, without root), which ends with it.
#include "host/netlink_int.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_link(const char *kind) {
    struct netlink *nl;
    int r = netlink_open(&nl, NULL);
    if (r < 0) return r;
    struct nlmsghdr *header =
        netlink_link_message(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    mnl_attr_put_strz(header, IFLA_IFNAME, "probe0");
    struct nlattr *info = mnl_attr_nest_start(header, IFLA_LINKINFO);
    mnl_attr_put_strz(header, IFLA_INFO_KIND, kind);
    mnl_attr_nest_end(header, info);
    r = netlink_talk(nl, NULL, NULL);
    netlink_close(nl);
    return r;
}

// Exit status: 0 made; an errno otherwise; PROBE_BLIND + errno when it could not be tried.
enum { PROBE_BLIND = 128 };

__attribute__((noreturn)) static void probe(const char *kind) {
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        _exit(PROBE_BLIND | (errno & 127));
    int r = try_link(kind);
    _exit(-r & 127);
}

int netlink_probe_kind(const char *kind, int *ret_errno) {
    int status, unused;
    if (!ret_errno) ret_errno = &unused;
    *ret_errno = 0;
    if (!*kind || strlen(kind) >= IFNAMSIZ) return -EINVAL;
    pid_t pid = fork();
    if (pid < 0) return -errno;
    if (pid == 0) probe(kind);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    if (!WIFEXITED(status)) return -EIO;
    int code = WEXITSTATUS(status);
    *ret_errno = code & (PROBE_BLIND - 1);
    if (code & PROBE_BLIND) return -*ret_errno;
    switch (code) {
    case 0:
        return 1;
    case EPERM:
    case EACCES:
        return -code;
    case EOPNOTSUPP: // no such kind, and no module for it
    case EAFNOSUPPORT:
        return 0;
    // The kind is known; it only wants more than a name (an id, a link below).
    default:
        *ret_errno = 0;
        return 1;
    }
}
