// SPDX-License-Identifier: Apache-2.0
#include "http_bed.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TURNS_MAX 2000 // of at most 10 ms: longer than any answer takes, shorter than patience

static socklen_t address_of(const struct bed *bed, struct sockaddr_un *ret) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "%s", bed->address);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int setup(void **state, bool warp) {
    static unsigned number;
    struct bed *bed = mem_new(struct bed);
    struct sockaddr_un sa;
    snprintf(bed->address, sizeof(bed->address), "trine-http-test-%d-%u", (int)getpid(), number++);
    socklen_t size = address_of(bed, &sa);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_return_code(bind(fd, (struct sockaddr *)&sa, size), errno);
    assert_return_code(listen(fd, 64), errno);
    struct err err = {0};
    clock_warp_init(&bed->warp, 0);
    struct clock *clock = warp ? &bed->warp.clock : clock_system();
    assert_int_equal(loop_new(clock, &bed->loop, &err), 0);
    struct http_config config = {.handlers = bed->handlers, .arg = bed, .server_version = "0"};
    assert_int_equal(http_server_new(bed->loop, &config, &bed->server, &err), 0);
    assert_int_equal(http_listen_unix(bed->server, fd, &err), 0);
    *state = bed;
    return 0;
}

int bed_setup(void **state) {
    return setup(state, false);
}

int bed_setup_warp(void **state) {
    return setup(state, true);
}

int bed_teardown(void **state) {
    struct bed *bed = *state;
    http_server_free(bed->server);
    loop_free(bed->loop);
    free(bed);
    return 0;
}

int bed_connect(struct bed *bed) {
    struct sockaddr_un sa;
    socklen_t size = address_of(bed, &sa);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(connect(fd, (struct sockaddr *)&sa, size), errno);
    return fd;
}

void bed_send(struct bed *bed, int fd, const char *bytes, size_t size) {
    for (int turns = 0; size && turns < TURNS_MAX; turns++) {
        ssize_t n = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (errno != EAGAIN) {
            return; // the server closed: what it said is looked at by the test
        }
        loop_step(bed->loop, 0);
    }
    assert_int_equal(size, 0);
}

void bed_say(struct bed *bed, int fd, const char *text) {
    bed_send(bed, fd, text, strlen(text));
}

bool bed_read(int fd, struct str *got) {
    char buf[16384];
    for (;;) {
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n <= 0) return !(n == 0 || errno == ECONNRESET);
        str_add_n(got, buf, (size_t)n);
    }
}

static bool holds(const struct str *got, const char *want) {
    return got->len && memmem(got->data, got->len, want, strlen(want));
}

void bed_expect(struct bed *bed, int fd, struct str *got, const char *want) {
    for (int turns = 0; turns < TURNS_MAX && !holds(got, want); turns++) {
        if (!bed_read(fd, got)) break;
        if (!holds(got, want)) loop_step(bed->loop, 10);
    }
    if (!holds(got, want)) fail_msg("\"%s\" did not come, but:\n%s", want, str_text(got));
}

void bed_expect_bytes(struct bed *bed, int fd, struct str *got, size_t size) {
    for (int turns = 0; turns < TURNS_MAX && got->len < size; turns++) {
        if (!bed_read(fd, got)) break;
        if (got->len < size) loop_step(bed->loop, 10);
    }
    if (got->len < size) fail_msg("%zu bytes came, not %zu", got->len, size);
}

void bed_expect_end(struct bed *bed, int fd, struct str *got) {
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        if (!bed_read(fd, got)) return;
        loop_step(bed->loop, 10);
    }
    fail_msg("the connection stays open");
}

void bed_turn(struct bed *bed) {
    for (int turns = 0; turns < TURNS_MAX && loop_step(bed->loop, 0) > 0; turns++) {
    }
}

const char *bed_ask(struct bed *bed, struct str *got, const char *fmt, ...) {
    struct str request auto_str = {0};
    va_list args;
    va_start(args, fmt);
    str_vprintf(&request, fmt, args);
    va_end(args);
    int fd = bed_connect(bed);
    bed_send(bed, fd, str_text(&request), request.len);
    bed_expect(bed, fd, got, "\r\n\r\n");
    shutdown(fd, SHUT_WR);
    bed_expect_end(bed, fd, got);
    close(fd);
    return str_text(got);
}
