// SPDX-License-Identifier: Apache-2.0
// A server and raw clients in one process and one thread: the client writes bytes, the loop turns,
// the client looks at the bytes that came.
//
//   client fd ── abstract unix socket ── http_server ── handlers of the test
#ifndef TRINE_TESTS_CLOUD_HTTP_BED_H
#define TRINE_TESTS_CLOUD_HTTP_BED_H

#include "../base/cmocka_test.h"

#include "base/str.h"
#include "cloud/http/http.h"

struct bed {
    struct loop *loop;
    struct http_server *server;
    http_handler_fn *handlers[API_OP_COUNT];
    struct clock_warp warp; // moved by the test, when set up with it
    char address[64];
    void *data; // the test's own
};

int bed_setup(void **state); // for cmocka; *state is a struct bed, handlers empty
int bed_setup_warp(void **state);
int bed_teardown(void **state);

int bed_connect(struct bed *bed);
void bed_send(struct bed *bed, int fd, const char *bytes, size_t size); // turns the loop while full
void bed_say(struct bed *bed, int fd, const char *text);
// Turns the loop until what came on fd holds `want`; the test fails when it does not come.
void bed_expect(struct bed *bed, int fd, struct str *got, const char *want);
void bed_expect_bytes(struct bed *bed, int fd, struct str *got, size_t size);
void bed_expect_end(struct bed *bed, int fd, struct str *got); // end of file
void bed_turn(struct bed *bed);                                // until nothing is left to do
// One request on its own connection, the whole answer.
const char *bed_ask(struct bed *bed, struct str *got, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

bool bed_read(int fd, struct str *got); // what is there; false at the end of file

#endif
