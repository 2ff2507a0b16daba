// SPDX-License-Identifier: Apache-2.0
#include "codec/http_message.h"

#include "../base/cmocka_test.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// What came of a whole byte stream: the body, and how it ended.
struct outcome {
    int end; // HTTP_END, HTTP_MORE or an error
    int heads;
    char body[256];
    size_t used;
};

// Feeds `text` in pieces of `piece` bytes until the end of the message.
static struct outcome feed(struct http_message *m, const char *text, size_t size, size_t piece) {
    struct outcome out = {.end = HTTP_MORE};
    size_t body = 0;
    while (out.used < size && out.end == HTTP_MORE) {
        size_t n = size - out.used < piece ? size - out.used : piece, used;
        const char *at = text + out.used, *end = at + n;
        do {
            struct span data;
            int r = http_message_push(m, at, (size_t)(end - at), &used, &data);
            assert_true(used <= (size_t)(end - at));
            at += used;
            out.used += used;
            if (r == HTTP_HEAD) out.heads++;
            if (r == HTTP_DATA) {
                assert_true(body + data.size < sizeof(out.body));
                memcpy(out.body + body, data.data, data.size);
                body += data.size;
            }
            if (r < 0 || r == HTTP_END) out.end = r;
            if (r < 0 || r == HTTP_END || r == HTTP_MORE) break;
        } while (true);
    }
    if (out.end == HTTP_MORE) { // the end of the message may be known already
        struct span data;
        size_t used;
        int r = http_message_push(m, "", 0, &used, &data);
        if (r == HTTP_END) out.end = r;
    }
    return out;
}

static struct outcome parse(struct http_message *m, const char *text, size_t piece) {
    http_message_init(m, false);
    return feed(m, text, strlen(text), piece);
}

static void test_bodies_in_any_cut(void **state) {
    static const struct {
        const char *text, *body;
        int status;
        bool keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, true},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", 200, true},
        {"HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\n\r\nx", "x", 404, false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "x", 200, false},
        {"HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\nContent-Length: 1\r\n\r\nx", "x", 200,
         true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
         "Chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n"
         "0\r\nTrailer: 1\r\n\r\n",
         "abc0123456789", 200, true},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", "", 204, true},
        {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "", 101, false},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nX: y\r\n\r\nHTTP/1.1 201 Made\r\n"
         "Content-Length: 2\r\n\r\nok",
         "ok", 201, true},
    };
    struct http_message m;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1; piece <= strlen(cases[i].text); piece++) {
            struct outcome out = parse(&m, cases[i].text, piece);
            assert_int_equal(out.end, HTTP_END);
            assert_int_equal(out.heads, 1);
            assert_string_equal(out.body, cases[i].body);
            assert_int_equal(m.status, cases[i].status);
            assert_int_equal(m.keep_alive, cases[i].keep_alive);
            assert_int_equal(out.used, strlen(cases[i].text));
        }
    }
}

static void test_what_follows_stays(void **state) {
    struct http_message m;
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 X\r\n\r\n";
    struct outcome out = parse(&m, text, sizeof(text));
    assert_int_equal(out.end, HTTP_END);
    assert_string_equal(text + out.used, "HTTP/1.1 500 X\r\n\r\n");
}

static void test_until_close(void **state) {
    struct http_message m;
    struct outcome out = parse(&m, "HTTP/1.1 200 OK\r\n\r\nall of it", 4);
    assert_int_equal(out.end, HTTP_MORE);
    assert_string_equal(out.body, "all of it");
    assert_int_equal(http_message_close(&m), HTTP_END);
    out = parse(&m, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", 4);
    assert_int_equal(out.end, HTTP_MORE);
    assert_int_equal(http_message_close(&m), -ECONNRESET);
    parse(&m, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", 4);
    assert_int_equal(http_message_close(&m), -ECONNRESET);
}

static void test_head_has_no_body(void **state) {
    struct http_message m;
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    http_message_init(&m, true);
    assert_int_equal(feed(&m, text, sizeof(text) - 1, 7).end, HTTP_END);
    assert_int_equal(m.length, 5);
}

static void test_fields(void **state) {
    struct http_message m;
    parse(&m, "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nX:\r\ny: \t a b \t\r\nEtag: 2\r\n\r\n", 3);
    assert_string_equal(http_message_field(&m, "etag"), "\"1\"");
    assert_string_equal(http_message_field(&m, "x"), "");
    assert_string_equal(http_message_field(&m, "Y"), "a b");
    assert_null(http_message_field(&m, "z"));
}

static void test_hostile_heads_are_refused(void **state) {
    static const char *const cases[] = {
        "SMTP ready\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 999 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\rX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : blank before\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: \x7f\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        "HTTP/1.1 100 C\r\nContent-Length: 1\r\n\r\n",
    };
    struct http_message m;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1; piece <= strlen(cases[i]); piece++) {
            int end = parse(&m, cases[i], piece).end;
            if (end != -EBADMSG) print_error("case %zu, pieces of %zu: %d\n", i, piece, end);
            assert_int_equal(end, -EBADMSG);
        }
    }
    static const char nul[] = "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n";
    http_message_init(&m, false);
    assert_int_equal(feed(&m, nul, sizeof(nul) - 1, 5).end, -EBADMSG);
}

static void test_limits(void **state) {
    struct http_message m;
    auto_str struct str text = {0};
    str_add(&text, "HTTP/1.1 200 OK\r\n");
    while (text.len < HTTP_HEAD_MAX + 10) str_add(&text, "X: 01234567890123456789012345678901\r\n");
    http_message_init(&m, false);
    assert_int_equal(feed(&m, text.data, text.len, 1000).end, -E2BIG); // too many fields
    str_reset(&text);
    str_add(&text, "HTTP/1.1 200 OK\r\nX: ");
    while (text.len < HTTP_HEAD_MAX + 10) str_add_char(&text, 'x');
    http_message_init(&m, false);
    assert_int_equal(feed(&m, text.data, text.len, 1000).end, -E2BIG); // too long
    str_reset(&text);
    for (int i = 0; i <= HTTP_INTERIM_MAX; i++) str_add(&text, "HTTP/1.1 100 C\r\n\r\n");
    http_message_init(&m, false);
    assert_int_equal(feed(&m, text.data, text.len, 1000).end, -EBADMSG); // never an answer
    str_reset(&text);
    str_add(&text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    for (int i = 0; i < HTTP_CHUNK_LINE_MAX; i++) str_add_char(&text, 'x');
    http_message_init(&m, false);
    assert_int_equal(feed(&m, text.data, text.len, 1000).end, -E2BIG);
    // The largest length is possible.
    assert_int_equal(
        parse(&m, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nx", 9).end,
        HTTP_MORE);
    assert_true(m.length == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies_in_any_cut),
        cmocka_unit_test(test_what_follows_stays),
        cmocka_unit_test(test_until_close),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_hostile_heads_are_refused),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
