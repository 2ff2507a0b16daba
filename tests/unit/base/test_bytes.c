// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "base/mem.h"
#include "cmocka_test.h"

#include <string.h>

static const uint8_t DATA[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void fields_are_read_in_both_orders(void **state) {
    struct reader r = reader_of(DATA, sizeof(DATA));
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_le16(&r), 0x0302);
    assert_int_equal(read_be16(&r), 0x0405);
    assert_int_equal(read_le32(&r), 0x09080706);
    assert_int_equal(read_be32(&r), 0x0a0b0c0d);
    assert_false(r.failed);
    r = reader_of(DATA, sizeof(DATA));
    assert_true(read_le64(&r) == UINT64_C(0x0807060504030201));
    r = reader_of(DATA, sizeof(DATA));
    assert_true(read_be64(&r) == UINT64_C(0x0102030405060708));
}

static void reading_past_the_end_fails_for_good(void **state) {
    struct reader r = reader_of(DATA, 3);
    assert_int_equal(read_le32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(read_u8(&r), 0); // although there are bytes left
    r = reader_of(DATA, 3);
    struct span s = read_span(&r, 3);
    assert_ptr_equal(s.data, DATA);
    assert_int_equal(s.size, 3);
    s = read_span(&r, 0);
    assert_false(r.failed);
    assert_int_equal(s.size, 0);
    read_skip(&r, SIZE_MAX);
    assert_true(r.failed);
    s = read_span(&r, 0);
    assert_null(s.data);
    r = reader_of(NULL, 0);
    assert_int_equal(read_be64(&r), 0);
    assert_true(r.failed);
}

static void what_is_written_reads_back(void **state) {
    struct writer w = writer_growing();
    write_u8(&w, 1);
    write_le16(&w, 2);
    write_be16(&w, 3);
    write_le32(&w, 4);
    write_be32(&w, 5);
    write_le64(&w, 6);
    write_be64(&w, 7);
    for (int i = 0; i < 100; i++) write_bytes(&w, "0123456789", 10);
    assert_false(w.failed);
    assert_int_equal(w.size, 29 + 1000);
    struct reader r = reader_of(w.data, w.size);
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_le16(&r), 2);
    assert_int_equal(read_be16(&r), 3);
    assert_int_equal(read_le32(&r), 4);
    assert_int_equal(read_be32(&r), 5);
    assert_int_equal(read_le64(&r), 6);
    assert_int_equal(read_be64(&r), 7);
    read_skip(&r, 990);
    assert_memory_equal(read_span(&r, 10).data, "0123456789", 10);
    assert_false(r.failed);
    writer_free(&w);
    assert_null(w.data);
}

static void a_fixed_buffer_is_never_left(void **state) {
    uint8_t buf[9] = {0};
    struct writer w = writer_on(buf, 8);
    write_le32(&w, 0x01010101);
    write_le64(&w, UINT64_MAX);
    assert_true(w.failed);
    assert_int_equal(w.size, 4);
    write_u8(&w, 1); // would fit, but failure sticks
    assert_int_equal(w.size, 4);
    assert_memory_equal(buf, "\1\1\1\1\0\0\0\0", 9);
}

static void no_memory_is_a_failure(void **state) {
    struct writer w = writer_growing();
    mem_fail_nth(1);
    write_u8(&w, 1);
    assert_true(w.failed);
    writer_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_in_both_orders),
        cmocka_unit_test(reading_past_the_end_fails_for_good),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_fixed_buffer_is_never_left),
        cmocka_unit_test(no_memory_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
