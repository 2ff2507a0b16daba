// SPDX-License-Identifier: Apache-2.0
// What a supervisor survives, what it does not, and what it costs.
#include "harness.h"

#include "host/file.h"
#include "host/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void it_outlives_who_started_it(void **state) {
    struct shim shim;
    struct exit_record record;
    int pipe_fds[2];
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); // to reap it afterwards
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t spawner = fork();
    if (spawner == 0) {
        if (shim_spawn(&shim, &(struct shim_spec){.script = "exit 12"}) == 0 &&
            write(pipe_fds[1], &shim, sizeof(shim)) > 0)
            pause();
        _exit(1);
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &shim, sizeof(shim)), sizeof(shim));
    close(pipe_fds[0]);
    kill(spawner, SIGKILL);
    assert_int_equal(process_wait(spawner), 128 + SIGKILL);
    kill(shim.pid, SIGTERM);
    kill(shim.pid, SIGHUP);
    kill(shim.pid, SIGINT);
    shim.control = shim_connect(&shim);
    shim_expect_state(shim.control, "created");
    char *path auto_free = mem_printf("%s/shim.pid", shim.dir);
    char *text auto_free = NULL;
    size_t size;
    uint64_t start_time;
    assert_int_equal(file_read(AT_FDCWD, path, 100, &text, &size, NULL), 0);
    assert_int_equal(process_start_time(shim.pid, &start_time), 0);
    char *want auto_free = mem_printf("%d %llu\n", (int)shim.pid, (unsigned long long)start_time);
    assert_string_equal(text, want);
    shim_start(&shim);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 12);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void its_violent_death_ends_the_container(void **state) {
    struct shim shim;
    struct output output;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = "sleep 1000 & sleep 1000"}),
                     0);
    shim_start(&shim);
    struct wire_shim_exec exec = exec_of("echo here; exec sleep 1000");
    int stream = shim_exec(&shim, &exec, NULL);
    assert_true(stream >= 0);
    stream_expect(stream, "here\n");
    int init = process_pidfd(shim_init_pid(&shim));
    assert_true(init >= 0);
    kill(shim.pid, SIGKILL);
    struct pollfd p = {.fd = init, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(init);
    stream_collect(stream, &output);
    assert_int_equal(output.exit_code, -1);
    output_free(&output);
    cgroup_clear(shim.cgroup);
    assert_int_equal(shim_end(&shim, NULL), 128 + SIGKILL);
}

static unsigned long status_value(pid_t pid, const char *file, const char *key) {
    char *path auto_free = mem_printf("/proc/%d/%s", (int)pid, file);
    char *text auto_free = NULL;
    size_t size;
    assert_int_equal(file_read(AT_FDCWD, path, 65536, &text, &size, NULL), 0);
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtoul(at + strlen(key), NULL, 10);
}

// One of several, as on a real host: the program's pages are the page cache's and shared by all.
static void an_idle_one_is_small_and_still(void **state) {
    enum { TOGETHER = 8 };
    struct shim shims[TOGETHER];
    struct exit_record record;
    struct shim_spec spec = {.script = "echo up; exec sleep 1000"};
    for (size_t i = 0; i < TOGETHER; i++) {
        assert_int_equal(shim_spawn(&shims[i], &spec), 0);
        int out = shim_attach(&shims[i], false, true, false);
        shim_start(&shims[i]);
        stream_expect(out, "up\n");
        close(out);
        shim_expect_state(shims[i].control, "running");
    }
    pid_t pid = shims[0].pid;
    poll(NULL, 0, 20);
    unsigned long switches = status_value(pid, "status", "\nvoluntary_ctxt_switches:");
    poll(NULL, 0, 200);
    assert_int_equal(status_value(pid, "status", "\nvoluntary_ctxt_switches:"), switches);
    unsigned long pss = status_value(pid, "smaps_rollup", "\nPss:");
    unsigned long own = status_value(pid, "smaps_rollup", "\nAnonymous:");
    print_message("idle, one of %d: %lu kB PSS, %lu kB of its own\n", TOGETHER, pss, own);
#ifndef __SANITIZE_ADDRESS__
    assert_true(pss <= 400);
    assert_true(own <= 160);
#endif
    for (size_t i = 0; i < TOGETHER; i++) {
        shim_signal(&shims[i], SIGKILL, false);
        assert_int_equal(shim_end(&shims[i], &record), 0);
    }
}

static void many_cycles_leave_nothing(void **state) {
    const char *text = getenv("TRINE_TEST_CYCLES");
    unsigned cycles = text ? (unsigned)atoi(text) : 1000;
    int64_t start = clock_monotonic(clock_system());
    for (unsigned i = 0; i < cycles; i++) {
        static const char *const args[] = {"/bin/true", NULL};
        struct shim shim;
        struct exit_record record;
        if (shim_spawn(&shim, &(struct shim_spec){.args = args}) < 0) err_print(&shim.err);
        assert_int_equal(shim.err.kind, ERR_NONE);
        shim_start(&shim);
        assert_int_equal(shim_end(&shim, &record), 0);
        assert_int_equal(record.exit_code, 0);
        assert_int_equal(case_teardown(NULL), 0);
    }
    int64_t each = (clock_monotonic(clock_system()) - start) / cycles;
    print_message("%u cycles, %.2f ms each\n", cycles, (double)each / (double)MSEC_NS);
}

int main(int argc, char **argv) {
    int skip = harness_main_check(argc, argv);
    if (skip) return skip;
    const struct CMUnitTest tests[] = {
        SHIM_TEST(it_outlives_who_started_it),
        SHIM_TEST(its_violent_death_ends_the_container),
        SHIM_TEST(an_idle_one_is_small_and_still),
        SHIM_TEST(many_cycles_leave_nothing),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
