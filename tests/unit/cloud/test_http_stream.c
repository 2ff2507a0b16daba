// SPDX-License-Identifier: Apache-2.0
// Bodies of any size: streams with back-pressure, descriptors as answers, uploads into pipes.
#include "http_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOGS "GET /v1/projects/p/instances/i/logs HTTP/1.1\r\nHost: t\r\n\r\n"
#define IMPORT "POST /v1/images/import HTTP/1.1\r\nHost: t\r\n"

struct streaming {
    struct http_stream *stream;
    unsigned drained, closed;
};

static void on_drained(struct http_stream *stream, void *arg) {
    ((struct streaming *)arg)->drained++;
}

static void on_closed(struct http_stream *stream, void *arg) {
    struct streaming *s = arg;
    s->closed++;
    s->stream = NULL;
}

static void open_stream(struct http_request *req, void *arg) {
    struct bed *bed = arg;
    struct streaming *s = bed->data;
    s->stream = http_stream_open(req, 200, "text/plain", on_closed, s);
    http_stream_on_drained(s->stream, on_drained);
}

static struct bed *stream_bed(void **state, struct streaming *s) {
    struct bed *bed = *state;
    *s = (struct streaming){0};
    bed->data = s;
    bed->handlers[API_INSTANCE_LOGS] = open_stream;
    return bed;
}

// Also while another connection is open that nothing happens on.
static void test_left_streams_are_let_go(void **state) {
    static struct streaming s;
    struct bed *bed = stream_bed(state, &s);
    struct str idle_got auto_str = {0};
    int idle auto_close = bed_connect(bed);
    bed_say(bed, idle, "GET /v1/nothing HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_expect(bed, idle, &idle_got, " 404 ");
    for (int i = 0; i < 3; i++) {
        struct str got auto_str = {0};
        int fd = bed_connect(bed);
        bed_say(bed, fd, LOGS);
        bed_expect(bed, fd, &got, "Transfer-Encoding: chunked\r\n");
        close(fd);
        bed_turn(bed);
        assert_int_equal(s.closed, i + 1);
        assert_int_equal(http_connections(bed->server), 1);
    }
}

static void test_stream(void **state) {
    static struct streaming s;
    struct bed *bed = stream_bed(state, &s);
    struct str got auto_str = {0};
    int fd = bed_connect(bed);
    bed_say(bed, fd, LOGS);
    bed_expect(bed, fd, &got, "Transfer-Encoding: chunked\r\n");
    assert_non_null(s.stream);
    assert_int_equal(http_stream_write(s.stream, "one\n", 4), 4);
    bed_expect(bed, fd, &got, "\r\none\n\r\n"); // at once, not with what comes next
    assert_int_equal(s.drained, 1);
    assert_int_equal(http_stream_queued(s.stream), 0);
    assert_int_equal(http_stream_write(s.stream, "two\n", 4), 4);
    http_stream_close(s.stream);
    bed_expect(bed, fd, &got, "two\n\r\n0\r\n\r\n");
    bed_say(bed, fd, "GET /v1/nothing HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_expect(bed, fd, &got, " 404 ");
    close(fd);
    bed_turn(bed);
    assert_int_equal(s.closed, 0);
}

static void test_stream_back_pressure(void **state) {
    static struct streaming s;
    struct bed *bed = stream_bed(state, &s);
    struct str got auto_str = {0};
    char line[4096];
    memset(line, 'x', sizeof(line));
    int fd = bed_connect(bed);
    bed_say(bed, fd, LOGS);
    bed_turn(bed);
    for (int i = 0; i < 512; i++) // 2 MiB, and the client reads nothing
        assert_true(http_stream_write(s.stream, line, sizeof(line)) > 0);
    bed_turn(bed);
    size_t queued = http_stream_queued(s.stream);
    assert_true(queued > 512 * 1024);
    bed_turn(bed);
    assert_int_equal(http_stream_queued(s.stream), queued); // and nothing spins
    assert_int_equal(s.drained, 0);
    http_stream_close(s.stream);
    bed_expect(bed, fd, &got, "\r\n0\r\n\r\n");
    size_t count = 0;
    for (size_t i = 0; i < got.len; i++) count += got.data[i] == 'x';
    assert_true(count >= 512 * sizeof(line)); // and those of the headers
    close(fd);
}

static void test_stream_too_slow(void **state) {
    static struct streaming s;
    struct bed *bed = stream_bed(state, &s);
    struct str got auto_str = {0};
    char *block = mem_zalloc(1 << 20);
    int fd = bed_connect(bed), r = 0;
    bed_say(bed, fd, LOGS);
    bed_turn(bed);
    for (int i = 0; i < 16 && r >= 0; i++) r = http_stream_write(s.stream, block, 1 << 20);
    assert_int_equal(r, -EPIPE);
    bed_turn(bed);
    bed_expect_end(bed, fd, &got);
    bed_turn(bed);
    assert_int_equal(s.closed, 1);
    close(fd);
    free(block);
}

static void test_stream_left(void **state) {
    static struct streaming s;
    struct bed *bed = stream_bed(state, &s);
    for (int busy = 0; busy < 2; busy++) {
        int fd = bed_connect(bed);
        bed_say(bed, fd, LOGS);
        bed_turn(bed);
        for (int i = 0; busy && i < 600; i++) http_stream_write(s.stream, LOGS LOGS LOGS LOGS, 200);
        if (busy) bed_turn(bed);
        close(fd);
        bed_turn(bed);
        assert_int_equal(s.closed, busy + 1);
        assert_int_equal(http_connections(bed->server), 0);
    }
}

static void test_server_ends_stream(void **state) {
    static struct streaming s;
    struct bed *bed = stream_bed(state, &s);
    int fd = bed_connect(bed);
    bed_say(bed, fd, LOGS);
    bed_turn(bed);
    http_server_free(bed->server);
    bed->server = NULL;
    assert_int_equal(s.closed, 1);
    close(fd);
}

static void send_fd(struct http_request *req, void *arg) {
    struct bed *bed = arg;
    http_reply_fd(req, 200, "application/x-tar", *(int *)bed->data);
}

static void test_reply_pipe(void **state) {
    struct bed *bed = *state;
    struct str got auto_str = {0};
    int ends[2];
    assert_return_code(pipe2(ends, O_CLOEXEC), errno);
    bed->data = &ends[0];
    bed->handlers[API_IMAGE_EXPORT] = send_fd;
    int fd = bed_connect(bed);
    bed_say(bed, fd, "GET /v1/images/a%2Fb:c/export HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_turn(bed);
    assert_int_equal(write(ends[1], "first", 5), 5);
    bed_expect(bed, fd, &got, "\r\nfirst\r\n");
    assert_int_equal(write(ends[1], "last", 4), 4);
    close(ends[1]);
    bed_expect(bed, fd, &got, "\r\nlast\r\n0\r\n\r\n");
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); // taken over and closed
    close(fd);
}

static void test_reply_file(void **state) {
    struct bed *bed = *state;
    struct str got auto_str = {0};
    int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_return_code(file, errno);
    assert_int_equal(write(file, "0123456789", 10), 10);
    assert_int_equal(lseek(file, 2, SEEK_SET), 2);
    bed->data = &file;
    bed->handlers[API_IMAGE_EXPORT] = send_fd;
    bed_ask(bed, &got, "GET /v1/images/a/export?type=docker HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_non_null(strstr(str_text(&got), "Content-Length: 8\r\n"));
    assert_true(str_ends(str_text(&got), "\r\n\r\n23456789"));
}

struct uploading {
    int ends[2];
    unsigned done;
    uint64_t bytes;
    enum err_kind kind;
    struct http_request *parked; // the handler decides later
    bool later;
};

static void on_uploaded(struct http_request *req, const struct err *err, uint64_t bytes,
                        void *arg) {
    struct uploading *u = arg;
    u->done++;
    u->bytes = bytes;
    u->kind = err ? err->kind : ERR_NONE;
    if (err)
        http_reply_error(req, err);
    else
        http_reply_json(req, 202, "{\"state\":\"running\"}", NULL);
}

static void take_upload(struct http_request *req, void *arg) {
    struct uploading *u = ((struct bed *)arg)->data;
    if (u->later)
        u->parked = req;
    else
        http_upload_to(req, u->ends[1], on_uploaded, u);
}

static struct bed *upload_bed(void **state, struct uploading *u) {
    struct bed *bed = *state;
    *u = (struct uploading){0};
    assert_return_code(pipe2(u->ends, O_CLOEXEC | O_NONBLOCK), errno);
    bed->data = u;
    bed->handlers[API_IMAGE_IMPORT] = take_upload;
    return bed;
}

static void test_upload(void **state) {
    static struct uploading u;
    for (int later = 0; later < 2; later++) {
        struct bed *bed = upload_bed(state, &u);
        struct str got auto_str = {0};
        char data[16];
        u.later = later;
        int fd = bed_connect(bed);
        bed_say(bed, fd, IMPORT "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        bed_turn(bed);
        if (later) http_upload_to(u.parked, u.ends[1], on_uploaded, &u);
        bed_expect(bed, fd, &got, "HTTP/1.1 100 Continue\r\n\r\n");
        bed_say(bed, fd, "bytes");
        bed_expect(bed, fd, &got, "{\"state\":\"running\"}");
        assert_int_equal(read(u.ends[0], data, sizeof(data)), 5);
        assert_int_equal(read(u.ends[0], data, sizeof(data)), 0); // the end was closed
        assert_int_equal(u.done, 1);
        assert_int_equal(u.bytes, 5);
        close(u.ends[0]);
        close(fd);
        bed_turn(bed);
    }
}

static void test_upload_empty(void **state) {
    static struct uploading u;
    for (int later = 0; later < 2; later++) {
        struct bed *bed = upload_bed(state, &u);
        struct str got auto_str = {0};
        u.later = later;
        int fd = bed_connect(bed);
        bed_say(bed, fd, IMPORT "Content-Length: 0\r\n\r\n");
        bed_turn(bed);
        if (later) http_upload_to(u.parked, u.ends[1], on_uploaded, &u);
        bed_expect(bed, fd, &got, " 202 ");
        assert_int_equal(u.bytes, 0);
        close(u.ends[0]);
        close(fd);
        bed_turn(bed);
    }
}

// The client sends 4 MiB, the pipe holds 64 KiB: what is not read there stays with the client.
static void test_upload_back_pressure(void **state) {
    static struct uploading u;
    struct bed *bed = upload_bed(state, &u);
    struct str got auto_str = {0}, taken auto_str = {0};
    static char block[65536];
    char buf[4096];
    size_t total = (size_t)4 << 20, sent = 0;
    int fd = bed_connect(bed);
    bed_say(bed, fd, IMPORT "Content-Length: 4194304\r\n\r\n");
    fd_set_nonblock(fd, true);
    for (size_t before = 1; before != sent || sent == 0;) { // until nothing moves
        before = sent;
        ssize_t n = write(fd, block, sizeof(block));
        if (n > 0) sent += (size_t)n;
        bed_turn(bed);
    }
    assert_true(sent < total);
    size_t read_bytes = 0;
    for (int turns = 0; turns < 100000 && !u.done; turns++) {
        ssize_t n =
            sent < total
                ? write(fd, block, total - sent < sizeof(block) ? total - sent : sizeof(block))
                : 0;
        if (n > 0) sent += (size_t)n;
        for (n = 1; n > 0;) {
            n = read(u.ends[0], buf, sizeof(buf));
            if (n > 0) read_bytes += (size_t)n;
        }
        loop_step(bed->loop, 1);
    }
    for (ssize_t n; (n = read(u.ends[0], buf, sizeof(buf))) > 0;) read_bytes += (size_t)n;
    assert_int_equal(u.done, 1);
    assert_int_equal(u.bytes, total);
    assert_int_equal(read_bytes, total);
    bed_expect(bed, fd, &got, " 202 ");
    close(u.ends[0]);
    close(fd);
}

static void test_upload_broken_off(void **state) {
    static struct uploading u;
    struct bed *bed = upload_bed(state, &u);
    int fd = bed_connect(bed);
    bed_say(bed, fd, IMPORT "Content-Length: 1000\r\n\r\nhalf");
    bed_turn(bed);
    assert_int_equal(u.done, 0);
    close(fd);
    bed_turn(bed);
    assert_int_equal(u.done, 1);
    assert_int_equal(u.kind, ERR_CANCELLED);
    assert_int_equal(u.bytes, 4);
    close(u.ends[0]);
}

static void test_upload_reader_gone(void **state) {
    static struct uploading u;
    struct bed *bed = upload_bed(state, &u);
    struct str got auto_str = {0};
    close(u.ends[0]);
    int fd = bed_connect(bed);
    bed_say(bed, fd, IMPORT "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    bed_turn(bed);
    assert_int_equal(u.done, 1);
    assert_int_not_equal(u.kind, ERR_NONE);
    bed_say(bed, fd, "4\r\nrest\r\n0\r\n\r\n");
    bed_expect(bed, fd, &got, "problem+json");
    close(fd);
}

static void refuse(struct http_request *req, void *arg) {
    struct err err = {0};
    err_set(&err, ERR_NO_SPACE, 0, "image", "the disk is full");
    http_reply_error(req, &err);
}

static void test_upload_refused(void **state) {
    struct bed *bed = *state;
    struct str got auto_str = {0};
    bed->handlers[API_IMAGE_IMPORT] = refuse;
    int fd = bed_connect(bed);
    bed_say(bed, fd, IMPORT "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n");
    bed_expect(bed, fd, &got, "the disk is full");
    assert_null(strstr(str_text(&got), "100 Continue"));
    bed_expect_end(bed, fd, &got);
    close(fd);
}

static void test_upload_refused_later(void **state) {
    static struct uploading u;
    struct bed *bed = upload_bed(state, &u);
    struct str got auto_str = {0};
    u.later = true;
    int fd = bed_connect(bed);
    bed_say(bed, fd, IMPORT "Content-Length: 99999999999\r\n\r\nthe first bytes");
    bed_turn(bed);
    refuse(u.parked, NULL);
    bed_expect(bed, fd, &got, "the disk is full");
    bed_expect_end(bed, fd, &got);
    assert_int_equal(u.done, 0);
    close(u.ends[0]);
    close(u.ends[1]);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_left_streams_are_let_go),
        TEST(test_stream),
        TEST(test_stream_back_pressure),
        TEST(test_stream_too_slow),
        TEST(test_stream_left),
        TEST(test_server_ends_stream),
        TEST(test_reply_pipe),
        TEST(test_reply_file),
        TEST(test_upload),
        TEST(test_upload_empty),
        TEST(test_upload_refused_later),
        TEST(test_upload_back_pressure),
        TEST(test_upload_broken_off),
        TEST(test_upload_reader_gone),
        TEST(test_upload_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
