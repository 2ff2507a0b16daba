// SPDX-License-Identifier: Apache-2.0
// The runtime's memory between calls.
#include "execution/container/state.h"

#include "base/mem.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int make_root(void **state) {
    snprintf(root, sizeof(root), "/tmp/test-state.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    return dir_remove_tree(AT_FDCWD, root, NULL);
}

static void save(const char *id, pid_t pid) {
    struct state s;
    struct err err = {0};
    if (state_new(root, id, &s, &err) < 0) fail_msg("%s", err.cause);
    s.bundle = mem_strdup("/b\"x");
    s.root_path = mem_strdup("/b/rootfs");
    s.cgroup_path = mem_strdup("trine/x");
    s.freezer = mem_strdup("");
    s.pid = pid;
    assert_int_equal(process_start_time(pid, &s.start_time), 0);
    s.created_ns = 1234567890;
    assert_int_equal(state_save(&s, &err), 0);
    state_release(&s);
}

static void test_round_trip(void **state) {
    struct state s;
    struct err err = {0};
    save("one", getpid());
    assert_int_equal(state_load(root, "one", true, &s, &err), 0);
    assert_string_equal(s.id, "one");
    assert_string_equal(s.bundle, "/b\"x");
    assert_int_equal(s.pid, getpid());
    assert_true(s.created_ns == 1234567890);
    assert_int_equal(state_status(&s), STATE_RUNNING);
    assert_int_equal(mkfifoat(s.dir_fd, STATE_GATE, 0600), 0);
    assert_int_equal(state_status(&s), STATE_CREATED);
    int pidfd = state_pidfd(&s);
    assert_true(pidfd >= 0);
    close(pidfd);
    s.start_time++; // the pid is another process now
    assert_int_equal(state_status(&s), STATE_STOPPED);
    assert_int_equal(state_pidfd(&s), -ESRCH);
    assert_int_equal(state_remove(root, &s, &err), 0);
    state_release(&s);
    assert_int_equal(state_load(root, "one", true, &s, &err), -ENOENT);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void test_exists(void **state) {
    struct state s;
    struct err err = {0};
    save("two", getpid());
    assert_true(state_new(root, "two", &s, &err) < 0);
    assert_int_equal(err.kind, ERR_EXISTS);
    state_release(&s);
}

static void test_ids(void **state) {
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a\nb", "\xc3\xa4", "x*"};
    static const char *const good[] = {"a", "A-b_c.d+9", "...", "0"};
    char longest[STATE_ID_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = 0;
    for (size_t i = 0; i < array_len(bad); i++) assert_true(state_check_id(bad[i], NULL) < 0);
    for (size_t i = 0; i < array_len(good); i++) assert_int_equal(state_check_id(good[i], NULL), 0);
    assert_true(state_check_id(longest, NULL) < 0);
    longest[STATE_ID_MAX] = 0;
    assert_int_equal(state_check_id(longest, NULL), 0);
}

static void test_damaged(void **state) {
    static const struct {
        const char *text;
        enum err_kind kind;
    } cases[] = {
        {"", ERR_CORRUPT},
        {"{", ERR_CORRUPT},
        {"{\"version\":1}", ERR_INVALID},
        {"{\"version\":99,\"pid\":1,\"startTime\":1,\"created\":1,\"owner\":0,\"id\":\"x\","
         "\"bundle\":\"\",\"rootfs\":\"\",\"cgroupPath\":\"\",\"freezer\":\"\"}",
         ERR_VERSION},
    };
    auto_free char *path = mem_printf("%s/three/state.json", root);
    save("three", getpid());
    for (size_t i = 0; i < array_len(cases); i++) {
        struct state s;
        struct err err = {0};
        assert_int_equal(file_write_atomic(AT_FDCWD, path, cases[i].text, strlen(cases[i].text),
                                           0600, NULL),
                         0);
        assert_true(state_load(root, "three", true, &s, &err) < 0);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(s.dir_fd, -1);
    }
    assert_int_equal(unlink(path), 0);
    struct state s;
    struct err err = {0};
    assert_true(state_load(root, "three", true, &s, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.next, "--force"));
}

static int count(const char *id, void *arg) {
    ++*(int *)arg;
    return 0;
}

static void test_each(void **state) {
    int n = 0;
    assert_int_equal(state_each("/no/such/dir", count, &n, NULL), 0);
    assert_int_equal(n, 0);
    save("four", getpid());
    auto_free char *cache = mem_printf("%s/.cache", root);
    assert_int_equal(mkdir(cache, 0700), 0);
    assert_int_equal(state_each(root, count, &n, NULL), 0);
    assert_int_equal(n, 3); // two, three, four
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_exists),
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_each),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
