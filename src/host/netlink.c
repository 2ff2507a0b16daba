// SPDX-License-Identifier: Apache-2.0
// rtnetlink(7). A dump that changed while it was read (EINTR) is asked for again.
#include "host/netlink_int.h"

#include "base/vec.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

enum { DUMP_TRIES = 8 };

int netlink_open(struct netlink **ret, struct err *err) {
    struct netlink *nl = mem_new(struct netlink);
    nl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int saved = errno;
        netlink_close(nl);
        return err_os(err, saved, "netlink", "cannot open a socket to the kernel");
    }
    *ret = nl;
    return 0;
}

void netlink_close(struct netlink *nl) {
    if (!nl) return;
    if (nl->socket) mnl_socket_close(nl->socket);
    free(nl);
}

struct nlmsghdr *netlink_link_message(struct netlink *nl, uint16_t type, uint16_t flags) {
    struct nlmsghdr *header = mnl_nlmsg_put_header(nl->buf);
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | flags;
    header->nlmsg_seq = ++nl->seq;
    mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
    return header;
}

int netlink_talk(struct netlink *nl, mnl_cb_t callback, void *arg) {
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)nl->buf;
    unsigned port = mnl_socket_get_portid(nl->socket);
    if (mnl_socket_sendto(nl->socket, header, header->nlmsg_len) < 0) return -errno;
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(nl->socket, nl->buf, sizeof(nl->buf));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        int r = mnl_cb_run(nl->buf, (size_t)n, nl->seq, port, callback, arg);
        if (r == MNL_CB_ERROR) return errno ? -errno : -EIO;
        if (r == MNL_CB_STOP) return 0; // an acknowledgement, or the end of a dump
    }
}

typedef VEC(struct netlink_link) links;

static void read_attribute(struct netlink_link *link, const struct nlattr *attr) {
    switch (mnl_attr_get_type(attr)) {
    case IFLA_IFNAME:
        if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
            snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
        break;
    case IFLA_MTU:
        if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0) link->mtu = mnl_attr_get_u32(attr);
        break;
    case IFLA_ADDRESS:
        if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
            memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
        break;
    case IFLA_STATS64: {
        struct rtnl_link_stats64 stats = {0}; // older kernels send less of it, newer ones more
        size_t size = mnl_attr_get_payload_len(attr);
        memcpy(&stats, mnl_attr_get_payload(attr), size < sizeof(stats) ? size : sizeof(stats));
        link->rx_bytes = stats.rx_bytes;
        link->tx_bytes = stats.tx_bytes;
        link->rx_packets = stats.rx_packets;
        link->tx_packets = stats.tx_packets;
        break;
    }
    }
}

static int collect_link(const struct nlmsghdr *header, void *arg) {
    links *found = arg;
    if (header->nlmsg_type != RTM_NEWLINK ||
        mnl_nlmsg_get_payload_len(header) < sizeof(struct ifinfomsg))
        return MNL_CB_OK;
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
    struct netlink_link link = {.index = info->ifi_index, .up = info->ifi_flags & IFF_UP};
    const struct nlattr *attr;
    mnl_attr_for_each(attr, header, sizeof(*info)) read_attribute(&link, attr);
    if (vec_try_add(found, link)) return MNL_CB_OK;
    errno = ENOMEM;
    return MNL_CB_ERROR;
}

// All are read before the first call: the callback may use nl itself.
int netlink_each_link(struct netlink *nl, netlink_link_fn *fn, void *arg, struct err *err) {
    links found = {0};
    int r = -EINTR;
    for (int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
        found.len = 0;
        netlink_link_message(nl, RTM_GETLINK, NLM_F_DUMP);
        r = netlink_talk(nl, collect_link, &found);
    }
    if (r < 0) {
        vec_free(&found);
        return err_os(err, -r, "network", "cannot list the interfaces");
    }
    for (size_t i = 0; i < found.len && r >= 0; i++) r = fn(&found.items[i], arg);
    vec_free(&found);
    return r < 0 ? r : 0;
}

int netlink_set_up(struct netlink *nl, const char *name, bool up, struct err *err) {
    if (!*name || strlen(name) >= IFNAMSIZ)
        return err_set(err, ERR_INVALID, 0, name, "not the name of a network interface");
    struct nlmsghdr *header = netlink_link_message(nl, RTM_NEWLINK, NLM_F_ACK);
    struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
    info->ifi_change = IFF_UP;
    info->ifi_flags = up ? IFF_UP : 0;
    mnl_attr_put_strz(header, IFLA_IFNAME, name);
    int r = netlink_talk(nl, NULL, NULL);
    if (r == 0) return 0;
    if (r == -ENODEV)
        return err_set(err, ERR_NOT_FOUND, ENODEV, name, "there is no such network interface");
    return err_os(err, -r, name, "cannot switch the network interface %s", up ? "on" : "off");
}
