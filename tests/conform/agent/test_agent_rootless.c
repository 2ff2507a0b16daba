// SPDX-License-Identifier: Apache-2.0
// The agent of an ordinary user: alone with its own id, and with ranges of /etc/subuid. The user
// and its ranges exist only in a mount namespace of the test:
//
//   host ──▶ test (own mounts: /etc/passwd, /etc/subuid, /etc/subgid) ──▶ agent, user namespace
#include "bed.h"

#include "base/str.h"
#include "host/file.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define USER 61234
#define RANGE_FIRST 700000
#define SKIPPED 77

static void cover(const char *path, const char *add) {
    char template[] = "/tmp/trine-agent-etc-XXXXXX";
    char *text auto_free = NULL;
    if (file_read(AT_FDCWD, path, 1 << 20, &text, NULL, NULL) < 0) text = mem_strdup("");
    auto_close int fd = mkstemp(template);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(file_write_all(fd, add, strlen(add)), 0);
    assert_int_equal(mount(template, path, NULL, MS_BIND, NULL), 0);
    unlink(template);
}

static int namespace_setup(void **state) {
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return 0;
}

static unsigned map_lines(pid_t pid) {
    char *path auto_free = mem_printf("/proc/%d/uid_map", (int)pid);
    char *text auto_free = NULL;
    unsigned n = 0;
    assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
    for (const char *p = text; (p = strchr(p, '\n')); p++) n++;
    return n;
}

static char *user_namespace(pid_t pid) {
    char *path auto_free = mem_printf("/proc/%d/ns/user", (int)pid);
    char link[64] = "";
    assert_true(readlink(path, link, sizeof(link) - 1) > 0);
    return mem_strdup(link);
}

static void serve_and_hand_over(unsigned want_lines) {
    struct bed bed;
    char id[ID_TEXT_SIZE], other[ID_TEXT_SIZE], word[16];
    bed_id(id);
    bed_id(other);
    bed_make(&bed, USER);
    bed_start(&bed);
    assert_int_equal(map_lines(bed.agent), want_lines);
    char *first auto_free = user_namespace(bed.agent);
    close(bed_create(&bed, id, "ok"));
    assert_string_equal(bed_state(&bed, id, word), "alive");
    bed_kill(&bed);

    bed_start(&bed); // enters the namespace of the shim that lives
    char *second auto_free = user_namespace(bed.agent);
    assert_string_equal(first, second);
    assert_string_equal(bed_state(&bed, id, word), "alive");
    struct wire_packet packet;
    bed_call(&bed, WIRE_AGENT_INSTANCE_CONNECT, &(struct wire_agent_instance_connect){.id = id},
             NULL, 0, WIRE_AGENT_INSTANCE_MADE, &packet);
    wire_packet_done(&packet);
    close(bed_create(&bed, other, "ok"));
    bed_clear(&bed, id, true);
    bed_clear(&bed, other, true);
    assert_int_equal(bed_processes(id), 0);
    assert_int_equal(bed_processes(other), 0);
    bed_end(&bed);
    bed_remove(&bed);
}

static void own_id_only(void **state) {
    serve_and_hand_over(1);
}

static void with_ranges(void **state) {
    if (access("/usr/bin/newuidmap", X_OK) < 0) skip(); // package uidmap
    char *user auto_free = mem_printf("trinetest:x:%d:%d::/:/bin/sh\n", USER, USER);
    char *range auto_free = mem_printf("trinetest:%d:65536\n", RANGE_FIRST);
    cover("/etc/passwd", user);
    cover("/etc/subuid", range);
    cover("/etc/subgid", range);
    serve_and_hand_over(2);
}

int main(void) {
    if (geteuid() != 0) {
        print_message("SKIP: needs root\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_id_only),
        cmocka_unit_test(with_ranges),
    };
    return cmocka_run_group_tests_name("agent rootless", tests, namespace_setup, NULL);
}
