// SPDX-License-Identifier: Apache-2.0
#ifndef TRINE_HOST_NETLINK_INT_H
#define TRINE_HOST_NETLINK_INT_H

#include "host/netlink.h"

#include <libmnl/libmnl.h>

enum { NETLINK_BUFFER_SIZE = 32768 }; // the largest part of a dump that the kernel sends

struct netlink {
    struct mnl_socket *socket;
    uint32_t seq;
    _Alignas(struct nlmsghdr) char buf[NETLINK_BUFFER_SIZE];
};

// An empty link message of that type in nl->buf, with the next sequence number.
struct nlmsghdr *netlink_link_message(struct netlink *nl, uint16_t type, uint16_t flags);
// Sends nl->buf and handles the answers: 0 or -errno.
int netlink_talk(struct netlink *nl, mnl_cb_t callback, void *arg);

#endif
