// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "execution/container/supervisor_exec_json.h"
#include "supervisor_test.h"

#include <fcntl.h>
#include <jansson.h>

static const char config[] =
    "{\"annotations\":{\"org.trine.user\":\"www\"},\"process\":{\"args\":[\"init\"],"
    "\"env\":[\"PATH=/bin\",\"PATHS=1\",\"A=old\"],\"cwd\":\"/srv\",\"terminal\":true,"
    "\"consoleSize\":{\"height\":1,\"width\":2},\"user\":{\"uid\":7,\"gid\":8},"
    "\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},\"noNewPrivileges\":true}}";

#define STRINGS(...) \
    { \
        .items = (const char *const[]){__VA_ARGS__}, \
        .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *) \
    }

static struct wire_shim_exec request_for(struct wire_strings args) {
    return (struct wire_shim_exec){.args = args, .working_dir = "", .user = ""};
}

static json_t *build(const struct wire_shim_exec *request) {
    char *text auto_free = NULL;
    struct err err = {0};
    assert_int_equal(supervisor_exec_json(config, strlen(config), request, &text, &err), 0);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static const char *text_at(json_t *json, const char *list, size_t i) {
    return json_string_value(json_array_get(json_object_get(json, list), i));
}

static void a_bare_request_takes_the_containers_process(void **state) {
    struct wire_shim_exec request = request_for((struct wire_strings)STRINGS("ls", "-l"));
    json_t *json = build(&request);
    assert_string_equal(text_at(json, "args", 0), "ls");
    assert_string_equal(text_at(json, "args", 1), "-l");
    assert_int_equal(json_array_size(json_object_get(json, "args")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "cwd")), "/srv");
    assert_int_equal(json_array_size(json_object_get(json, "env")), 3);
    assert_true(json_is_false(json_object_get(json, "terminal")));
    assert_null(json_object_get(json, "consoleSize"));
    assert_true(json_is_true(json_object_get(json, "noNewPrivileges")));
    json_t *user = json_object_get(json, "user");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 7);
    assert_string_equal(json_string_value(json_object_get(user, "username")), "www");
    json_decref(json);
}

static void a_request_changes_what_it_names(void **state) {
    struct wire_shim_exec request = request_for((struct wire_strings)STRINGS("sh"));
    request.env = (struct wire_strings)STRINGS("A=new", "B=2", "B=3");
    request.working_dir = "/tmp";
    request.user = "guest:staff";
    request.terminal = true;
    request.rows = 24;
    request.columns = 80;
    request.privileged = true;
    json_t *json = build(&request);
    assert_string_equal(text_at(json, "env", 0), "PATH=/bin");
    assert_string_equal(text_at(json, "env", 1), "PATHS=1");
    assert_string_equal(text_at(json, "env", 2), "A=new");
    assert_string_equal(text_at(json, "env", 3), "B=3");
    assert_int_equal(json_array_size(json_object_get(json, "env")), 4);
    assert_string_equal(json_string_value(json_object_get(json, "cwd")), "/tmp");
    assert_true(json_is_true(json_object_get(json, "terminal")));
    json_t *size = json_object_get(json, "consoleSize");
    assert_int_equal(json_integer_value(json_object_get(size, "height")), 24);
    assert_int_equal(json_integer_value(json_object_get(size, "width")), 80);
    json_t *user = json_object_get(json, "user");
    assert_int_equal(json_integer_value(json_object_get(user, "uid")), 0);
    assert_string_equal(json_string_value(json_object_get(user, "username")), "guest:staff");
    json_t *caps = json_object_get(json, "capabilities");
    assert_int_equal(json_array_size(json_object_get(caps, "effective")), 41);
    assert_true(json_is_false(json_object_get(json, "noNewPrivileges")));
    json_decref(json);
}

static void expect_refused(const struct wire_shim_exec *request, const char *cause) {
    char *text = NULL;
    struct err err = {0};
    assert_true(supervisor_exec_json(config, strlen(config), request, &text, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(err.cause, cause);
    assert_null(text);
}

static void bad_requests_are_refused_with_words(void **state) {
    struct wire_shim_exec request = {.working_dir = "", .user = ""};
    expect_refused(&request, "no program is named");
    request = request_for((struct wire_strings)STRINGS(""));
    expect_refused(&request, "no program is named");
    request = request_for((struct wire_strings)STRINGS("ls", "\xff"));
    expect_refused(&request, "argument 1 is not UTF-8");
    request = request_for((struct wire_strings)STRINGS("ls"));
    request.env = (struct wire_strings)STRINGS("A=1", "=2");
    expect_refused(&request, "environment entry 1 is not KEY=value in UTF-8");
    request.env = (struct wire_strings)STRINGS("novalue");
    expect_refused(&request, "environment entry 0 is not KEY=value in UTF-8");
    request = request_for((struct wire_strings)STRINGS("ls"));
    request.working_dir = "/\xc0\x80";
    expect_refused(&request, "the working directory is not UTF-8");
    request = request_for((struct wire_strings)STRINGS("ls"));
    request.user = "\xff";
    expect_refused(&request, "the user's name is not UTF-8");
}

static void a_damaged_configuration_is_an_error(void **state) {
    struct wire_shim_exec request = request_for((struct wire_strings)STRINGS("ls"));
    static const char *const bad[] = {"", "{", "[]", "{\"process\":1}", "{\"a\":1,\"a\":2}"};
    for (size_t i = 0; i < array_len(bad); i++) {
        char *text = NULL;
        struct err err = {0};
        assert_true(supervisor_exec_json(bad[i], strlen(bad[i]), &request, &text, &err) < 0);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

static void the_child_hands_the_object_or_the_error_back(void **state) {
    int dir = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fds = open_fds();
    struct wire_shim_exec request = request_for((struct wire_strings)STRINGS("ls"));
    char *text = NULL;
    size_t size = 0;
    struct err err = {0};
    assert_true(supervisor_exec_json_spawn(dir, "c.json", &request, &text, &size, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(file_write_atomic(dir, "c.json", config, strlen(config), 0600, NULL), 0);
    err_clear(&err);
    assert_int_equal(supervisor_exec_json_spawn(dir, "c.json", &request, &text, &size, &err), 0);
    assert_int_equal(strlen(text), size);
    char *direct auto_free = NULL;
    assert_int_equal(supervisor_exec_json(config, strlen(config), &request, &direct, NULL), 0);
    assert_string_equal(text, direct);
    assert_int_equal(open_fds(), fds);
    free(text);
    close(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_request_takes_the_containers_process),
        cmocka_unit_test(a_request_changes_what_it_names),
        cmocka_unit_test(bad_requests_are_refused_with_words),
        cmocka_unit_test(a_damaged_configuration_is_an_error),
        scratch_test(the_child_hands_the_object_or_the_error_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
