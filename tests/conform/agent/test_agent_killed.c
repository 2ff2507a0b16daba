// SPDX-License-Identifier: Apache-2.0
// kill -9 of the agent at any moment of many creations: the next agent's list and clear leave no
// process, no control group, no directory.
#include "bed.h"

#include "base/clock.h"
#include "host/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 25
#define IN_FLIGHT 6

// The delay before the kill walks through the life of a creation: 0, 0.7, 1.4 … ms.
static void one_round(struct bed *bed, unsigned round) {
    char ids[IN_FLIGHT][ID_TEXT_SIZE];
    bed_start(bed);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        bed_id(ids[i]);
        struct wire_agent_instance_create request = bed_request(ids[i], i == 3 ? "refuse" : "ok");
        bed_send(bed, WIRE_AGENT_INSTANCE_CREATE, &request, NULL, 0);
    }
    usleep(round * 700);
    bed_kill(bed);
    bed_start(bed);
    for (unsigned i = 0; i < IN_FLIGHT; i++) bed_clear(bed, ids[i], true);
    char state[16];
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        assert_string_equal(bed_state(bed, ids[i], state), "");
        assert_int_equal(bed_processes(ids[i]), 0);
        assert_int_equal(bed_cgroups(ids[i]), 0);
    }
    bed_end(bed);
}

static void killed_while_creating(void **state) {
    struct bed bed;
    bed_make(&bed, 0);
    for (unsigned round = 0; round < ROUNDS; round++) one_round(&bed, round);
    bed_remove(&bed);
}

// In the middle of clears too.
static void killed_while_clearing(void **state) {
    struct bed bed;
    bed_make(&bed, 0);
    for (unsigned round = 0; round < 10; round++) {
        char id[ID_TEXT_SIZE], word[16];
        bed_id(id);
        bed_start(&bed);
        close(bed_create(&bed, id, "ok"));
        struct wire_agent_instance_clear clear = {.id = id, .all = true};
        bed_send(&bed, WIRE_AGENT_INSTANCE_CLEAR, &clear, NULL, 0);
        usleep(round * 500);
        bed_kill(&bed);
        bed_start(&bed);
        bed_clear(&bed, id, true);
        assert_string_equal(bed_state(&bed, id, word), "");
        assert_int_equal(bed_processes(id), 0);
        assert_int_equal(bed_cgroups(id), 0);
        bed_end(&bed);
    }
    bed_remove(&bed);
}

static int count_fd(int dirfd, const char *name, void *arg) {
    (*(size_t *)arg)++;
    return 0;
}

static size_t open_fds(pid_t pid) {
    char *path auto_free = mem_printf("/proc/%d/fd", (int)pid);
    size_t n = 0;
    dir_each(AT_FDCWD, path, count_fd, &n);
    return n;
}

static void many_cycles_leak_nothing(void **state) {
    struct bed bed;
    size_t before = 0;
    char id[ID_TEXT_SIZE];
    bed_make(&bed, 0);
    bed_start(&bed);
    for (unsigned i = 0; i < 60; i++) {
        bed_id(id);
        close(bed_create(&bed, id, "ok"));
        bed_clear(&bed, id, true);
        if (i == 9) before = open_fds(bed.agent);
    }
    assert_int_equal(open_fds(bed.agent), before);
    bed_end(&bed);
    bed_remove(&bed);
}

int main(void) {
    if (geteuid() != 0) {
        print_message("SKIP: needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_while_creating),
        cmocka_unit_test(killed_while_clearing),
        cmocka_unit_test(many_cycles_leak_nothing),
    };
    return cmocka_run_group_tests_name("agent killed", tests, NULL, NULL);
}
