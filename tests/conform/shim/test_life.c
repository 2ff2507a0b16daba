// SPDX-License-Identifier: Apache-2.0
// A container's life as its supervisor tells it: start, signals, pause, limits, end.
#include "harness.h"

#include "host/file.h"
#include "host/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void a_program_runs_and_its_end_is_recorded(void **state) {
    struct shim shim;
    struct exit_record record;
    struct shim_spec spec = {.script = "echo to out; echo to err >&2; printf unfinished; exit 7"};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    shim_expect_state(shim.control, "created");
    assert_true(cgroup_exists(shim.cgroup));
    int watcher = shim_connect(&shim);
    shim_start(&shim);
    shim_expect_announced(watcher, "running");
    shim_expect_announced(watcher, "exited");
    close(watcher);
    char *log auto_free = NULL;
    log = shim_log(&shim);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 7);
    assert_false(record.oom_killed);
    assert_string_equal(record.failure, "");
    assert_true(record.started_ns > INT64_C(1700000000000000000));
    assert_true(record.finished_ns > record.started_ns);
    assert_non_null(strstr(log, "Z stdout F to out\n"));
    assert_non_null(strstr(log, "Z stderr F to err\n"));
    assert_non_null(strstr(log, "Z stdout F unfinished\n"));
}

static void expect_failed_start(const char *program, int exit_code) {
    struct shim shim;
    struct exit_record record;
    const char *const args[] = {program, NULL};
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.args = args}), 0);
    struct wire_packet packet;
    struct err err = {0};
    assert_true(wire_call(shim.control, WIRE_SHIM_START, &(struct wire_shim_start){0}, NULL, 0,
                          WIRE_SHIM_STATE, 10000, &packet, &err) < 0);
    assert_non_null(strstr(err.object, program));
    shim_expect_announced(shim.control, "exited");
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, exit_code);
    assert_non_null(strstr(record.failure, program));
    assert_int_equal(record.started_ns, 0);
    assert_true(record.finished_ns > 0);
}

static void a_program_that_cannot_be_executed_is_recorded(void **state) {
    expect_failed_start("/bin/bad-interpreter", 126);
    expect_failed_start("/bin/bad-format", 126);
}

static void a_program_that_is_not_there_makes_no_container(void **state) {
    struct shim shim;
    static const char *const args[] = {"/bin/no-such-program", NULL};
    assert_true(shim_spawn(&shim, &(struct shim_spec){.args = args}) < 0);
    assert_int_equal(shim.err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(shim.err.object, "no-such-program"));
    assert_int_equal(shim_end(&shim, NULL), err_kind_exit(ERR_NOT_FOUND));
}

static void a_container_that_cannot_be_made_leaves_nothing(void **state) {
    struct shim shim;
    struct shim_spec spec = {.script = "true", .broken = true};
    assert_true(shim_spawn(&shim, &spec) < 0);
    assert_int_not_equal(shim.err.kind, ERR_UNAVAILABLE);
    assert_string_not_equal(shim.err.cause, "");
    static const char *const files[] = {"shim.pid", "shim.sock", "log", "exit.json"};
    int ended = process_wait(shim.pid);
    for (size_t i = 0; i < array_len(files); i++) {
        char *file auto_free = mem_printf("%s/%s", shim.dir, files[i]);
        assert_int_equal(access(file, F_OK), -1);
    }
    assert_int_equal(ended, err_kind_exit(shim.err.kind));
    assert_false(cgroup_exists(shim.cgroup));
}

static void the_first_process_gets_the_signal(void **state) {
    struct shim shim;
    struct exit_record record;
    struct shim_spec spec = {.script = "trap 'exit 33' TERM; echo up; while :; do sleep 1 & wait; "
                                       "done"};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int out = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    stream_expect(out, "up\n");
    shim_signal(&shim, SIGTERM, false);
    struct output output;
    stream_collect(out, &output);
    assert_int_equal(output.exit_code, 33);
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 33);
}

static void every_process_can_be_killed(void **state) {
    struct shim shim;
    struct exit_record record;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = "sleep 1000 & sleep 1000"}),
                     0);
    shim_start(&shim);
    shim_signal(&shim, SIGKILL, true);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 128 + SIGKILL);
}

static void bad_requests_get_a_failure(void **state) {
    struct shim shim;
    struct exit_record record;
    struct err err = {0};
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = "exec sleep 1000"}), 0);
    struct wire_shim_exec exec = exec_of("true");
    assert_true(shim_exec(&shim, &exec, &err) < 0); // not started yet
    assert_int_equal(err.kind, ERR_STATE);
    err_clear(&err);
    struct wire_shim_pause pause = {.paused = true};
    assert_true(shim_ask(shim.control, WIRE_SHIM_PAUSE, &pause, &err) < 0);
    assert_int_equal(err.kind, ERR_STATE);
    shim_start(&shim);
    struct wire_packet packet;
    err_clear(&err);
    assert_true(wire_call(shim.control, WIRE_SHIM_START, &(struct wire_shim_start){0}, NULL, 0,
                          WIRE_SHIM_STATE, 10000, &packet, &err) < 0);
    assert_int_equal(err.kind, ERR_STATE);
    err_clear(&err);
    struct wire_shim_signal signal_0 = {.signo = 65};
    assert_true(shim_ask(shim.control, WIRE_SHIM_SIGNAL, &signal_0, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    err_clear(&err);
    assert_true(shim_ask(shim.control, WIRE_AGENT_INSTANCE_LIST,
                         &(struct wire_agent_instance_list){0}, &err) < 0);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    shim_signal(&shim, SIGKILL, false);
    assert_int_equal(shim_end(&shim, &record), 0);
}

static bool is_frozen(struct shim *shim) {
    char text[64];
    if (cgroup_value("freezer", shim->cgroup, "freezer.state", text, sizeof(text)) == 0)
        return strcmp(text, "FROZEN\n") == 0;
    assert_int_equal(cgroup_value("", shim->cgroup, "cgroup.freeze", text, sizeof(text)), 0);
    return strcmp(text, "1\n") == 0;
}

static void a_paused_container_stands_still(void **state) {
    struct shim shim;
    struct exit_record record;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = "while :; do :; done"}), 0);
    shim_start(&shim);
    int watcher = shim_connect(&shim);
    struct wire_shim_pause pause = {.paused = true};
    assert_int_equal(shim_ask(shim.control, WIRE_SHIM_PAUSE, &pause, NULL), 0);
    shim_expect_announced(watcher, "paused");
    shim_expect_state(shim.control, "paused");
    assert_true(is_frozen(&shim));
    uint64_t usage = shim_stats(&shim).cpu_usage_ns;
    assert_true(usage > 0);
    poll(NULL, 0, 20);
    assert_int_equal(shim_stats(&shim).cpu_usage_ns, usage);
    struct err err = {0};
    struct wire_shim_exec exec = exec_of("true");
    assert_true(shim_exec(&shim, &exec, &err) < 0);
    assert_int_equal(err.kind, ERR_STATE);
    pause.paused = false;
    assert_int_equal(shim_ask(shim.control, WIRE_SHIM_PAUSE, &pause, NULL), 0);
    shim_expect_announced(watcher, "running");
    assert_false(is_frozen(&shim));
    pause.paused = true;
    assert_int_equal(shim_ask(shim.control, WIRE_SHIM_PAUSE, &pause, NULL), 0);
    shim_signal(&shim, SIGKILL, false); // ends a frozen one too
    close(watcher);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 128 + SIGKILL);
}

static void figures_and_limits_are_the_groups(void **state) {
    struct shim shim;
    struct exit_record record;
    struct shim_spec spec = {.script = "x=$(head -c 100000 /dev/zero | tr '\\0' x); echo up; "
                                       "exec sleep 1000",
                             .memory_max_bytes = 64 << 20};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int out = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    stream_expect(out, "up\n");
    struct wire_shim_figures figures = shim_stats(&shim);
    assert_true(figures.cpu_usage_ns > 0);
    assert_true(figures.memory_bytes > 0);
    assert_int_equal(figures.memory_max_bytes, 64 << 20);
    assert_int_equal(figures.pids, 1);
    struct wire_shim_update update = {.memory_max_bytes = 128 << 20,
                                      .memory_swap_max_bytes = UINT64_MAX,
                                      .cpu_nano = 500000000,
                                      .pids_max = 77};
    struct err err = {0};
    if (shim_ask(shim.control, WIRE_SHIM_UPDATE, &update, &err) < 0) err_print(&err);
    assert_int_equal(err.kind, ERR_NONE);
    figures = shim_stats(&shim);
    assert_int_equal(figures.memory_max_bytes, 128 << 20);
    assert_int_equal(figures.pids_max, 77);
    char text[64];
    if (cgroup_value("cpu", shim.cgroup, "cpu.cfs_quota_us", text, sizeof(text)) == 0)
        assert_string_equal(text, "50000\n");
    shim_signal(&shim, SIGKILL, false);
    close(out);
    assert_int_equal(shim_end(&shim, &record), 0);
}

static void a_container_killed_for_memory_says_so(void **state) {
    struct shim shim;
    struct exit_record record;
    struct shim_spec spec = {.script = "exec dd if=/dev/zero of=/dev/null bs=100M count=2",
                             .memory_max_bytes = 16 << 20};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    shim_start(&shim);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 128 + SIGKILL);
    assert_true(record.oom_killed);
}

static void connections_must_greet_before_they_ask(void **state) {
    struct shim shim;
    struct exit_record record;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = "exec sleep 1000"}), 0);
    char *path auto_free = mem_printf("%s/shim.sock", shim.dir);
    int rude = -1, noise = -1;
    assert_int_equal(unix_connect(path, SOCK_SEQPACKET, &rude, NULL), 0);
    assert_int_equal(unix_connect(path, SOCK_SEQPACKET, &noise, NULL), 0);
    struct wire_packet packet;
    assert_int_equal(wire_send(rude, 1, WIRE_SHIM_START, &(struct wire_shim_start){0}, NULL, 0,
                               NULL),
                     0);
    assert_int_equal(send(noise, "not a packet", 12, 0), 12);
    const int socks[] = {rude, noise};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(wire_receive(socks[i], 10000, &packet, NULL), 0);
        assert_int_equal(packet.id, WIRE_HELLO);
        wire_packet_done(&packet);
        struct err err = {0};
        assert_true(wire_receive(socks[i], 10000, &packet, &err) < 0);
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
        close(socks[i]);
    }
    shim_expect_state(shim.control, "created");
    shim_signal(&shim, SIGKILL, false);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 128 + SIGKILL);
    assert_int_equal(record.started_ns, 0);
}

static void the_program_starts_with_clean_signals(void **state) {
    struct shim shim;
    struct exit_record record;
    struct shim_spec spec = {.script = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ls -l "
                                       "/proc/self/fd | wc -l"};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int out = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    struct output output;
    stream_collect(out, &output);
    assert_string_equal(output.out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                                    "SigCgt:\t0000000000000000\n5\n");
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
}

int main(int argc, char **argv) {
    int skip = harness_main_check(argc, argv);
    if (skip) return skip;
    const struct CMUnitTest tests[] = {
        SHIM_TEST(a_program_runs_and_its_end_is_recorded),
        SHIM_TEST(a_program_that_cannot_be_executed_is_recorded),
        SHIM_TEST(a_program_that_is_not_there_makes_no_container),
        SHIM_TEST(a_container_that_cannot_be_made_leaves_nothing),
        SHIM_TEST(the_first_process_gets_the_signal),
        SHIM_TEST(every_process_can_be_killed),
        SHIM_TEST(bad_requests_get_a_failure),
        SHIM_TEST(a_paused_container_stands_still),
        SHIM_TEST(figures_and_limits_are_the_groups),
        SHIM_TEST(a_container_killed_for_memory_says_so),
        SHIM_TEST(connections_must_greet_before_they_ask),
        SHIM_TEST(the_program_starts_with_clean_signals),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
