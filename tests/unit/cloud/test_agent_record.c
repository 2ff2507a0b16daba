// SPDX-License-Identifier: Apache-2.0
// Records that the agent reads: exit.json, shim.pid, subuid(5).
#include "base/mem.h"
#include "cloud/agent/instance.h"
#include "cloud/agent/subid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

static int parse(const char *json, struct arena *arena, struct wire_agent_exit *ret) {
    return exit_record_parse(json, strlen(json), arena, ret, NULL);
}

#define REST "\"oom_killed\":false,\"started_ns\":5,\"finished_ns\":7,\"failure\":\"\"}"

static void exit_record(void **state) {
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_exit e;
    assert_int_equal(parse("{\"version\":1,\"exit_code\":137,\"oom_killed\":true,\"started_ns\":5,"
                           "\"finished_ns\":7,\"failure\":\"no \\\"x\\\"\"}",
                           arena, &e),
                     0);
    assert_true(e.known && e.oom_killed);
    assert_int_equal(e.exit_code, 137);
    assert_int_equal(e.started_ns, 5);
    assert_int_equal(e.finished_ns, 7);
    assert_string_equal(e.failure, "no \"x\"");
}

static void bad_exit_records(void **state) {
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"version\":1,\"exit_code\":0," REST "x",
        "{\"version\":2,\"exit_code\":0," REST,
        "{\"version\":\"1\",\"exit_code\":0," REST,
        "{\"version\":1," REST,
        "{\"version\":1,\"exit_code\":256," REST,
        "{\"version\":1,\"exit_code\":-1," REST,
        "{\"version\":1,\"exit_code\":1.5," REST,
        "{\"version\":1,\"exit_code\":4294967296," REST,
        "{\"version\":1,\"exit_code\":0,\"exit_code\":1," REST,
        "{\"version\":1,\"exit_code\":0,\"extra\":1," REST,
        "{\"version\":1,\"exit_code\":0,\"oom_killed\":0,\"started_ns\":5,\"finished_ns\":7,"
        "\"failure\":\"\"}",
        "{\"version\":1,\"exit_code\":0,\"oom_killed\":false,\"started_ns\":-5,\"finished_ns\":7,"
        "\"failure\":\"\"}",
        "{\"version\":1,\"exit_code\":0,\"oom_killed\":false,\"started_ns\":5,\"finished_ns\":7,"
        "\"failure\":\"a\\u0000b\"}",
    };
    struct arena *arena auto_arena = arena_new(65536);
    for (size_t i = 0; i < array_len(bad); i++) {
        struct wire_agent_exit e = {.exit_code = 99};
        assert_true(parse(bad[i], arena, &e) < 0);
        assert_int_equal(e.exit_code, 99);
    }
    char *long_failure auto_free = mem_printf(
        "{\"version\":1,\"exit_code\":0,\"oom_killed\":false,\"started_ns\":5,\"finished_ns\":7,"
        "\"failure\":\"%1024d\"}",
        1);
    struct wire_agent_exit e;
    assert_true(parse(long_failure, arena, &e) < 0);
}

static void shim_record(void **state) {
    static const char *const bad[] = {
        "",       "\n",    "12\n",    "12 34",          "12  34\n",
        "-1 5\n", "0 5\n", "12 -5\n", "12 34\n\n",      " 12 34\n",
        "12 x\n", "a 5\n", "12 5x\n", "4294967297 5\n", "12 99999999999999999999999\n"};
    pid_t pid;
    uint64_t start;
    assert_int_equal(shim_record_parse("12 18446744073709551615\n", &pid, &start), 0);
    assert_int_equal(pid, 12);
    assert_true(start == UINT64_MAX);
    for (size_t i = 0; i < array_len(bad); i++)
        assert_int_equal(shim_record_parse(bad[i], &pid, &start), -EBADMSG);
}

static void subordinate_ids(void **state) {
    static const char file[] = "# comment\nann:100000:65536\nbob:1:x\nbob::5\n1001:300000:10\n"
                               "ann:900000:70000\nbobby:5:5\nbob:200000:5\n"
                               "eve:4294967295:2\neve:1:0\nroot\n";
    struct subid_range r;
    assert_int_equal(subid_parse(file, "ann", 1000, &r), 0);
    assert_int_equal(r.first, 900000);
    assert_int_equal(r.count, 70000);
    assert_int_equal(subid_parse(file, "bob", 1001, &r), 0);
    assert_int_equal(r.first, 300000);
    assert_int_equal(subid_parse(file, "bob", 7, &r), 0);
    assert_int_equal(r.first, 200000);
    assert_int_equal(subid_parse(file, NULL, 1001, &r), 0);
    assert_int_equal(subid_parse(file, NULL, 7, &r), -ENOENT);
    assert_int_equal(subid_parse(file, "eve", 7, &r), -ENOENT);
    assert_int_equal(subid_parse("", "ann", 7, &r), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_record),
        cmocka_unit_test(bad_exit_records),
        cmocka_unit_test(shim_record),
        cmocka_unit_test(subordinate_ids),
    };
    return cmocka_run_group_tests_name("agent records", tests, NULL, NULL);
}
