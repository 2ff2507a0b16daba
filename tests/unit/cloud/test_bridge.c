// SPDX-License-Identifier: Apache-2.0
// Attached streams: frames pass whole and in order, whoever is slow; each side may leave at any time.
#include "cloud_bed.h"

#include "base/bytes.h"
#include "cloud/bridge.h"
#include "cloud/instance.h"
#include "wire/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define ATTACH \
    "GET /v1/projects/default/instances/web/attach HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\n" \
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// A client whose attachment waits for the start of its instance.
struct scene {
    struct cloud_bed *bed;
    struct instance *inst;
    int client, shim, daemon_end;
    struct str got;
};

static struct scene scene_of(struct cloud_bed *bed) {
    struct scene s = {.bed = bed, .inst = instance_of(cloud_bed_instance(bed, "web", "created"))};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    s.shim = ends[0];
    s.daemon_end = ends[1];
    s.client = bed_connect(bed->http);
    bed_say(bed->http, s.client, ATTACH);
    bed_expect(bed->http, s.client, &s.got, "\r\n\r\n");
    str_reset(&s.got);
    return s;
}

static struct attach *asked(struct scene *s) {
    struct attach *attach = instance_take_attach(s->inst);
    assert_non_null(attach);
    attach_asked(attach);
    return attach;
}

static void end_scene(struct scene *s) {
    if (s->client >= 0) close(s->client);
    close(s->shim);
    cloud_bed_turn(s->bed);
    str_free(&s->got);
}

static void client_sends(struct scene *s, uint32_t number, size_t size) {
    uint8_t frame[8 + 1024] = {0x82, 0xfe, (uint8_t)(size >> 8), (uint8_t)size}; // mask 0
    frame[8] = STREAM_IN;
    memcpy(frame + 9, &number, sizeof(number));
    bed_send(s->bed->http, s->client, (const char *)frame, 8 + size);
}

static ssize_t shim_reads(struct scene *s, uint8_t *buf, size_t size) {
    for (int turns = 0; turns < 200; turns++) {
        ssize_t n = recv(s->shim, buf, size, MSG_DONTWAIT);
        if (n >= 0) return n;
        assert_int_equal(errno, EAGAIN);
        loop_step(s->bed->cloud.loop, 5);
    }
    return -1;
}

static void test_frames_pass_both_ways(void **state) {
    struct scene s = scene_of(*state);
    uint8_t buf[2048];
    attach_connect(asked(&s), s.daemon_end);
    client_sends(&s, 7, 500);
    assert_int_equal(shim_reads(&s, buf, sizeof(buf)), 500);
    assert_int_equal(buf[0], STREAM_IN);
    assert_int_equal(send(s.shim, "\001hello", 6, 0), 6);
    bed_expect(s.bed->http, s.client, &s.got, "hello");
    end_scene(&s);
}

// What the client sends before there is anybody to read it, and faster than it is read, is all there in the end.
static void test_slow_reader_gets_everything(void **state) {
    struct scene s = scene_of(*state);
    uint8_t buf[2048];
    int small = 4096;
    setsockopt(s.daemon_end, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (uint32_t i = 0; i < 20; i++) client_sends(&s, i, 1000);
    cloud_bed_turn(s.bed);
    attach_connect(asked(&s), s.daemon_end);
    for (uint32_t i = 20; i < 60; i++) client_sends(&s, i, 1000);
    cloud_bed_turn(s.bed);
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t number;
        assert_int_equal(shim_reads(&s, buf, sizeof(buf)), 1000);
        memcpy(&number, buf + 1, sizeof(number));
        assert_int_equal(number, i);
    }
    end_scene(&s);
}

static void test_client_leaves_while_waiting(void **state) {
    struct scene s = scene_of(*state);
    close(s.client);
    s.client = -1;
    cloud_bed_turn(s.bed);
    assert_null(instance_take_attach(s.inst));
    close(s.daemon_end);
    end_scene(&s);
}

static void test_client_leaves_while_asked(void **state) {
    struct scene s = scene_of(*state);
    uint8_t buf[16];
    struct attach *attach = asked(&s);
    close(s.client);
    s.client = -1;
    cloud_bed_turn(s.bed);
    attach_connect(attach, s.daemon_end);
    assert_int_equal(shim_reads(&s, buf, sizeof(buf)), 0); // closed at once
    end_scene(&s);
}

static void test_client_leaves_while_connected(void **state) {
    struct scene s = scene_of(*state);
    uint8_t buf[16];
    attach_connect(asked(&s), s.daemon_end);
    close(s.client);
    s.client = -1;
    assert_int_equal(shim_reads(&s, buf, sizeof(buf)), 0);
    end_scene(&s);
}

static void test_failure_is_told(void **state) {
    struct scene s = scene_of(*state);
    struct err err = {0};
    err_set(&err, ERR_NOT_FOUND, 0, "program", "there is none");
    attach_fail(asked(&s), &err);
    bed_expect(s.bed->http, s.client, &s.got, "program: there is none");
    assert_int_equal(s.got.data[2], STREAM_EXIT);
    close(s.daemon_end);
    end_scene(&s);
}

static void test_shim_ends(void **state) {
    struct scene s = scene_of(*state);
    attach_connect(asked(&s), s.daemon_end);
    assert_int_equal(send(s.shim, "\003\007\000\000\000", 5, 0), 5);
    shutdown(s.shim, SHUT_RDWR);
    bed_expect(s.bed->http, s.client, &s.got, "\x88"); // a close frame, RFC 6455 5.5.1
    assert_int_equal(s.got.data[2], STREAM_EXIT);
    end_scene(&s);
}

static void test_instance_is_removed(void **state) {
    struct scene s = scene_of(*state);
    struct changes *changes = changes_new(&s.bed->cloud);
    changes_delete(changes, s.inst->object->key, CHANGES_ANY);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
    bed_expect(s.bed->http, s.client, &s.got, "the instance was removed");
    close(s.daemon_end);
    end_scene(&s);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, cloud_bed_setup, cloud_bed_teardown)
    const struct CMUnitTest tests[] = {
        CASE(frames_pass_both_ways),
        CASE(slow_reader_gets_everything),
        CASE(client_leaves_while_waiting),
        CASE(client_leaves_while_asked),
        CASE(client_leaves_while_connected),
        CASE(failure_is_told),
        CASE(shim_ends),
        CASE(instance_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
