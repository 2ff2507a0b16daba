// SPDX-License-Identifier: Apache-2.0
// Clients that take their time, with a clock that the test moves.
#include "http_bed.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

static void pass(struct bed *bed, int64_t seconds) {
    clock_warp_advance(&bed->warp, seconds * SEC_NS);
    bed_turn(bed);
}

// A byte every half a minute keeps the connection alive for libmicrohttpd, not for us.
static void trickle(struct bed *bed, const char *start, const char *drop) {
    struct str got auto_str = {0};
    int fd = bed_connect(bed);
    bed_say(bed, fd, start);
    bed_turn(bed);
    pass(bed, 61);
    bed_say(bed, fd, drop);
    bed_turn(bed);
    assert_int_equal(http_connections(bed->server), 1);
    pass(bed, 61);
    bed_expect_end(bed, fd, &got);
    bed_turn(bed);
    assert_int_equal(http_connections(bed->server), 0);
    close(fd);
}

static void test_slow_headers(void **state) {
    trickle(*state, "GET /v1/version HTTP/1.1\r\nHost: ", "t");
}

static void test_slow_body(void **state) {
    trickle(*state,
            "POST /v1/projects HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{",
            "\"");
}

// Who comes when the house is full waits, and is served when somebody leaves.
static void test_limit(void **state) {
    struct bed *bed = *state;
    int fds[520], last = array_len(fds) - 1;
    struct rlimit files;
    assert_return_code(getrlimit(RLIMIT_NOFILE, &files), errno);
    if (files.rlim_cur < 2 * array_len(fds)) files.rlim_cur = 2 * array_len(fds);
    if (setrlimit(RLIMIT_NOFILE, &files) < 0) skip();
    for (size_t i = 0; i < array_len(fds); i++) {
        fds[i] = bed_connect(bed);
        bed_turn(bed);
    }
    assert_int_equal(http_connections(bed->server), 512);
    struct str got auto_str = {0};
    bed_say(bed, fds[last], "GET /v1/nothing HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_turn(bed);
    assert_true(bed_read(fds[last], &got));
    assert_int_equal(got.len, 0);
    for (int i = 0; i < 20; i++) close(fds[i]);
    bed_expect(bed, fds[last], &got, " 404 ");
    for (int i = 20; i <= last; i++) close(fds[i]);
}

static struct http_request *parked;

static void park(struct http_request *req, void *arg) {
    parked = req;
}

// Waiting for the answer is not slow.
static void test_long_wait(void **state) {
    struct bed *bed = *state;
    struct str got auto_str = {0};
    bed->handlers[API_INSTANCE_WAIT] = park;
    int fd = bed_connect(bed);
    bed_say(bed, fd, "POST /v1/projects/p/instances/i/wait HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_turn(bed);
    for (int i = 0; i < 48; i++) pass(bed, 3600);
    http_reply_json(parked, 200, "{\"exit_code\":0}", NULL);
    bed_expect(bed, fd, &got, "{\"exit_code\":0}");
    close(fd);
}

static void on_message(struct http_socket *ws, const uint8_t *data, size_t size, bool text,
                       void *arg) {
}

static void close_socket(struct http_request *req, void *arg) {
    static const struct http_socket_events events = {.message = on_message};
    http_socket_close(http_socket_accept(req, &events, NULL), 1000, "bye");
}

static void test_close_without_answer(void **state) {
    struct bed *bed = *state;
    struct str got auto_str = {0};
    bed->handlers[API_INSTANCE_ATTACH] = close_socket;
    int fd = bed_connect(bed);
    bed_say(bed, fd,
            "GET /v1/projects/p/instances/i/attach HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    bed_expect(bed, fd, &got, "bye");
    assert_int_equal(http_connections(bed->server), 1);
    pass(bed, 6);
    bed_expect_end(bed, fd, &got);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup_warp, bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_limit), TEST(test_slow_headers),
                                       TEST(test_slow_body), TEST(test_long_wait),
                                       TEST(test_close_without_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
