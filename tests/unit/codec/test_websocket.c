// SPDX-License-Identifier: Apache-2.0
#include "codec/websocket.h"

#include "../base/cmocka_test.h"
#include "codec/sha1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct websocket_reader reader;

static int push(const char *bytes, size_t size, size_t *ret_used, struct span *ret) {
    return websocket_push(&reader, bytes, size, ret_used, ret);
}

#define PUSH(text) push(text, sizeof(text) - 1, &used, &message)

static void test_handshake_of_the_specification(void **state) {
    char accept[WEBSOCKET_ACCEPT_SIZE], key[WEBSOCKET_KEY_SIZE];
    websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept); // RFC 6455 1.3
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    websocket_key((const uint8_t *)"the sample nonce", key);
    assert_string_equal(key, "dGhlIHNhbXBsZSBub25jZQ==");
}

static void test_sha1_of_the_specification(void **state) {
    uint8_t digest[SHA1_SIZE];
    sha1("abc", 3, digest); // RFC 3174 7.3
    assert_memory_equal(digest,
                        "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c"
                        "\xd0\xd8\x9d",
                        SHA1_SIZE);
    sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, digest);
    assert_memory_equal(digest,
                        "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5"
                        "\x46\x70\xf1",
                        SHA1_SIZE);
    sha1("", 0, digest);
    assert_memory_equal(digest,
                        "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf"
                        "\xd8\x07\x09",
                        SHA1_SIZE);
}

static void test_headers(void **state) {
    static const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t header[WEBSOCKET_HEADER_MAX];
    assert_int_equal(websocket_header(header, WEBSOCKET_BINARY, 125, mask), 6);
    assert_memory_equal(header, "\x82\xfd\1\2\3\4", 6);
    assert_int_equal(websocket_header(header, WEBSOCKET_TEXT, 126, mask), 8);
    assert_memory_equal(header, "\x81\xfe\x00\x7e\1\2\3\4", 8);
    assert_int_equal(websocket_header(header, WEBSOCKET_PONG, 65536, mask), 14);
    assert_memory_equal(header, "\x8a\xff\0\0\0\0\0\1\0\0\1\2\3\4", 14);
    uint8_t data[] = "Hello";
    websocket_mask(data, 2, (const uint8_t *)"\x37\xfa\x21\x3d", 0); // RFC 6455 5.7, in two parts
    websocket_mask(data + 2, 3, (const uint8_t *)"\x37\xfa\x21\x3d", 2);
    assert_memory_equal(data, "\x7f\x9f\x4d\x51\x58", 5);
}

static void test_messages_fragments_and_control_frames(void **state) {
    static const char stream[] = "\x81\x05Hello\x02\x03"
                                 "abc\x89\x02hi\x80\x02"
                                 "de\x82\x00\x88\x02\x03\xe8";
    for (size_t piece = 1; piece < sizeof(stream); piece++) {
        char log[256] = "";
        websocket_reader_init(&reader);
        for (size_t at = 0; at < sizeof(stream) - 1;) {
            size_t n = sizeof(stream) - 1 - at < piece ? sizeof(stream) - 1 - at : piece, used;
            struct span message;
            int r = push(stream + at, n, &used, &message);
            assert_true(r >= 0);
            at += used;
            if (r == 0) continue;
            size_t len = strlen(log);
            snprintf(log + len, sizeof(log) - len, "%d:", reader.opcode);
            if (reader.opcode == WEBSOCKET_CLOSE)
                assert_int_equal(websocket_close_code(message), 1000);
            else
                strncat(log, (const char *)message.data, message.size);
            strcat(log, ";");
        }
        assert_string_equal(log, "1:Hello;9:hi;2:abcde;2:;8:;");
    }
    assert_int_equal(websocket_close_code((struct span){NULL, 0}), 1005);
}

static void test_breaches_are_refused(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        int error;
    } cases[] = {
        {"\x82\x85", 2, -EBADMSG},         // masked
        {"\xc2\x00", 2, -EBADMSG},         // reserved bit
        {"\x83\x00", 2, -EBADMSG},         // unknown opcode
        {"\x8b\x00", 2, -EBADMSG},         // unknown control opcode
        {"\x09\x00", 2, -EBADMSG},         // fragmented control
        {"\x89\x7e\x00\x7e", 4, -EBADMSG}, // long control
        {"\x80\x00", 2, -EBADMSG},         // continues nothing
        {"\x02\x00\x82\x00", 4, -EBADMSG}, // begins anew inside a message
        {"\x82\x7e\x00\x05", 4, -EBADMSG}, // not the shortest length
        {"\x82\x7f\0\0\0\0\0\0\xff\xff", 10, -EBADMSG},
        {"\x82\x7f\x80\0\0\0\0\0\0\0", 10, -EMSGSIZE},
        {"\x82\x7f\0\0\0\0\0\1\0\1", 10, -EMSGSIZE}, // one over the limit
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t used;
        struct span message;
        websocket_reader_init(&reader);
        assert_int_equal(push(cases[i].bytes, cases[i].size, &used, &message), cases[i].error);
    }
}

static void test_fragments_cannot_pass_the_limit(void **state) {
    static char block[40000];
    size_t used;
    struct span message;
    websocket_reader_init(&reader);
    assert_int_equal(PUSH("\x02\x7e\x9c\x40"), 0); // 40000 bytes, to be continued
    assert_int_equal(push(block, sizeof(block), &used, &message), 0);
    assert_int_equal(PUSH("\x80\x7e\x9c\x40"), -EMSGSIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_of_the_specification),
        cmocka_unit_test(test_sha1_of_the_specification),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_messages_fragments_and_control_frames),
        cmocka_unit_test(test_breaches_are_refused),
        cmocka_unit_test(test_fragments_cannot_pass_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
