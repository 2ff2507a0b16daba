// SPDX-License-Identifier: Apache-2.0
// WebSockets against RFC 6455, with frames written by hand.
#include "http_bed.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ATTACH \
    "GET /v1/projects/p/instances/i/attach HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\n" \
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ACCEPTED "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" // RFC 6455 1.3

enum { CONTINUED = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

struct talk {
    struct http_socket *ws;
    size_t messages, bytes;
    unsigned drained, closed;
    bool text, echo, close_at_message;
};

static void on_message(struct http_socket *ws, const uint8_t *data, size_t size, bool text,
                       void *arg) {
    struct talk *t = arg;
    t->messages++;
    t->bytes += size;
    t->text = text;
    if (t->echo) http_socket_send(ws, data, size, text);
    if (t->close_at_message) http_socket_close(ws, 4000, "enough");
}

static void on_drained(struct http_socket *ws, void *arg) {
    ((struct talk *)arg)->drained++;
}

static void on_closed(struct http_socket *ws, void *arg) {
    ((struct talk *)arg)->closed++;
}

static const struct http_socket_events EVENTS = {on_message, on_drained, on_closed};

static void accept_socket(struct http_request *req, void *arg) {
    struct talk *t = ((struct bed *)arg)->data;
    t->ws = http_socket_accept(req, &EVENTS, t);
}

static struct talk talk;

static struct bed *bed_of(void **state) {
    struct bed *bed = *state;
    talk = (struct talk){.echo = true};
    bed->data = &talk;
    bed->handlers[API_INSTANCE_ATTACH] = accept_socket;
    return bed;
}

static void add_frame(struct str *out, uint8_t first, const void *data, size_t size) {
    static const char MASK[4] = {1, 2, 3, 4};
    str_add_char(out, (char)first);
    if (size < 126) {
        str_add_char(out, (char)(0x80 | size));
    } else if (size < 65536) {
        str_add_char(out, (char)(0x80 | 126));
        str_add_char(out, (char)(size >> 8));
        str_add_char(out, (char)size);
    } else {
        str_add_char(out, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8) str_add_char(out, (char)(size >> shift));
    }
    str_add_n(out, MASK, 4);
    for (size_t i = 0; i < size; i++) str_add_char(out, ((const char *)data)[i] ^ MASK[i % 4]);
}

static void send_frame(struct bed *bed, int fd, uint8_t first, const void *data, size_t size) {
    struct str s auto_str = {0};
    add_frame(&s, first, data, size);
    bed_send(bed, fd, s.data, s.len);
}

// The next frame from the server, which must be `first`, unmasked, and hold exactly these bytes.
static void expect_frame(struct bed *bed, int fd, struct str *got, uint8_t first, const void *data,
                         size_t size) {
    size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    bed_expect_bytes(bed, fd, got, head + size);
    assert_int_equal((uint8_t)got->data[0], first);
    if (head == 2) assert_int_equal((uint8_t)got->data[1], size);
    assert_memory_equal(got->data + head, data, size);
    memmove(got->data, got->data + head + size, got->len - head - size);
    got->len -= head + size;
}

static int open_socket(struct bed *bed, struct str *got) {
    int fd = bed_connect(bed);
    bed_say(bed, fd, ATTACH);
    bed_expect(bed, fd, got, "\r\n\r\n");
    assert_non_null(strstr(str_text(got), "HTTP/1.1 101 "));
    assert_non_null(strstr(str_text(got), ACCEPTED));
    str_reset(got);
    return fd;
}

static void test_echo(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    char *large = mem_zalloc(65536);
    memset(large, 'y', 65536);
    int fd = open_socket(bed, &got);
    send_frame(bed, fd, FIN | TEXT, "hello", 5);
    expect_frame(bed, fd, &got, FIN | TEXT, "hello", 5);
    assert_true(talk.text);
    send_frame(bed, fd, FIN | BINARY, large, 65536);
    expect_frame(bed, fd, &got, FIN | BINARY, large, 65536);
    assert_false(talk.text);
    send_frame(bed, fd, FIN | CLOSE, "\x03\xe8", 2);
    expect_frame(bed, fd, &got, FIN | CLOSE, "\x03\xe8", 2);
    bed_expect_end(bed, fd, &got);
    assert_int_equal(talk.closed, 1);
    close(fd);
    bed_turn(bed);
    assert_int_equal(http_connections(bed->server), 0);
    free(large);
}

static void test_fragments_and_ping(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    int fd = open_socket(bed, &got);
    send_frame(bed, fd, BINARY, "one ", 4);
    send_frame(bed, fd, FIN | PING, "?", 1); // allowed between fragments
    send_frame(bed, fd, CONTINUED, "two ", 4);
    send_frame(bed, fd, FIN | CONTINUED, "three", 5);
    expect_frame(bed, fd, &got, FIN | PONG, "?", 1);
    expect_frame(bed, fd, &got, FIN | BINARY, "one two three", 13);
    assert_int_equal(talk.messages, 1);
    close(fd);
    bed_turn(bed);
    assert_int_equal(talk.closed, 1);
}

// Frames that come in one piece with the handshake, and byte by byte.
static void test_early_and_slow(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0}, all auto_str = {0};
    str_add(&all, ATTACH);
    add_frame(&all, FIN | BINARY, "early", 5);
    int fd = bed_connect(bed);
    bed_send(bed, fd, all.data, all.len);
    bed_expect(bed, fd, &got, "early");
    struct str slow auto_str = {0};
    add_frame(&slow, FIN | BINARY, "slow", 4);
    for (size_t i = 0; i < slow.len; i++) {
        bed_send(bed, fd, slow.data + i, 1);
        bed_turn(bed);
    }
    bed_expect(bed, fd, &got, "slow");
    close(fd);
}

static void expect_close_code(struct bed *bed, const char *frames, size_t size, uint16_t code) {
    struct str got auto_str = {0};
    unsigned closed = talk.closed;
    int fd = open_socket(bed, &got);
    bed_send(bed, fd, frames, size);
    bed_expect_bytes(bed, fd, &got, 4);
    assert_int_equal((uint8_t)got.data[0], FIN | CLOSE);
    assert_int_equal((uint8_t)got.data[2] << 8 | (uint8_t)got.data[3], code);
    bed_expect_end(bed, fd, &got);
    assert_int_equal(talk.closed, closed + 1);
    close(fd);
}

static void test_broken_rules(void **state) {
    struct bed *bed = bed_of(state);
    struct str s auto_str = {0};
    char *large = mem_zalloc(70000);
    expect_close_code(bed, "\x82\x01x", 3, 1002); // not masked
    add_frame(&s, FIN | 3, "", 0);                // an opcode that is none
    expect_close_code(bed, s.data, s.len, 1002);
    str_reset(&s);
    add_frame(&s, FIN | TEXT, "\xff", 1); // not UTF-8
    expect_close_code(bed, s.data, s.len, 1007);
    str_reset(&s);
    add_frame(&s, FIN | BINARY, large, 65537); // too large
    expect_close_code(bed, s.data, s.len, 1009);
    str_reset(&s);
    add_frame(&s, BINARY, large, 40000); // too large in fragments
    add_frame(&s, FIN | CONTINUED, large, 40000);
    expect_close_code(bed, s.data, s.len, 1009);
    assert_int_equal(talk.messages, 0);
    free(large);
}

static void test_server_closes(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    talk.close_at_message = true;
    int fd = open_socket(bed, &got);
    send_frame(bed, fd, FIN | TEXT, "a", 1);
    send_frame(bed, fd, FIN | TEXT, "b", 1);
    expect_frame(bed, fd, &got, FIN | TEXT, "a", 1); // what was queued comes first
    expect_frame(bed, fd, &got, FIN | CLOSE,
                 "\x0f\xa0"
                 "enough",
                 8);
    send_frame(bed, fd, FIN | CLOSE, "\x0f\xa0", 2);
    bed_expect_end(bed, fd, &got);
    assert_int_equal(talk.messages, 1);
    assert_int_equal(talk.closed, 0); // it knows
    close(fd);
}

static void test_queue(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    char *block = mem_zalloc(65536);
    int fd = open_socket(bed, &got), r = 0;
    for (int i = 0; i < 32; i++) r = http_socket_send(talk.ws, block, 65536, false);
    assert_true(r > 0);
    assert_int_equal(http_socket_queued(talk.ws), r);
    bed_expect_bytes(bed, fd, &got, 32 * (65536 + 10));
    bed_turn(bed);
    assert_int_equal(http_socket_queued(talk.ws), 0);
    assert_int_equal(talk.drained, 1);
    for (r = 0; r >= 0;) r = http_socket_send(talk.ws, block, 65536, false); // it reads no more
    assert_int_equal(r, -EPIPE);
    bed_turn(bed);
    assert_int_equal(talk.closed, 1);
    close(fd);
    free(block);
}

static void test_pause(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    int fd = open_socket(bed, &got);
    http_socket_pause(talk.ws, true);
    send_frame(bed, fd, FIN | TEXT, "later", 5);
    bed_turn(bed);
    assert_int_equal(talk.messages, 0);
    http_socket_pause(talk.ws, false);
    expect_frame(bed, fd, &got, FIN | TEXT, "later", 5);
    http_socket_pause(talk.ws, true);
    close(fd);
    bed_turn(bed);
    assert_int_equal(talk.closed, 1);
}

static void test_server_ends_first(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    int fd = open_socket(bed, &got);
    http_server_free(bed->server);
    bed->server = NULL;
    assert_int_equal(talk.closed, 1);
    close(fd);
}

static void test_handshake(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    bed_ask(bed, &got, "GET /v1/projects/p/instances/i/attach HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_non_null(strstr(str_text(&got), " 426 "));
    assert_non_null(strstr(str_text(&got), "Sec-WebSocket-Version: 13"));
    assert_null(talk.ws);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_echo),         TEST(test_fragments_and_ping), TEST(test_early_and_slow),
        TEST(test_broken_rules), TEST(test_server_closes),      TEST(test_queue),
        TEST(test_pause),        TEST(test_server_ends_first),  TEST(test_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
