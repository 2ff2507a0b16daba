// SPDX-License-Identifier: Apache-2.0
// Names of an image, after its own files.
#include "execution/container/user.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n\n"
                             "alice:x:1000:100:Alice:/home/alice:/bin/sh\n"
                             "short:x:5\n"
                             "big:x:4294967295:0::/:\n"
                             "huge:x:99999999999:0::/:\n"
                             "last:x:7:8::/last:";
static const char group[] = "root:x:0:\nusers:x:100:\nwheel:x:10:bob,alice\nodd:x:abc:zed\n"
                            "alices:x:11:alicex,alice,bob\nnone:x:12";

static void test_found(void **state) {
    static const struct {
        const char *word;
        uid_t uid;
        gid_t gid;
        size_t n_groups;
        const char *home;
    } cases[] = {
        {"root", 0, 0, 0, "/root"},
        {"alice", 1000, 100, 2, "/home/alice"},
        {"1000", 1000, 100, 2, "/home/alice"},
        {"alice:wheel", 1000, 10, 0, "/home/alice"},
        {"alice:55", 1000, 55, 0, "/home/alice"},
        {"1234", 1234, 0, 0, ""},
        {"1234:users", 1234, 100, 0, ""},
        {"last", 7, 8, 0, "/last"},
        {"4294967294:1", 4294967294u, 1, 0, ""},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct user u;
        struct err err = {0};
        if (user_resolve(cases[i].word, passwd, group, &u, &err) < 0)
            fail_msg("%s: %s", cases[i].word, err.cause);
        assert_int_equal(u.uid, cases[i].uid);
        assert_int_equal(u.gid, cases[i].gid);
        assert_int_equal(u.n_groups, cases[i].n_groups);
        assert_string_equal(u.home, cases[i].home);
    }
    struct user u;
    assert_int_equal(user_resolve("alice", passwd, group, &u, NULL), 0);
    assert_int_equal(u.groups[0], 10);
    assert_int_equal(u.groups[1], 11);
}

static void test_refused(void **state) {
    static const struct {
        const char *word;
        enum err_kind kind;
        const char *words;
    } cases[] = {
        {"mallory", ERR_NOT_FOUND, "\"mallory\" is not in the container's /etc/passwd"},
        {"alice:nogroup", ERR_NOT_FOUND, "\"nogroup\""},
        {"", ERR_INVALID, "name[:group]"},
        {":wheel", ERR_INVALID, "name[:group]"},
        {"alice:", ERR_INVALID, "name[:group]"},
        {"4294967295", ERR_NOT_FOUND, "4294967295"},
        {"-1", ERR_NOT_FOUND, "-1"},
        {"short", ERR_CORRUPT, "line 5"},
        {"big", ERR_CORRUPT, "line 6"},
        {"huge", ERR_CORRUPT, "line 7"},
        {"alice:odd", ERR_CORRUPT, "line 4"},
        {"zed", ERR_NOT_FOUND, "zed"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct user u;
        struct err err = {0};
        assert_true(user_resolve(cases[i].word, passwd, group, &u, &err) < 0);
        assert_int_equal(err.kind, cases[i].kind);
        if (!strstr(err.cause, cases[i].words))
            fail_msg("'%s' not in '%s'", cases[i].words, err.cause);
    }
}

static void test_no_files(void **state) {
    struct user u;
    assert_int_equal(user_resolve("5:6", NULL, NULL, &u, NULL), 0);
    assert_int_equal(u.uid, 5);
    assert_int_equal(u.gid, 6);
    assert_true(user_resolve("root", NULL, NULL, &u, NULL) < 0);
    assert_true(user_resolve("root", "root:x:0:0", NULL, &u, NULL) == 0);
}

static void test_too_many_groups(void **state) {
    static char many[300 * 32];
    size_t len = 0;
    for (int i = 0; i < 300; i++)
        len += (size_t)snprintf(many + len, sizeof(many) - len, "g%d:x:%d:alice\n", i, i + 1);
    struct user u;
    struct err err = {0};
    assert_true(user_resolve("alice", passwd, many, &u, &err) < 0);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void test_home(void **state) {
    char buf[16];
    assert_true(user_home(passwd, 1000, buf, sizeof(buf)));
    assert_string_equal(buf, "/home/alice");
    assert_false(user_home(passwd, 4242, buf, sizeof(buf)));
    assert_false(user_home(NULL, 0, buf, sizeof(buf)));
    char small[4];
    assert_false(user_home(passwd, 1000, small, sizeof(small)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_files), cmocka_unit_test(test_too_many_groups),
        cmocka_unit_test(test_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
