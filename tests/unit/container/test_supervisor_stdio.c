// SPDX-License-Identifier: Apache-2.0
// The streams without a container: the test plays the process at one end, clients at the other.
#include "base/log.h"
#include "base/mem.h"
#include "execution/container/supervisor_ring.h"
#include "execution/container/supervisor_stdio.h"
#include "supervisor_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

static struct loop *loop;
static struct supervisor_stdio stdio_;
static uint8_t frame[STREAM_FRAME_MAX];
static int child[3]; // the process's ends
static int fds_before;
static int left; // calls of on_left

static void on_left(struct supervisor_stdio *stdio, void *arg) {
    left++;
}

static int setup_loop(void **state) {
    fds_before = open_fds();
    left = 0;
    for (size_t i = 0; i < 3; i++) child[i] = -1;
    if (loop_new(clock_system(), &loop, NULL) < 0) return -1;
    supervisor_stdio_init(&stdio_, loop, frame);
    stdio_.on_left = on_left;
    return 0;
}

static int setup_pipes(void **state) {
    if (setup_loop(state) < 0 || supervisor_stdio_pipes(&stdio_, true, child, NULL) < 0) return -1;
    return supervisor_stdio_watch(&stdio_, NULL);
}

static int teardown(void **state) {
    supervisor_stdio_close(&stdio_);
    supervisor_ring_free(stdio_.ring);
    for (size_t i = 0; i < 3; i++) {
        if (child[i] >= 0) close(child[i]);
    }
    loop_free(loop);
    return open_fds() == fds_before ? 0 : -1;
}

static void run(void) {
    while (loop_step(loop, 0) > 0) continue;
}

static int attach(bool input, bool output, bool replay) {
    int sock = -1;
    assert_int_equal(supervisor_stdio_attach(&stdio_, input, output, replay, &sock, NULL), 0);
    return sock;
}

static ssize_t receive(int sock, uint8_t *buf) {
    ssize_t n = recv(sock, buf, STREAM_FRAME_MAX, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static void expect_frame(int sock, uint8_t channel, const char *text) {
    uint8_t buf[STREAM_FRAME_MAX];
    assert_int_equal(receive(sock, buf), 1 + strlen(text));
    assert_int_equal(buf[0], channel);
    assert_memory_equal(buf + 1, text, strlen(text));
}

static void say(int fd, const char *text) {
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void output_reaches_every_client_that_wants_it(void **state) {
    uint8_t buf[STREAM_FRAME_MAX];
    int a = attach(false, true, false), b = attach(true, true, true),
        c = attach(true, false, false);
    say(child[1], "out");
    run();
    say(child[2], "err");
    run();
    expect_frame(a, STREAM_OUT, "out");
    expect_frame(a, STREAM_ERR, "err");
    expect_frame(b, STREAM_OUT, "out");
    expect_frame(b, STREAM_ERR, "err");
    assert_int_equal(receive(c, buf), -EAGAIN);
    close(a);
    run();
    say(child[1], "more");
    run();
    expect_frame(b, STREAM_OUT, "more");
    assert_int_equal(left, 0);
    close(b);
    close(c);
    run();
    assert_int_equal(left, 1);
}

static void input_comes_from_those_that_asked_to_feed_it(void **state) {
    char buf[64];
    int feeder = attach(true, false, false), other = attach(true, true, false),
        watcher = attach(false, true, false);
    assert_int_equal(send(feeder, "\0one ", 5, 0), 5);
    assert_int_equal(send(watcher, "\0no ", 4, 0), 4);
    run();
    assert_int_equal(send(other, "\0two", 4, 0), 4);
    run();
    assert_int_equal(read(child[0], buf, sizeof(buf)), 7);
    assert_memory_equal(buf, "one two", 7);
    assert_int_equal(send(watcher, "\0", 1, 0), 1); // not its input to end
    assert_int_equal(send(feeder, "\011unknown channel", 16, 0), 16);
    run();
    assert_int_equal(fcntl(child[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(child[0], buf, sizeof(buf)), -1);
    assert_int_equal(send(feeder, "\0", 1, 0), 1);
    run();
    assert_int_equal(read(child[0], buf, sizeof(buf)), 0);
    assert_int_equal(send(other, "\0late", 5, 0), 5);
    run();
    close(feeder);
    close(other);
    close(watcher);
}

static void a_client_that_breaks_the_rules_is_dropped(void **state) {
    uint8_t *big auto_free = calloc(1, STREAM_FRAME_MAX + 1);
    int a = attach(true, true, false), b = attach(true, true, false);
    assert_int_equal(send(a, big, STREAM_FRAME_MAX + 1, 0), STREAM_FRAME_MAX + 1);
    assert_int_equal(send(b, big, 0, 0), 0);
    run();
    assert_int_equal(stdio_.n_clients, 0);
    close(a);
    close(b);
}

// Until the process reads, the feeder's socket fills up and nothing is lost; then the end comes.
static void input_that_is_not_read_pushes_back(void **state) {
    enum { CHUNK = 32000 };
    uint8_t *out auto_free = malloc(CHUNK + 1);
    memset(out, 'i', CHUNK + 1);
    out[0] = STREAM_IN;
    int feeder = attach(true, false, false);
    size_t sent = 0, got = 0;
    for (int idle = 0; idle < 2;) {
        if (send(feeder, out, CHUNK + 1, MSG_DONTWAIT) > 0) {
            sent += CHUNK;
            idle = 0;
        } else {
            idle++;
        }
        run();
    }
    assert_true(sent > 64 << 10);
    assert_non_null(stdio_.input);
    assert_int_equal(loop_step(loop, 0), 0); // and nothing spins meanwhile
    assert_int_equal(fcntl(child[0], F_SETFL, O_NONBLOCK), 0);
    bool ended = false;
    for (;;) {
        ssize_t n = read(child[0], out + 1, CHUNK);
        if (n == 0) break;
        if (n > 0) got += (size_t)n;
        if (!ended) ended = send(feeder, "\0", 1, MSG_DONTWAIT) == 1;
        run();
    }
    assert_int_equal(got, sent);
    close(feeder);
}

static void a_slow_reader_holds_the_process_and_loses_nothing(void **state) {
    enum { CHUNK = 4096 };
    static uint8_t buf[STREAM_FRAME_MAX], data[CHUNK];
    int slow = attach(false, true, false), quick = attach(false, true, false);
    assert_int_equal(fcntl(child[1], F_SETFL, O_NONBLOCK), 0);
    size_t written = 0, seen_slow = 0, seen_quick = 0;
    ssize_t n;
    for (int idle = 0; idle < 2;) {
        for (size_t i = 0; i < CHUNK; i++) data[i] = (uint8_t)((written + i) % 251);
        n = write(child[1], data, CHUNK);
        idle = n > 0 ? 0 : idle + 1;
        if (n > 0) written += (size_t)n;
        run();
        while ((n = receive(quick, buf)) > 0) seen_quick += (size_t)n - 1;
    }
    assert_true(seen_quick < written); // the pump stands still for both
    assert_int_equal(stdio_.n_blocked, 1);
    assert_int_equal(loop_step(loop, 0), 0);
    while ((n = receive(slow, buf)) > 0) {
        assert_int_equal(buf[0], STREAM_OUT);
        for (ssize_t i = 1; i < n; i++) assert_int_equal(buf[i], (seen_slow + (size_t)i - 1) % 251);
        seen_slow += (size_t)n - 1;
        run();
        while ((n = receive(quick, buf)) > 0) seen_quick += (size_t)n - 1;
    }
    assert_int_equal(seen_slow, written);
    assert_int_equal(seen_quick, written);
    close(slow);
    close(quick);
}

static void a_slow_reader_that_leaves_frees_the_process(void **state) {
    static uint8_t data[65536];
    int slow = attach(false, true, false);
    assert_int_equal(fcntl(child[1], F_SETFL, O_NONBLOCK), 0);
    for (int idle = 0; idle < 2; run())
        idle = write(child[1], data, sizeof(data)) > 0 ? 0 : idle + 1;
    assert_int_equal(stdio_.n_blocked, 1);
    close(slow);
    run();
    assert_int_equal(stdio_.n_blocked, 0);
    assert_int_equal(left, 1);
    assert_true(write(child[1], data, sizeof(data)) > 0);
}

static void the_end_takes_what_is_left_and_tells_the_code(void **state) {
    uint8_t buf[STREAM_FRAME_MAX];
    int a = attach(false, true, false);
    say(child[1], "last words");
    say(child[2], "and errors");
    supervisor_stdio_drain(&stdio_); // the process's ends are still open elsewhere
    supervisor_stdio_end(&stdio_, 42, "why");
    assert_true(supervisor_stdio_flushed(&stdio_));
    expect_frame(a, STREAM_OUT, "last words");
    expect_frame(a, STREAM_ERR, "and errors");
    assert_int_equal(receive(a, buf), 8);
    assert_memory_equal(buf, "\3\52\0\0\0why", 8);
    assert_int_equal(receive(a, buf), 0);
    close(a);
}

static void a_slow_reader_gets_its_end_later(void **state) {
    static uint8_t buf[STREAM_FRAME_MAX], data[65536];
    int slow = attach(false, true, false);
    assert_int_equal(fcntl(child[1], F_SETFL, O_NONBLOCK), 0);
    size_t written = 0, seen = 0;
    ssize_t n;
    for (int idle = 0; idle < 2; run()) {
        n = write(child[1], data, sizeof(data));
        idle = n > 0 ? 0 : idle + 1;
        if (n > 0) written += (size_t)n;
    }
    supervisor_stdio_drain(&stdio_);
    supervisor_stdio_end(&stdio_, 0, "");
    // Root puts it all into the socket, so that the supervisor may end at once; others wait for the reader.
    if (geteuid() == 0) assert_true(supervisor_stdio_flushed(&stdio_));
    while ((n = receive(slow, buf)) > 0 && buf[0] == STREAM_OUT) {
        seen += (size_t)n - 1;
        run();
    }
    assert_int_equal(seen, written);
    assert_int_equal(n, 5);
    assert_int_equal(buf[0], STREAM_EXIT);
    assert_true(supervisor_stdio_flushed(&stdio_));
    if (geteuid() != 0) assert_int_equal(left, 1);
    close(slow);
}

static int open_terminal(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    child[1] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(child[1] >= 0);
    assert_int_equal(supervisor_stdio_console(&stdio_, master, true, NULL), 0);
    stdio_.ring = supervisor_ring_new();
    assert_int_equal(supervisor_stdio_watch(&stdio_, NULL), 0);
    return child[1];
}

// A terminal passes its bytes on in its own time, in pieces of its own.
static void expect_output(int sock, const char *text) {
    uint8_t buf[STREAM_FRAME_MAX];
    for (size_t want = strlen(text), got = 0; got < want;) {
        ssize_t n = receive(sock, buf);
        if (n == -EAGAIN) {
            assert_true(loop_step(loop, 10000) > 0);
            continue;
        }
        assert_true(n > 1 && (size_t)n - 1 <= want - got);
        assert_int_equal(buf[0], STREAM_OUT);
        assert_memory_equal(buf + 1, text + got, (size_t)n - 1);
        got += (size_t)n - 1;
    }
}

static void a_terminal_echoes_resizes_and_replays(void **state) {
    int slave = open_terminal();
    char line[16];
    int a = attach(true, true, false);
    assert_int_equal(send(a, "\0hi\n", 4, 0), 4);
    expect_output(a, "hi\r\n");
    assert_int_equal(read(slave, line, sizeof(line)), 3);
    assert_int_equal(send(a, "\4\x1e\0\x2c\1", 5, 0), 5);
    assert_int_equal(send(a, "\4\1\1", 3, 0), 3); // too short: ignored
    assert_int_equal(send(a, "\0", 1, 0), 1);     // a terminal has no end
    run();
    struct winsize size;
    assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_row, 30);
    assert_int_equal(size.ws_col, 300);
    int b = attach(false, true, true), c = attach(false, true, false);
    expect_output(b, "hi\r\n");
    say(slave, "x");
    expect_output(b, "x");
    expect_output(c, "x");
    close(slave); // nobody inside has it open: the stream goes on
    child[1] = -1;
    run();
    assert_true(stdio_.output[0].fd >= 0);
    assert_int_equal(loop_step(loop, 0), 0);
    close(a);
    close(b);
    close(c);
}

static void too_many_clients_are_refused(void **state) {
    int socks[SUPERVISOR_CLIENTS_MAX], one = -1;
    for (size_t i = 0; i < array_len(socks); i++) socks[i] = attach(false, true, false);
    struct err err = {0};
    assert_true(supervisor_stdio_attach(&stdio_, false, true, false, &one, &err) < 0);
    assert_int_equal(err.kind, ERR_LIMIT);
    for (size_t i = 0; i < array_len(socks); i++) close(socks[i]);
}

#define PIPE_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pipes, teardown)

int main(void) {
    log_setup("test", LOG_LEVEL_NONE, false, 2);
    const struct CMUnitTest tests[] = {
        PIPE_TEST(output_reaches_every_client_that_wants_it),
        PIPE_TEST(input_comes_from_those_that_asked_to_feed_it),
        PIPE_TEST(a_client_that_breaks_the_rules_is_dropped),
        PIPE_TEST(input_that_is_not_read_pushes_back),
        PIPE_TEST(a_slow_reader_holds_the_process_and_loses_nothing),
        PIPE_TEST(a_slow_reader_that_leaves_frees_the_process),
        PIPE_TEST(the_end_takes_what_is_left_and_tells_the_code),
        PIPE_TEST(a_slow_reader_gets_its_end_later),
        PIPE_TEST(too_many_clients_are_refused),
        cmocka_unit_test_setup_teardown(a_terminal_echoes_resizes_and_replays, setup_loop,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
