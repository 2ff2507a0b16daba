// SPDX-License-Identifier: Apache-2.0
#include "execution/container/supervisor_int.h"
#include "host/process.h"
#include "supervisor_test.h"
#include "wire/layout.h"

#include <jansson.h>

static json_t *parse(const struct supervisor_record *record) {
    char *text auto_free = supervisor_record_text(record);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    return json;
}

static json_int_t number(json_t *json, const char *key) {
    assert_true(json_is_integer(json_object_get(json, key)));
    return json_integer_value(json_object_get(json, key));
}

static void a_record_is_json_with_every_member(void **state) {
    struct supervisor_record record = {.exit_code = 137,
                                       .oom_killed = true,
                                       .started_ns = INT64_C(1795254240123456789),
                                       .finished_ns = INT64_MAX};
    json_t *json = parse(&record);
    assert_int_equal(number(json, "version"), 1);
    assert_int_equal(number(json, "exit_code"), 137);
    assert_true(json_is_true(json_object_get(json, "oom_killed")));
    assert_true(number(json, "started_ns") == record.started_ns);
    assert_true(number(json, "finished_ns") == INT64_MAX);
    assert_string_equal(json_string_value(json_object_get(json, "failure")), "");
    assert_int_equal(json_object_size(json), 6);
    json_decref(json);
}

static void any_failure_text_can_be_recorded(void **state) {
    struct supervisor_record record = {.failure = "\"a\\b\"\n\t\x01\x7f \xff\xc3\x28 \xc3\xa9"};
    json_t *json = parse(&record);
    const char *text = json_string_value(json_object_get(json, "failure"));
    assert_memory_equal(text, "\"a\\b\"\n\t\x01\x7f ", 10);
    assert_non_null(strstr(text, "\xef\xbf\xbd")); // what is no UTF-8
    assert_non_null(strstr(text, " \xc3\xa9"));
    json_decref(json);
}

static void the_files_are_written_for_the_owner_alone(void **state) {
    struct supervisor_record record = {.exit_code = 3};
    struct stat st;
    uint64_t start_time;
    char want[64];
    assert_int_equal(supervisor_write_record(scratch_fd, &record, NULL), 0);
    assert_int_equal(fstatat(scratch_fd, LAYOUT_EXIT, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(supervisor_write_pid(scratch_fd, NULL), 0);
    char *text auto_free = scratch_text(LAYOUT_SHIM_PID);
    assert_int_equal(process_start_time(getpid(), &start_time), 0);
    snprintf(want, sizeof(want), "%d %llu\n", (int)getpid(), (unsigned long long)start_time);
    assert_string_equal(text, want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_json_with_every_member),
        cmocka_unit_test(any_failure_text_can_be_recorded),
        scratch_test(the_files_are_written_for_the_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
