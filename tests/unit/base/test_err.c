// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"
#include "base/text.h"
#include "cmocka_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set_error_reads_as_a_sentence(void **state) {
    struct err err = {0};
    char text[512];
    assert_int_equal(err_set(&err, ERR_IO, ENOENT, "image debian", "cannot open %s", "layer 3"),
                     -ENOENT);
    assert_int_equal(err_next(&err, "run %s", "trine pull debian"), -ENOENT);
    assert_int_equal(err_while(&err, "mounting /"), -ENOENT);
    assert_int_equal(err_while(&err, "starting instance %s", "web"), -ENOENT);
    assert_string_equal(err_format(&err, text, sizeof(text)),
                        "image debian: cannot open layer 3: No such file or directory "
                        "(while starting instance web: mounting /)\n  next: run trine pull debian");
    assert_int_equal(err_code(&err), -ENOENT);
    err_clear(&err);
    assert_int_equal(err_code(&err), 0);
    assert_string_equal(err_format(&err, text, sizeof(text)), "");
}

static void without_os_error_the_kind_gives_the_number(void **state) {
    struct err err = {0};
    char text[64];
    assert_int_equal(err_set(&err, ERR_EXISTS, 0, "volume v", "it is there"), -EEXIST);
    assert_string_equal(err_format(&err, text, sizeof(text)), "volume v: it is there");
    assert_int_equal(err_os(&err, ENOSPC, "", "cannot write"), -ENOSPC);
    assert_int_equal(err.kind, ERR_NO_SPACE);
    assert_string_equal(err_format(&err, text, sizeof(text)),
                        "cannot write: No space left on device");
}

static void without_err_the_number_travels(void **state) {
    assert_int_equal(err_set(NULL, ERR_NOT_FOUND, 0, "x", "y"), -ENOENT);
    assert_int_equal(err_next(NULL, "do this"), -ENOENT);
    assert_int_equal(err_while(NULL, "doing that"), -ENOENT);
    assert_int_equal(err_code(NULL), 0);
    err_clear(NULL);
    errno = 0;
    assert_true(err_next(NULL, "nothing is set") < 0); // never a success
}

static void long_and_hostile_texts_stay_inside(void **state) {
    struct err err = {0};
    char wide[2000], text[4096];
    memset(wide, 'x', sizeof(wide));
    wide[sizeof(wide) - 1] = '\0';
    for (size_t i = 1; i + 3 < sizeof(wide); i += 3) memcpy(wide + i, "\xe2\x82\xac", 3);
    err_set(&err, ERR_INVALID, EINVAL, wide, "%s", wide);
    err_next(&err, "%s", wide);
    for (int i = 0; i < 3; i++) err_while(&err, "%s", wide);
    err_format(&err, text, sizeof(text));
    assert_true(text_is_utf8(text, strlen(text)));
    assert_true(text_is_utf8(err.cause, strlen(err.cause)));
    err_set(&err, ERR_INVALID, 0, "a\033[31m", "b\nc\td");
    assert_string_equal(err_format(&err, text, sizeof(text)), "a [31m: b c d");
    assert_string_equal(err_format(&err, text, 4), "a [");
}

static void kinds_round_trip(void **state) {
    for (int kind = ERR_NONE + 1; kind < ERR_KIND_COUNT; kind++) {
        assert_int_equal(err_kind_parse(err_kind_word(kind)), kind);
        assert_true(err_kind_exit(kind) > 0 && err_kind_exit(kind) < 64);
        assert_true(err_kind_http(kind) >= 400 && err_kind_http(kind) < 600);
        assert_true(err_kind_title(kind)[0]);
        struct err err = {0};
        int code = err_set(&err, kind, 0, "o", "c");
        assert_true(code < 0);
        if (kind != ERR_UNAUTHENTICATED) // EACCES from the system means denied
            assert_int_equal(err_kind_from_errno(-code), kind);
    }
    assert_int_equal(err_kind_parse("no-such-word"), ERR_INTERNAL);
    assert_int_equal(err_kind_parse(NULL), ERR_INTERNAL);
    assert_int_equal(err_kind_exit(ERR_NONE), 0);
    assert_int_equal(err_kind_from_errno(EACCES), ERR_DENIED);
    assert_int_equal(err_kind_from_errno(ECONNREFUSED), ERR_UNAVAILABLE);
    assert_int_equal(err_kind_from_errno(12345), ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_error_reads_as_a_sentence),
        cmocka_unit_test(without_os_error_the_kind_gives_the_number),
        cmocka_unit_test(without_err_the_number_travels),
        cmocka_unit_test(long_and_hostile_texts_stay_inside),
        cmocka_unit_test(kinds_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
