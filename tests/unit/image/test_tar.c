// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/tar.h"

#include "execution/container/image/tar_int.h"
#include "image_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tar_entry *entry;

// Opens the archive; the two are freed by close_tar.
static struct stream *in;
static struct tar_reader *open_tar(const struct str *t) {
    in = stream_memory(t->data, t->len);
    return tar_reader_new(in, "archive");
}
static void close_tar(struct tar_reader *tar) {
    tar_reader_free(tar);
    stream_free(in);
}

static void test_round_trip(void **state) {
    auto_str struct str t = {0};
    char name[301];
    memset(name, 'n', 300);
    name[100] = name[200] = '/';
    name[300] = '\0';
    tar_add(&t, TAR_FILE, "short", 04755, NULL, "content");
    tar_add(&t, TAR_SYMLINK, name, 0777, name, NULL);
    tar_add(&t, TAR_DIR, "d/", 0700, NULL, NULL);
    tar_finish(&t);
    struct tar_reader *tar = open_tar(&t);
    auto_free char *data = NULL;
    size_t size;
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_string_equal(entry->path, "short");
    assert_int_equal(entry->mode, 04755);
    assert_int_equal(entry->mtime_s, 1000000000);
    assert_int_equal(tar_read_all(tar, 100, &data, &size, NULL), 0);
    assert_string_equal(data, "content");
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_string_equal(entry->path, name);
    assert_string_equal(entry->link, name);
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_int_equal(entry->type, TAR_DIR);
    assert_int_equal(tar_next(tar, &entry, NULL), 0);
    assert_int_equal(tar_next(tar, &entry, NULL), 0);
    assert_true(tar_end_marked(tar));
    close_tar(tar);
}

static void test_pax(void **state) {
    auto_str struct str t = {0};
    tar_add_record(&t, "path", "real/name");
    tar_add(&t, TAR_FILE, "other", 0644, NULL, "12345");
    tar_add_record(&t, "mtime", "-1.25");
    tar_add(&t, TAR_FILE, "old", 0644, NULL, NULL);
    tar_add_record(&t, "SCHILY.xattr.user.k", "v=w");
    tar_add(&t, TAR_FILE, "tagged", 0644, NULL, NULL);
    tar_finish(&t);
    struct tar_reader *tar = open_tar(&t);
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_string_equal(entry->path, "real/name");
    assert_int_equal(entry->size, 5);
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_string_equal(entry->path, "old"); // the record was for one entry only
    assert_int_equal(entry->mtime_s, -2);
    assert_int_equal(entry->mtime_ns, 750000000);
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_int_equal(entry->n_xattrs, 1);
    assert_string_equal(entry->xattrs[0].name, "user.k");
    assert_int_equal(entry->xattrs[0].size, 3);
    assert_memory_equal(entry->xattrs[0].value, "v=w", 3);
    assert_int_equal(tar_next(tar, &entry, NULL), 0);
    close_tar(tar);
}

static void test_pax_bad(void **state) {
    static const char *const records[] = {
        "x",          "5 a=b",          "99 a=b\n",      "6 a b\n\n",
        "1 a=b\n",    "0 a=b\n",        "6 =b\n",        "99999999999999999999 a=b\n",
        "9 size=x\n", "12 uid=-1000\n", "13 mtime=1.x\n"};
    for (size_t i = 0; i < array_len(records); i++) {
        struct tar_extra extra = {0};
        struct err err = {0};
        char *copy = mem_try_dup(records[i], strlen(records[i]));
        bool taken = tar_parse_pax(&extra, copy, strlen(records[i]), "a", &err) == 0;
        if (taken && strcmp(records[i], "6 =b\n") != 0) fail_msg("took '%s'", records[i]);
        tar_extra_clear(&extra);
    }
}

static void test_damaged(void **state) {
    auto_str struct str t = {0};
    tar_add(&t, TAR_FILE, "a", 0644, NULL, "content");
    tar_finish(&t);
    for (size_t cut = 1; cut < 2 * TAR_BLOCK; cut++) { // every cut is an error, none a crash
        struct str part = {.data = t.data, .len = cut};
        struct tar_reader *tar = open_tar(&part);
        int r = tar_next(tar, &entry, NULL);
        if (r == 1) r = tar_next(tar, &entry, NULL);
        assert_int_equal(r, -EBADMSG);
        close_tar(tar);
    }
    t.data[3] ^= 1;
    struct tar_reader *tar = open_tar(&t);
    struct err err = {0};
    assert_int_equal(tar_next(tar, &entry, &err), -EBADMSG);
    assert_non_null(strstr(err.cause, "checksum"));
    close_tar(tar);
}

static void test_no_end(void **state) {
    auto_str struct str t = {0};
    tar_add(&t, TAR_FILE, "a", 0644, NULL, NULL);
    struct tar_reader *tar = open_tar(&t);
    assert_int_equal(tar_next(tar, &entry, NULL), 1);
    assert_int_equal(tar_next(tar, &entry, NULL), 0);
    assert_false(tar_end_marked(tar));
    close_tar(tar);
}

static void test_numbers(void **state) {
    uint64_t n;
    assert_int_equal(tar_number("0000644\0", 8, &n), 0);
    assert_int_equal(n, 0644);
    assert_int_equal(tar_number("  644 \0\0", 8, &n), 0);
    assert_int_equal(n, 0644);
    assert_int_equal(tar_number("\0\0\0\0\0\0\0\0", 8, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(tar_number("\x80\0\0\0\0\0\x01\x02", 8, &n), 0);
    assert_int_equal(n, 258);
    assert_int_equal(tar_number("\xff\xff\xff\xff\xff\xff\xff\xff", 8, &n), -ERANGE);
    assert_int_equal(tar_number("\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, &n),
                     -EBADMSG);
    assert_int_equal(tar_number("0000648\0", 8, &n), -EBADMSG);
    assert_int_equal(tar_decimal("18446744073709551616", &n), -EBADMSG);
}

static void test_sparse_map(void **state) {
    struct tar_extra extra = {0};
    assert_int_equal(tar_parse_map_text(&extra, "0,1,10,2"), 0);
    assert_int_equal(extra.map.len, 2);
    assert_int_equal(extra.map.items[1].offset, 10);
    assert_true(tar_parse_map_text(&extra, "0,,1") < 0);
    assert_true(tar_parse_map_text(&extra, "a,1") < 0);
    tar_extra_clear(&extra);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_pax),
                                       cmocka_unit_test(test_pax_bad),
                                       cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_no_end),
                                       cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_sparse_map)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
