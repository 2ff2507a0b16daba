// SPDX-License-Identifier: Apache-2.0
// Network interfaces through rtnetlink (libmnl): what the control plane needs today. Taps, veths
// and bridges join with their drivers. All calls act in the network namespace of the calling
// thread.
#ifndef TRINE_HOST_NETLINK_H
#define TRINE_HOST_NETLINK_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct netlink;
int netlink_open(struct netlink **ret, struct err *err);
void netlink_close(struct netlink *nl);
struct netlink_link {
    int index;
    char name[16];
    bool up;
    uint32_t mtu;
    uint8_t mac[6];
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets;
};
typedef int netlink_link_fn(const struct netlink_link *link, void *arg); // negative stops
int netlink_each_link(struct netlink *nl, netlink_link_fn *fn, void *arg, struct err *err);
int netlink_set_up(struct netlink *nl, const char *name, bool up, struct err *err);
// Can this kernel make a link of that kind ("veth", "bridge", "vxlan", "wireguard")? Tried in a
// throw-away namespace by a child process; 1 yes, 0 no, -errno. *ret_errno says why not.
int netlink_probe_kind(const char *kind, int *ret_errno);

#endif
