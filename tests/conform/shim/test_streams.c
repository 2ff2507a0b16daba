// SPDX-License-Identifier: Apache-2.0
// Standard streams: attachments, exec, terminals, slow readers, floods.
#include "harness.h"

#include "host/file.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void an_attachment_feeds_and_sees_the_program(void **state) {
    struct shim shim;
    struct exit_record record;
    struct output output;
    struct shim_spec spec = {.script = "cat; echo end >&2; exit 5", .input = true};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int a = shim_attach(&shim, true, true, false), b = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    stream_send(a, STREAM_IN, "hello\n", 6);
    stream_expect(a, "hello\n");
    stream_send(b, STREAM_IN, "not mine\n", 9);
    int c = shim_attach(&shim, true, false, false);
    stream_send(c, STREAM_IN, "late\n", 5);
    stream_expect(a, "late\n");
    close(c); // leaving is no end of input
    stream_send(a, STREAM_IN, "", 0);
    stream_collect(a, &output);
    assert_string_equal(output.out, "");
    assert_string_equal(output.err, "end\n");
    assert_int_equal(output.exit_code, 5);
    output_free(&output);
    stream_collect(b, &output);
    assert_string_equal(output.out, "hello\nlate\n");
    assert_int_equal(output.exit_code, 5);
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 5);
}

static void without_stdin_the_program_reads_nothing(void **state) {
    struct shim shim;
    struct exit_record record;
    struct output output;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = "cat; echo done"}), 0);
    int a = shim_attach(&shim, true, true, false);
    stream_send(a, STREAM_IN, "dropped", 7);
    shim_start(&shim);
    stream_collect(a, &output);
    assert_string_equal(output.out, "done\n");
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
}

static void input_that_nobody_read_does_not_hide_the_end(void **state) {
    static uint8_t data[30000];
    struct shim shim;
    struct exit_record record;
    struct output output;
    struct shim_spec spec = {.script = "echo bye; exit 6", .input = true};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int a = shim_attach(&shim, true, true, false);
    for (size_t i = 0; i < 5; i++) stream_send(a, STREAM_IN, data, sizeof(data));
    shim_start(&shim);
    poll(NULL, 0, 50);
    stream_collect(a, &output);
    assert_string_equal(output.out, "bye\n");
    assert_int_equal(output.exit_code, 6);
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
}

static void a_terminal_has_a_size_and_a_memory(void **state) {
    struct shim shim;
    struct exit_record record;
    struct output output;
    struct shim_spec spec = {.script = "stty -echo; echo ready; read a; stty size; read b; "
                                       "test -t 0 && test -t 1 && test -t 2 && exit 3",
                             .terminal = true,
                             .input = true};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int a = shim_attach(&shim, true, true, false);
    shim_start(&shim);
    stream_expect(a, "ready\r\n");
    stream_send(a, STREAM_RESIZE, "\x1e\0\x64\0", 4);
    stream_send(a, STREAM_IN, "\n", 1);
    stream_expect(a, "30 100\r\n");
    int b = shim_attach(&shim, true, true, true), c = shim_attach(&shim, false, true, false);
    stream_expect(b, "ready\r\n30 100\r\n");
    stream_send(b, STREAM_IN, "\n", 1);
    stream_collect(b, &output);
    assert_int_equal(output.exit_code, 3);
    output_free(&output);
    stream_collect(c, &output);
    assert_string_equal(output.out, "");
    assert_int_equal(output.exit_code, 3);
    output_free(&output);
    close(a);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 3);
}

static void start_sleeping(struct shim *shim) {
    assert_int_equal(shim_spawn(shim, &(struct shim_spec){.script = "exec sleep 1000"}), 0);
    shim_start(shim);
}

static void kill_sleeping(struct shim *shim) {
    struct exit_record record;
    shim_signal(shim, SIGKILL, false);
    assert_int_equal(shim_end(shim, &record), 0);
    assert_int_equal(record.exit_code, 128 + SIGKILL);
}

static int exec_or_fail(struct shim *shim, const struct wire_shim_exec *request) {
    struct err err = {0};
    int sock = shim_exec(shim, request, &err);
    if (sock < 0) err_print(&err);
    assert_true(sock >= 0);
    return sock;
}

static void expect_exec(struct shim *shim, const struct wire_shim_exec *request, const char *out,
                        const char *err, int exit_code) {
    struct output output;
    stream_collect(exec_or_fail(shim, request), &output);
    assert_string_equal(output.out, out);
    assert_string_equal(output.err, err);
    assert_int_equal(output.exit_code, exit_code);
    output_free(&output);
}

static void exec_runs_more_programs(void **state) {
    struct shim shim;
    start_sleeping(&shim);
    struct wire_shim_exec exec = exec_of("echo out; echo err >&2; exit 9");
    expect_exec(&shim, &exec, "out\n", "err\n", 9);
    exec = exec_of("kill -9 $$");
    expect_exec(&shim, &exec, "", "", 128 + SIGKILL);
    exec = exec_of("echo $KIND $PWD $MORE");
    expect_exec(&shim, &exec, "own /\n", "", 0);
    static const char *const env[] = {"KIND=new", "MORE=yes"};
    exec.env = (struct wire_strings){env, 2};
    exec.working_dir = "/tmp";
    expect_exec(&shim, &exec, "new /tmp yes\n", "", 0);
    exec = exec_of("id -u; id -g");
    exec.user = "guest";
    expect_exec(&shim, &exec, "1000\n1001\n", "", 0);
    exec.user = "5:6";
    expect_exec(&shim, &exec, "5\n6\n", "", 0);
    exec = exec_of("cat /proc/self/status | grep CapEff");
    exec.privileged = true;
    struct output output;
    stream_collect(exec_or_fail(&shim, &exec), &output);
    assert_string_not_equal(output.out, "CapEff:\t0000000000000000\n");
    output_free(&output);
    kill_sleeping(&shim);
}

static void exec_refuses_with_the_reason(void **state) {
    struct shim shim;
    struct err err = {0};
    start_sleeping(&shim);
    static const char *const nothing[] = {"no-such-program"};
    struct wire_shim_exec exec = {.args = {nothing, 1}};
    assert_true(shim_exec(&shim, &exec, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    err_clear(&err);
    exec = exec_of("true");
    exec.user = "nobody-here";
    assert_true(shim_exec(&shim, &exec, &err) < 0);
    assert_int_not_equal(err.kind, ERR_NONE);
    err_clear(&err);
    exec = (struct wire_shim_exec){0};
    assert_true(shim_exec(&shim, &exec, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    exec = exec_of("echo still fine");
    expect_exec(&shim, &exec, "still fine\n", "", 0);
    kill_sleeping(&shim);
}

static void exec_reads_its_input_to_the_end(void **state) {
    struct shim shim;
    struct output output;
    start_sleeping(&shim);
    struct wire_shim_exec exec = exec_of("tr a-z A-Z; exit 2");
    exec.input = true;
    int socks[4];
    for (size_t i = 0; i < 4; i++) socks[i] = exec_or_fail(&shim, &exec);
    for (size_t i = 0; i < 4; i++) stream_send(socks[i], STREAM_IN, "abc", 1 + i % 3);
    for (size_t i = 0; i < 4; i++) stream_send(socks[i], STREAM_IN, "", 0);
    for (size_t i = 0; i < 4; i++) {
        stream_collect(socks[i], &output);
        assert_int_equal(output.n_out, 1 + i % 3);
        assert_memory_equal(output.out, "ABC", output.n_out);
        assert_int_equal(output.exit_code, 2);
        output_free(&output);
    }
    kill_sleeping(&shim);
}

static void exec_has_a_terminal_that_resizes(void **state) {
    struct shim shim;
    struct output output;
    start_sleeping(&shim);
    struct wire_shim_exec exec =
        exec_of("stty -echo; stty size; read a; stty size; tty >/dev/null; exit 4");
    exec.terminal = exec.input = true;
    exec.rows = 11;
    exec.columns = 222;
    int sock = exec_or_fail(&shim, &exec);
    stream_expect(sock, "11 222\r\n");
    stream_send(sock, STREAM_RESIZE, "\x28\0\x2c\1", 4);
    stream_send(sock, STREAM_IN, "\n", 1);
    stream_expect(sock, "40 300\r\n");
    stream_collect(sock, &output);
    assert_int_equal(output.exit_code, 4);
    output_free(&output);
    kill_sleeping(&shim);
}

static bool nothing_but_init(void *arg) {
    return shim_stats(arg).pids == 2; // a shell that reaps, and what it waits for
}

static void leaving_an_exec_hangs_its_terminal_up(void **state) {
    struct shim shim;
    struct shim_spec spec = {.script = "while :; do sleep 1000 & wait; done"};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    shim_start(&shim);
    struct wire_shim_exec exec = exec_of("echo here; while :; do sleep 1000; done");
    exec.terminal = exec.input = true;
    int sock = exec_or_fail(&shim, &exec);
    stream_expect(sock, "here\r\n");
    close(sock);
    assert_int_equal(wait_until(nothing_but_init, &shim), 0);
    // Without a terminal it goes on, and what it says is taken.
    exec = exec_of("echo here; yes | head -c 1000000; exec sleep 1000");
    sock = exec_or_fail(&shim, &exec);
    stream_expect_start(sock, "here\n");
    close(sock);
    exec = exec_of("until test \"$(grep -ls sleep /proc/[0-9]*/comm | wc -l)\" = 2; do :; done; "
                   "grep -ls sleep /proc/[0-9]*/comm | wc -l");
    expect_exec(&shim, &exec, "2\n", "", 0);
    kill_sleeping(&shim);
}

static void execs_end_with_the_container(void **state) {
    struct shim shim;
    struct exit_record record;
    struct output output;
    start_sleeping(&shim);
    struct wire_shim_exec exec = exec_of("echo here; exec sleep 1000");
    int sock = exec_or_fail(&shim, &exec);
    stream_expect(sock, "here\n");
    shim_signal(&shim, SIGKILL, false);
    stream_collect(sock, &output);
    assert_int_equal(output.exit_code, 128 + SIGKILL);
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
}

#define BULK (8 << 20)
#define BULK_SCRIPT "head -c 8388608 /dev/zero | tr '\\0' x"

static void a_slow_reader_holds_the_program(void **state) {
    struct shim shim;
    struct exit_record record;
    struct output output;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = BULK_SCRIPT}), 0);
    int slow = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    poll(NULL, 0, 300);
    shim_expect_state(shim.control, "running"); // it waits for its reader
    stream_collect(slow, &output);
    assert_int_equal(output.n_out, BULK);
    assert_int_equal(strspn(output.out, "x"), BULK);
    assert_int_equal(output.exit_code, 0);
    output_free(&output);
    assert_int_equal(shim_end(&shim, &record), 0);
}

static void a_reader_that_hangs_delays_the_end_by_a_bounded_time(void **state) {
    struct shim shim;
    struct exit_record record;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = BULK_SCRIPT}), 0);
    int hung = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    poll(NULL, 0, 50);
    int64_t before = clock_monotonic(clock_system());
    shim_signal(&shim, SIGKILL, true);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_true(clock_monotonic(clock_system()) - before < 5 * SEC_NS);
    assert_int_not_equal(record.exit_code, 0);
    close(hung);
}

static void a_reader_that_leaves_is_forgotten(void **state) {
    struct shim shim;
    struct exit_record record;
    assert_int_equal(shim_spawn(&shim, &(struct shim_spec){.script = BULK_SCRIPT}), 0);
    int gone = shim_attach(&shim, false, true, false);
    shim_start(&shim);
    poll(NULL, 0, 20);
    close(gone);
    assert_int_equal(shim_end(&shim, &record), 0);
    assert_int_equal(record.exit_code, 0);
}

static size_t text_in_log(const char *path) {
    char *text auto_free = NULL;
    size_t size, total = 0;
    if (file_read(AT_FDCWD, path, 256u << 20, &text, &size, NULL) < 0) return 0;
    for (const char *at = text; *at;) {
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_memory_equal(at + 30, " stdout ", 8);
        assert_true(at[38] == 'F' || at[38] == 'P');
        total += (size_t)(end - at) - 40 + (at[38] == 'F');
        at = end + 1;
    }
    return total;
}

static void a_flood_is_logged_whole_and_rotated(void **state) {
    enum { FLOOD = 100 << 20 };
    struct shim shim;
    struct exit_record record;
    struct shim_spec spec = {.script = "yes 'a line of some forty bytes, like many are' | "
                                       "head -c 104857600",
                             .log_max_bytes = 64 << 20,
                             .log_files = 9};
    assert_int_equal(shim_spawn(&shim, &spec), 0);
    int64_t before = clock_monotonic(clock_system());
    shim_start(&shim);
    struct wire_packet packet;
    assert_int_equal(wire_receive(shim.control, 60000, &packet, NULL), 0); // exited
    wire_packet_done(&packet);
    int64_t took = clock_monotonic(clock_system()) - before;
    print_message("100 MB in %lld ms\n", (long long)(took / MSEC_NS));
    size_t total = text_in_log(shim.log);
    for (unsigned i = 1; i <= 9; i++) {
        char *path auto_free = mem_printf("%s.%u", shim.log, i);
        total += text_in_log(path);
    }
    assert_int_equal(total, FLOOD + 1); // the last line was cut by head and finished by the log
    assert_int_equal(shim_end(&shim, &record), 0);
}

int main(int argc, char **argv) {
    int skip = harness_main_check(argc, argv);
    if (skip) return skip;
    const struct CMUnitTest tests[] = {
        SHIM_TEST(an_attachment_feeds_and_sees_the_program),
        SHIM_TEST(without_stdin_the_program_reads_nothing),
        SHIM_TEST(input_that_nobody_read_does_not_hide_the_end),
        SHIM_TEST(a_terminal_has_a_size_and_a_memory),
        SHIM_TEST(exec_runs_more_programs),
        SHIM_TEST(exec_refuses_with_the_reason),
        SHIM_TEST(exec_reads_its_input_to_the_end),
        SHIM_TEST(exec_has_a_terminal_that_resizes),
        SHIM_TEST(leaving_an_exec_hangs_its_terminal_up),
        SHIM_TEST(execs_end_with_the_container),
        SHIM_TEST(a_slow_reader_holds_the_program),
        SHIM_TEST(a_reader_that_hangs_delays_the_end_by_a_bounded_time),
        SHIM_TEST(a_reader_that_leaves_is_forgotten),
        SHIM_TEST(a_flood_is_logged_whole_and_rotated),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
