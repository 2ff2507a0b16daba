// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/apt_sources.h"

#include "image_test.h"

#include <stdlib.h>

static void test_one_line(void **state) {
    auto_strv struct strv lines = {0};
    auto_free char *archive = NULL;
    apt_sources_parse("# deb http://no.example/debian stable main\n"
                      "deb [signed-by=/k.gpg] http://m.example/debian stable main contrib # why\n"
                      "deb-src http://m.example/debian stable main\n"
                      "deb http://m.example/debian stable-updates main\n"
                      "deb http://s.example/security stable-security main\n"
                      "deb http://m.example/debian stable-backports main\n"
                      "deb http://other.example/apt sid main\n"
                      "deb\ndeb [broken\ndeb x\n",
                      false, "stable", &lines, &archive);
    assert_int_equal(lines.len, 3);
    assert_string_equal(lines.items[0],
                        "deb [signed-by=/k.gpg] http://m.example/debian stable main contrib ");
    assert_string_equal(lines.items[1], "deb http://m.example/debian stable-updates main");
    assert_string_equal(lines.items[2], "deb http://s.example/security stable-security main");
    assert_string_equal(archive, "http://m.example/debian");
}

static void test_stanzas(void **state) {
    auto_strv struct strv lines = {0};
    auto_free char *archive = NULL;
    apt_sources_parse("Types: deb deb-src\nURIs: http://m.example/debian\n# note\n"
                      "Suites: stable stable-updates sid\nComponents: main\nSigned-By: /k.gpg\n\n"
                      "Types: deb\nURIs: http://x.example/y\nSuites: stable\nEnabled: no\n\n"
                      "Types: deb-src\nURIs: http://x.example/z\nSuites: stable\n\n"
                      "Types: deb\nURIs: http://k.example/\nSuites: stable\nComponents: a b\n"
                      "Signed-By:\n -----BEGIN\n .\n -----END\n",
                      true, "stable", &lines, &archive);
    assert_int_equal(lines.len, 3);
    assert_string_equal(lines.items[0],
                        "deb [signed-by=/k.gpg] http://m.example/debian stable main");
    assert_string_equal(lines.items[1],
                        "deb [signed-by=/k.gpg] http://m.example/debian stable-updates main");
    assert_string_equal(lines.items[2], "deb http://k.example/ stable a b");
}

static void test_other_suite(void **state) {
    auto_strv struct strv lines = {0};
    auto_free char *archive = NULL;
    apt_sources_parse("deb http://m.example/debian/ stable main\n", false, "sid", &lines, &archive);
    assert_int_equal(lines.len, 0);
    assert_string_equal(archive, "http://m.example/debian/");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_line),
                                       cmocka_unit_test(test_stanzas),
                                       cmocka_unit_test(test_other_suite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
