// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/digest.h"

#include "image_test.h"

#include <errno.h>
#include <string.h>

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_parse(void **state) {
    struct digest d;
    static const char *const bad[] = {
        "",           "sha256:",
        "sha256:abc", "SHA256:",
        "md5:abc",    "sha256:../../../../../../../../../../../../../../../../../etc/passwd1234567",
        EMPTY "0"};
    assert_int_equal(digest_parse(EMPTY, &d), 0);
    assert_string_equal(digest_hex(&d), EMPTY + 7);
    for (size_t i = 0; i < array_len(bad); i++) assert_true(digest_parse(bad[i], &d) < 0);
    assert_int_equal(digest_parse("sha512:00", &d), -EOPNOTSUPP);
    char upper[80] = EMPTY;
    upper[7] = 'E';
    assert_int_equal(digest_parse(upper, &d), -EINVAL);
}

static void test_hash(void **state) {
    struct digest d;
    auto_hasher struct hasher *h = hasher_new();
    assert_non_null(h);
    assert_int_equal(hasher_end(h, &d), 0);
    assert_string_equal(d.text, EMPTY);
    hasher_add(h, "a", 1);
    hasher_add(h, "bc", 2);
    assert_int_equal(hasher_end(h, &d), 0); // and it starts anew by itself
    assert_string_equal(d.text, ABC);
    assert_int_equal(digest_of("abc", 3, &d), 0);
    assert_string_equal(d.text, ABC);
}

static void test_chain(void **state) {
    struct digest a, b, unset = {0}, chain, want;
    digest_parse(EMPTY, &a);
    digest_parse(ABC, &b);
    assert_int_equal(digest_chain(NULL, &a, &chain), 0);
    assert_true(digest_same(&chain, &a));
    assert_int_equal(digest_chain(&unset, &a, &chain), 0);
    assert_true(digest_same(&chain, &a));
    digest_of(EMPTY " " ABC, strlen(EMPTY " " ABC), &want);
    assert_int_equal(digest_chain(&a, &b, &chain), 0);
    assert_true(digest_same(&chain, &want));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_hash),
                                       cmocka_unit_test(test_chain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
