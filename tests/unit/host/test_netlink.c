// SPDX-License-Identifier: Apache-2.0
#include "host/netlink.h"
#include "host/process.h"
#include "scratch.h"

#include <errno.h>
#include <sched.h>

struct search {
    struct netlink_link lo;
    int seen, stop_with;
};

static int find_lo(const struct netlink_link *link, void *arg) {
    struct search *search = arg;
    search->seen++;
    if (strcmp(link->name, "lo") == 0) search->lo = *link;
    return search->stop_with;
}

static void the_loopback_is_listed(void **state) {
    static const uint8_t zero[6];
    int before = open_fds();
    struct netlink *nl;
    struct search search = {0};
    assert_int_equal(netlink_open(&nl, NULL), 0);
    assert_int_equal(netlink_each_link(nl, find_lo, &search, NULL), 0);
    assert_string_equal(search.lo.name, "lo");
    assert_int_equal(search.lo.index, 1);
    assert_true(search.lo.mtu >= 1500);
    assert_memory_equal(search.lo.mac, zero, sizeof(zero));
    assert_true(search.lo.rx_packets == search.lo.tx_packets);
    search = (struct search){.stop_with = -ECANCELED};
    assert_int_equal(netlink_each_link(nl, find_lo, &search, NULL), -ECANCELED);
    assert_int_equal(search.seen, 1);
    netlink_close(nl);
    netlink_close(NULL);
    assert_int_equal(open_fds(), before);
}

static void bad_names_are_explained(void **state) {
    struct netlink *nl;
    struct err err = {0};
    assert_int_equal(netlink_open(&nl, NULL), 0);
    assert_int_equal(netlink_set_up(nl, "", true, &err), -EINVAL);
    assert_int_equal(netlink_set_up(nl, "name-of-17-letter", true, &err), -EINVAL);
    int r = netlink_set_up(nl, "no-such-link", true, &err);
    if (geteuid() == 0) assert_int_equal(r, -ENODEV);
    assert_true(r < 0);
    assert_string_equal(err.object, "no-such-link");
    netlink_close(nl);
}

static int switch_body(void) {
    struct netlink *nl;
    struct search search = {0};
    if (unshare(CLONE_NEWNET) < 0) return 77;
    if (netlink_open(&nl, NULL) < 0 || netlink_each_link(nl, find_lo, &search, NULL) < 0) return 1;
    if (search.lo.up || netlink_set_up(nl, "lo", true, NULL) < 0) return 2;
    if (netlink_each_link(nl, find_lo, &search, NULL) < 0 || !search.lo.up) return 3;
    if (netlink_set_up(nl, "lo", false, NULL) < 0) return 4;
    if (netlink_each_link(nl, find_lo, &search, NULL) < 0 || search.lo.up) return 5;
    netlink_close(nl);
    return 0;
}

static void a_link_goes_up_and_down(void **state) {
    pid_t pid = fork();
    if (pid == 0) _exit(switch_body());
    int r = process_wait(pid);
    if (r == 77) skip();
    assert_int_equal(r, 0);
}

static void kinds_are_probed(void **state) {
    int why = -1, before = open_fds();
    int r = netlink_probe_kind("no-such-kind", &why);
    if (r == -EPERM) skip(); // no namespaces for this user
    assert_int_equal(r, 0);
    assert_int_equal(why, EOPNOTSUPP);
    assert_int_equal(netlink_probe_kind("", NULL), -EINVAL);
    assert_int_equal(netlink_probe_kind("a-kind-with-a-long-name", NULL), -EINVAL);
    for (size_t i = 0; i < 2; i++) {
        const char *kind = i ? "vxlan" : "veth"; // vxlan wants an id, yet is known
        r = netlink_probe_kind(kind, &why);
        assert_true(r == 1 || (r == 0 && why == EOPNOTSUPP));
    }
    assert_int_equal(open_fds(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loopback_is_listed),
        cmocka_unit_test(bad_names_are_explained),
        cmocka_unit_test(a_link_goes_up_and_down),
        cmocka_unit_test(kinds_are_probed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
