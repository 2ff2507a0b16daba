// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/stream.h"

#include "execution/container/image/digest.h"
#include "execution/container/image/gzip.h"
#include "image_test.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SIZE ((size_t)3 << 20)

static uint8_t *make_data(void) {
    uint8_t *data = mem_try_array(SIZE, 1);
    for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)((i * 2654435761u) >> 13 ^ i >> 7);
    return data;
}

static void pack(struct str *to, const uint8_t *data, size_t size) {
    struct gzip *gzip = gzip_new();
    struct gzip_io io = {.in = data, .in_size = size};
    uint8_t out[4096];
    for (int done = 0; !done;) {
        io.out = out;
        io.out_size = sizeof(out);
        done = gzip_step(gzip, &io, true);
        assert_true(done >= 0);
        str_add_n(to, (const char *)out, sizeof(out) - io.out_size);
    }
    gzip_free(gzip);
}

// Reads all and compares; the result of the last read.
static ssize_t expect(struct stream *in, const uint8_t *want, size_t size, struct err *err) {
    const uint8_t *got;
    size_t at = 0;
    ssize_t n;
    while ((n = stream_next(in, &got, err)) > 0) {
        assert_true(at + (size_t)n <= size);
        assert_memory_equal(got, want + at, (size_t)n);
        at += (size_t)n;
    }
    if (n == 0) assert_int_equal(at, size);
    stream_free(in);
    return n;
}

static struct stream *inflate(const struct str *s, size_t size) {
    return stream_inflate(stream_memory(s->data, size), "layer", 1100);
}

static void test_gzip(void **state) {
    auto_free uint8_t *data = make_data();
    auto_str struct str one = {0}, two = {0};
    struct err err = {0};
    pack(&one, data, SIZE);
    assert_int_equal(expect(inflate(&one, one.len), data, SIZE, NULL), 0);
    pack(&two, data, 1000);
    pack(&two, data + 1000, SIZE - 1000);
    assert_int_equal(expect(inflate(&two, two.len), data, SIZE, NULL), 0);
    assert_int_equal(expect(stream_ahead(inflate(&two, two.len)), data, SIZE, NULL), 0);
    assert_true(expect(inflate(&one, one.len - 9), data, SIZE, &err) < 0);
    assert_non_null(strstr(err.cause, "ends in the middle"));
    one.data[one.len / 2] ^= 0x10; // content or checksum: one of them tells
    const uint8_t *got;
    struct stream *in = inflate(&one, one.len);
    ssize_t n;
    while ((n = stream_next(in, &got, &err)) > 0) continue;
    assert_true(n < 0);
    stream_free(in);
}

static void test_zstd(void **state) {
    auto_free uint8_t *data = make_data();
    auto_str struct str packed = {0};
    size_t room = ZSTD_compressBound(SIZE);
    auto_free char *out = mem_try_array(room, 1);
    size_t size = ZSTD_compress(out, room, data, SIZE, 1);
    str_add_n(&packed, out, size);
    assert_int_equal(expect(inflate(&packed, size), data, SIZE, NULL), 0);
    assert_true(expect(inflate(&packed, size - 1), data, SIZE, NULL) < 0);
}

static void test_ratio(void **state) {
    size_t size = (size_t)80 << 20;
    auto_free uint8_t *zeros = mem_try_array(size, 1);
    auto_str struct str packed = {0};
    struct err err = {0};
    pack(&packed, zeros, size);
    struct stream *in = stream_inflate(stream_memory(packed.data, packed.len), "layer", 20);
    assert_true(expect(in, zeros, size, &err) < 0);
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void test_tap(void **state) {
    struct err err = {0};
    struct digest is;
    auto_hasher struct hasher *hasher = hasher_new();
    struct tap tap = {.hasher = hasher, .copy_fd = -1, .object = "x"};
    struct stream *in = stream_prepend(stream_memory("def", 3), (const uint8_t *)"abc", 3);
    assert_int_equal(expect(stream_tap(in, &tap), (const uint8_t *)"abcdef", 6, NULL), 0);
    assert_int_equal(tap.size, 6);
    assert_int_equal(hasher_end(hasher, &is), 0);
    assert_string_equal(is.text,
                        "sha256:bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721");
    tap = (struct tap){.copy_fd = -1, .object = "x", .limit = 2, .limit_cause = "too much"};
    assert_true(expect(stream_tap(stream_memory("abc", 3), &tap), (const uint8_t *)"abc", 3, &err) <
                0);
    assert_string_equal(err.cause, "too much");
}

// A reader that stops early leaves no thread behind.
static void test_ahead_stops(void **state) {
    auto_free uint8_t *data = mem_try_array(SIZE * 4, 1);
    const uint8_t *got;
    struct stream *in = stream_ahead(stream_memory(data, SIZE * 4));
    assert_true(stream_next(in, &got, NULL) > 0);
    stream_free(in);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gzip), cmocka_unit_test(test_zstd),
                                       cmocka_unit_test(test_ratio), cmocka_unit_test(test_tap),
                                       cmocka_unit_test(test_ahead_stops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
