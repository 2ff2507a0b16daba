// SPDX-License-Identifier: Apache-2.0
// Requests and answers: framing, routing, validation, errors, parked answers.
#include "http_bed.h"

#include <stdio.h>
#include <unistd.h>

#define POST_PROJECT "POST /v1/projects HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"

static void say_version(struct http_request *req, void *arg) {
    http_reply_json(req, 200, "{\"name\":\"trine\",\"version\":\"0\",\"api\":\"v1\"}", NULL);
}

static void echo_body(struct http_request *req, void *arg) {
    http_reply_jansson(req, 201, json_incref(http_body(req)), "7");
}

static void say_project(struct http_request *req, void *arg) {
    struct err err = {0};
    if (http_check_match(req, "\"7\"", &err) < 0)
        http_reply_error(req, &err);
    else
        http_reply_json(req, 200, http_path(req, "{project}"), "\"7\"");
}

static void say_query(struct http_request *req, void *arg) {
    struct str s auto_str = {0};
    struct http_values labels = http_query_all(req, "label");
    for (size_t i = 0; i < labels.count; i++) str_printf(&s, "[%s]", labels.items[i]);
    str_printf(&s, " state=%s of %s as %s", http_query(req, "state"), http_path(req, "project"),
               http_user(req));
    http_reply_text(req, 200, "text/plain", str_text(&s), s.len);
}

struct parked {
    struct http_request *req;
    unsigned abandoned;
};

static void forget(struct http_request *req, void *arg) {
    struct parked *parked = arg;
    assert_ptr_equal(parked->req, req);
    parked->req = NULL;
    parked->abandoned++;
}

static void park(struct http_request *req, void *arg) {
    struct bed *bed = arg;
    struct parked *parked = bed->data;
    parked->req = req;
    http_on_abandon(req, forget, parked);
}

static struct bed *bed_of(void **state) {
    struct bed *bed = *state;
    bed->handlers[API_VERSION_GET] = say_version;
    bed->handlers[API_PROJECT_CREATE] = echo_body;
    bed->handlers[API_PROJECT_GET] = bed->handlers[API_PROJECT_DELETE] = say_project;
    bed->handlers[API_INSTANCE_LIST] = say_query;
    bed->handlers[API_INSTANCE_WAIT] = park;
    return bed;
}

static void expect(struct bed *bed, const char *request, const char *const *wanted) {
    struct str got auto_str = {0};
    bed_ask(bed, &got, "%s", request);
    for (; *wanted; wanted++)
        if (!strstr(str_text(&got), *wanted))
            fail_msg("to %s\n\"%s\" is missing in\n%s", request, *wanted, str_text(&got));
}
#define EXPECT(bed, request, ...) expect(bed, request, (const char *const[]){__VA_ARGS__, NULL})

static void test_answer(void **state) {
    struct bed *bed = bed_of(state);
    EXPECT(bed, "GET /v1/version HTTP/1.1\r\nHost: t\r\n\r\n", "HTTP/1.1 200 OK\r\n",
           "Content-Type: application/json\r\n", "Cache-Control: no-store\r\n",
           "X-Content-Type-Options: nosniff\r\n", "Trine-Request-Id: ", "Server: Trine/0\r\n",
           "\"api\":\"v1\"");
    EXPECT(bed, POST_PROJECT "Content-Length: 14\r\n\r\n{\"name\":\"shop\"}", "400"); // cut JSON
    EXPECT(bed, POST_PROJECT "Content-Length: 15\r\n\r\n{\"name\":\"shop\"}", " 201 Created",
           "ETag: \"7\"", "{\"name\":\"shop\"}");
    EXPECT(bed,
           POST_PROJECT
           "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"nam\r\na\r\ne\":\"shop\"}\r\n0\r\n\r\n",
           " 201 Created", "{\"name\":\"shop\"}");
}

static void test_head(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    bed_ask(bed, &got, "HEAD /v1/version HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_non_null(strstr(str_text(&got), " 200 OK"));
    assert_true(str_ends(str_text(&got), "\r\n\r\n"));
    EXPECT(bed, "HEAD /v1/projects/p/instances/i/logs HTTP/1.1\r\nHost: t\r\n\r\n", " 405 ");
}

static void test_keep_alive(void **state) {
    struct bed *bed = bed_of(state);
    int fd = bed_connect(bed);
    for (int i = 0; i < 3; i++) {
        struct str got auto_str = {0};
        bed_say(bed, fd, "GET /v1/version HTTP/1.1\r\nHost: t\r\n\r\n");
        bed_expect(bed, fd, &got, "\"api\":\"v1\"}");
        struct str bad auto_str = {0};
        bed_say(bed, fd, POST_PROJECT "Content-Length: 3\r\n\r\n{x}");
        bed_expect(bed, fd, &bad, "column 2");
    }
    assert_int_equal(http_connections(bed->server), 1);
    close(fd);
    bed_turn(bed);
    assert_int_equal(http_connections(bed->server), 0);
}

static void test_pipelined(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0};
    int fd = bed_connect(bed);
    bed_say(bed, fd,
            "GET /v1/version HTTP/1.1\r\nHost: t\r\n\r\n" POST_PROJECT
            "Content-Length: 12\r\n\r\n{\"name\":\"a\"}GET /v1/projects/zz HTTP/1.1\r\nHost: "
            "t\r\n\r\n");
    bed_expect(bed, fd, &got, "\r\n\r\nzz");
    const char *first = strstr(str_text(&got), "\"api\"");
    const char *second = strstr(str_text(&got), "{\"name\":\"a\"}");
    assert_true(first && second && first < second);
    close(fd);
}

static void test_routes(void **state) {
    struct bed *bed = bed_of(state);
    EXPECT(bed, "GET /v1/nothing HTTP/1.1\r\nHost: t\r\n\r\n", " 404 ", "problem+json",
           "\"kind\":\"not-found\"", "/v1/nothing");
    EXPECT(bed, "GET / HTTP/1.1\r\nHost: t\r\n\r\n", " 404 ");
    EXPECT(bed, "GET /v1/version/ HTTP/1.1\r\nHost: t\r\n\r\n", " 404 ");
    EXPECT(bed, "PUT /v1/projects/p HTTP/1.1\r\nHost: t\r\n\r\n", " 405 ",
           "Allow: GET, PATCH, DELETE, HEAD\r\n");
    EXPECT(bed, "GET /v1/images/import HTTP/1.1\r\nHost: t\r\n\r\n", " 501 ", "image.get");
    EXPECT(bed, "DELETE /v1/version HTTP/1.1\r\nHost: t\r\n\r\n", " 405 ", "Allow: GET, HEAD\r\n");
    EXPECT(bed, "GET /v1/node HTTP/1.1\r\nHost: t\r\n\r\n", " 501 ", "\"kind\":\"unsupported\"");
}

static void test_parameters(void **state) {
    struct bed *bed = bed_of(state);
    EXPECT(bed,
           "GET /v1/projects/p/instances?label=a%3Db+c&label=%C3%A4&state=running "
           "HTTP/1.1\r\nHost: t\r\n\r\n",
           " 200 ", "[a=b c][\xc3\xa4] state=running of p as uid:");
    EXPECT(bed, "GET /v1/projects/p/instances?staet=running HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ",
           "takes no parameter \\\"staet\\\"", "label, state");
    EXPECT(bed, "GET /v1/projects/p/instances?state=fast HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ",
           "query parameter state", "one of \\\"created\\\"");
    EXPECT(bed, "GET /v1/projects/p/instances?label=%zz HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ",
           "percent-encoding");
    EXPECT(bed, "GET /v1/projects/p/instances?label=%00 HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ");
    EXPECT(bed, "GET /v1/projects/p/instances?label=%ff HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ");
    EXPECT(bed, "GET /v1/projects/a%2Fb HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ",
           "path parameter project", "a name: 1 to 63");
    EXPECT(bed, "GET /v1/projects/.. HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ");
    EXPECT(bed,
           "POST /v1/projects/p/instances/i/wait?condition=exited&condition=removed "
           "HTTP/1.1\r\nHost: t\r\n\r\n",
           " 400 ", "2 times");
    EXPECT(bed, "POST /v1/projects/p/instances/i/start?wait=601 HTTP/1.1\r\nHost: t\r\n\r\n",
           " 400 ", "too large", "from 0 to 600");
    EXPECT(bed, "GET /v1/projects/p/instances/i/exec HTTP/1.1\r\nHost: t\r\n\r\n", " 400 ", "args",
           "missing");
}

static void test_bodies(void **state) {
    struct bed *bed = bed_of(state);
    EXPECT(bed, POST_PROJECT "Content-Length: 26\r\n\r\n{\"name\":\"a\",\"naem\":\"b\",   }",
           " 400 ");
    EXPECT(bed, POST_PROJECT "Content-Length: 23\r\n\r\n{\"name\":\"a\",\"naem\":\"b\"}", " 400 ",
           "\"object\":\"naem\"", "no such member", "name, description, labels");
    EXPECT(bed, POST_PROJECT "Content-Length: 23\r\n\r\n{\"name\":\"a\",\"name\":\"b\"}", " 400 ",
           "duplicate");
    EXPECT(bed, POST_PROJECT "Content-Length: 10\r\n\r\n{\"name\":1}", " 400 ",
           "it is a whole number", "give a name");
    EXPECT(bed, POST_PROJECT "Content-Length: 2\r\n\r\n[]", " 400 ", "it is a list");
    EXPECT(bed, POST_PROJECT "\r\n", " 400 ", "request body", "missing");
    EXPECT(bed, POST_PROJECT "Content-Length: 15\r\n\r\n{\"name\":\"a\xff\xff\xff\"}", " 400 ",
           "decode byte 0xff");
    EXPECT(bed, "POST /v1/projects HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}", " 415 ",
           "Content-Type");
    EXPECT(bed,
           "GET /v1/version HTTP/1.1\r\nHost: t\r\nContent-Type: "
           "application/json\r\nContent-Length: 2\r\n\r\n{}",
           " 400 ", "takes none");
    EXPECT(bed, POST_PROJECT "Content-Length: 1048577\r\n\r\n", " 413 ", "\"kind\":\"too-large\"");
}

static void test_oversize_chunked(void **state) {
    struct bed *bed = bed_of(state);
    struct str got auto_str = {0}, chunk auto_str = {0};
    int fd = bed_connect(bed);
    bed_say(bed, fd, POST_PROJECT "Transfer-Encoding: chunked\r\n\r\n");
    str_add(&chunk, "10000\r\n");
    for (int i = 0; i < 65536; i++) str_add_char(&chunk, ' ');
    str_add(&chunk, "\r\n");
    for (int i = 0; i < 18; i++) bed_send(bed, fd, chunk.data, chunk.len);
    bed_say(bed, fd, "0\r\n\r\n");
    bed_expect(bed, fd, &got, " 413 ");
    close(fd);
}

static void test_framing(void **state) {
    struct bed *bed = bed_of(state);
    EXPECT(bed, POST_PROJECT "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", " 400 ");
    EXPECT(bed,
           POST_PROJECT
           "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
           " 400 ");
    EXPECT(bed, POST_PROJECT "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", " 400 ");
    EXPECT(bed, POST_PROJECT "Content-Length: +2\r\n\r\n{}", " 400 ");
    EXPECT(bed, "GET /v1/version HTTP/1.1\r\n\r\n", " 400 "); // without Host
    EXPECT(bed, "\x16\x03\x01 /v1/node HTTP/1.1\r\nHost: t\r\n\r\n", " 405 ");
}

static void test_match(void **state) {
    struct bed *bed = bed_of(state);
    EXPECT(bed, "DELETE /v1/projects/p HTTP/1.1\r\nHost: t\r\nIf-Match: \"6\"\r\n\r\n", " 412 ",
           "\"kind\":\"changed\"");
    EXPECT(bed, "DELETE /v1/projects/p HTTP/1.1\r\nHost: t\r\nIf-Match: \"6\", \"7\"\r\n\r\n",
           " 200 ");
    EXPECT(bed, "DELETE /v1/projects/p HTTP/1.1\r\nHost: t\r\nIf-Match: *\r\n\r\n", " 200 ");
    EXPECT(bed, "GET /v1/projects/p HTTP/1.1\r\nHost: t\r\n\r\n", " 200 ", "ETag: \"7\"");
}

static void test_parked(void **state) {
    struct bed *bed = bed_of(state);
    struct parked parked = {0};
    struct str got auto_str = {0};
    bed->data = &parked;
    int fd = bed_connect(bed);
    bed_say(bed, fd, "POST /v1/projects/p/instances/i/wait HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_turn(bed);
    assert_non_null(parked.req);
    assert_int_equal(http_op(parked.req), API_INSTANCE_WAIT);
    assert_int_equal(http_peer(parked.req)->pid, getpid());
    http_reply_json(parked.req, 200, "{\"exit_code\":3}", NULL);
    bed_expect(bed, fd, &got, "{\"exit_code\":3}");
    bed_say(bed, fd, "GET /v1/version HTTP/1.1\r\nHost: t\r\n\r\n"); // the connection is good still
    bed_expect(bed, fd, &got, "\"api\":\"v1\"");
    assert_int_equal(parked.abandoned, 0);
    close(fd);
}

static void test_abandoned(void **state) {
    struct bed *bed = bed_of(state);
    struct parked parked = {0};
    bed->data = &parked;
    int fd = bed_connect(bed);
    bed_say(bed, fd, "POST /v1/projects/p/instances/i/wait HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_turn(bed);
    assert_non_null(parked.req);
    close(fd);
    bed_turn(bed);
    assert_int_equal(parked.abandoned, 1);
    assert_int_equal(http_connections(bed->server), 0);
}

static void test_server_ends_first(void **state) {
    struct bed *bed = bed_of(state);
    static struct parked parked;
    bed->data = &parked;
    int fd = bed_connect(bed);
    bed_say(bed, fd, "POST /v1/projects/p/instances/i/wait HTTP/1.1\r\nHost: t\r\n\r\n");
    bed_turn(bed);
    http_server_free(bed->server);
    bed->server = NULL;
    assert_int_equal(parked.abandoned, 1);
    close(fd);
}

static void count_one(const char *operation, int status, uint64_t count, void *arg) {
    if (!strcmp(operation, "version.get") && status == 200) *(uint64_t *)arg += count;
}

static void test_counters(void **state) {
    struct bed *bed = bed_of(state);
    for (int i = 0; i < 3; i++) EXPECT(bed, "GET /v1/version HTTP/1.1\r\nHost: t\r\n\r\n", " 200 ");
    uint64_t count = 0;
    http_each_counter(bed->server, count_one, &count);
    assert_int_equal(count, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_answer),
        TEST(test_head),
        TEST(test_keep_alive),
        TEST(test_pipelined),
        TEST(test_routes),
        TEST(test_parameters),
        TEST(test_bodies),
        TEST(test_oversize_chunked),
        TEST(test_framing),
        TEST(test_match),
        TEST(test_parked),
        TEST(test_abandoned),
        TEST(test_server_ends_first),
        TEST(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
