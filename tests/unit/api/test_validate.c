// SPDX-License-Identifier: Apache-2.0
#include "../base/cmocka_test.h"

#include "api/api.h"
#include "api/validate.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

// Validates `text` as `type`; NULL in `object` means that it is fine.
static void check(const char *type, const char *text, const char *object, const char *cause,
                  const char *next) {
    const struct api_schema *schema = api_schema_by_name(type);
    assert_non_null(schema);
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    struct err err = {0};
    int r = api_validate(schema, value, &err);
    json_decref(value);
    if (!object) {
        if (r != 0) fail_msg("%s: %s: %s", text, err.object, err.cause);
        return;
    }
    assert_true(r < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(err.object, object);
    if (!strstr(err.cause, cause)) fail_msg("cause \"%s\"", err.cause);
    if (!strstr(err.next, next)) fail_msg("next \"%s\"", err.next);
}

static void test_good(void **state) {
    check("InstanceCreate", "{\"image\":\"debian\"}", NULL, "", "");
    check("InstanceCreate",
          "{\"name\":\"web\",\"image\":\"a/b:c@sha256:00\",\"args\":[\"sh\",\"-c\",\"\"],"
          "\"env\":[\"A=\",\"B=c=d\\n\"],\"limits\":{\"cpus\":1,\"memory_bytes\":1048576},"
          "\"mounts\":[{\"type\":\"tmpfs\",\"destination\":\"/t\",\"options\":[\"size=1m\"]}],"
          "\"labels\":{\"a/b\":\"\"}}",
          NULL, "", "");
    check("InstancePatch", "{\"labels\":{\"a\":null},\"limits\":{\"pids\":null}}", NULL, "", "");
    check("Operation",
          "{\"kind\":\"operation\",\"id\":\"019aa4f2c3d07c0fa1b2c3d4e5f60718\",\"verb\":\"v\","
          "\"object\":{\"kind\":\"image\",\"name\":\"x\"},\"state\":\"done\","
          "\"progress\":{\"step\":\"\",\"done\":0,\"total\":null},\"error\":null,"
          "\"result\":{\"anything\":[1,{\"at\":\"all\"}]},\"created_at\":\"2026-11-21T09:44:00."
          "123Z\","
          "\"finished_at\":null,\"cancellable\":false}",
          NULL, "", "");
}

static void test_members(void **state) {
    check("InstanceCreate", "{}", "image", "missing", "the name or id of an image");
    check("InstanceCreate", "{\"image\":\"a\",\"imgae\":1}", "imgae", "no such member", "image");
    check("InstanceCreate", "{\"image\":\"a\",\"limits\":{\"memory\":1}}", "limits.memory",
          "no such member", "memory_bytes, ");
    check("InstanceCreate",
          "{\"image\":\"a\",\"mounts\":[{\"type\":\"bind\",\"destination\":\"/a\"},"
          "{\"type\":\"bnid\",\"destination\":\"/b\"}]}",
          "mounts[1].type", "not a word", "one of \"volume\", \"bind\", \"tmpfs\"");
    check("InstanceCreate", "{\"image\":\"a\",\"labels\":{\"a b\":\"\"}}", "labels.a b", "name",
          "a label key");
    check("InstancePatch", "{\"name\":\"b\"}", "name", "no such member", "labels, limits");
}

static void test_types(void **state) {
    check("InstanceCreate", "[]", "request body", "it is a list", "an object");
    check("InstanceCreate", "null", "request body", "it is null", "an object");
    check("InstanceCreate", "{\"image\":null}", "image", "it is null", "image");
    check("InstanceCreate", "{\"image\":\"a\",\"terminal\":1}", "terminal", "a whole number",
          "true or false");
    check("InstanceCreate", "{\"image\":\"a\",\"args\":\"sh\"}", "args", "a string",
          "a list of at most 4096 items");
    check("InstanceCreate", "{\"image\":\"a\",\"args\":[\"sh\",1]}", "args[1]", "a whole number",
          "a string");
    check("InstanceCreate", "{\"image\":\"a\",\"limits\":{\"pids\":1.5}}", "limits.pids",
          "a number", "a whole number from 1 to 4194304");
}

static void test_ranges(void **state) {
    check("Limits", "{\"pids\":0}", "pids", "too small", "from 1 to 4194304");
    check("Limits", "{\"pids\":9223372036854775807}", "pids", "too large", "from 1");
    check("Limits", "{\"cpus\":0.001}", "cpus", "too small", "from 0.01");
    check("Limits", "{\"cpuset\":\"\"}", "cpuset", "empty", "a list of CPUs");
    check("LogLimits", "{\"files\":101}", "files", "too large", "100");
    check("Mount", "{\"type\":\"bind\",\"source\":\"\",\"destination\":\"/\"}", "source", "empty",
          "4096 bytes");
    check("Event",
          "{\"sequence\":1,\"time\":\"yesterday\",\"type\":\"\",\"object\":{\"kind\":\"image\","
          "\"name\":\"\"},\"detail\":{}}",
          "time", "not a time", "2026-11-21");
    struct str many auto_str = {0};
    str_add(&many, "{\"cap_add\":[\"ALL\"");
    for (int i = 0; i < 64; i++) str_add(&many, ",\"ALL\"");
    str_add(&many, "],\"image\":\"a\"}");
    check("InstanceCreate", str_text(&many), "cap_add", "65 items are too many", "64");
}

static void test_names(void **state) {
    const char *const good[] = {"\"a\"", "\"web-1.x_y\"", "\"9\""};
    const char *const bad[] = {"\"\"",    "\"-a\"",       "\".\"",    "\"..\"",      "\"a/b\"",
                               "\"a b\"", "\"\xc3\xa4\"", "\"a\\n\"", "\"a\\u0001\""};
    for (size_t i = 0; i < array_len(good); i++) check("Name", good[i], NULL, "", "");
    for (size_t i = 0; i < array_len(bad); i++)
        check("Name", bad[i], "request body", "the value", "a name: 1 to 63");
    char longest[80] = "\"", too_long[80] = "\"";
    memset(longest + 1, 'a', 63), strcpy(longest + 64, "\"");
    memset(too_long + 1, 'a', 64), strcpy(too_long + 65, "\"");
    check("Name", longest, NULL, "", "");
    check("Name", too_long, "request body", "form", "63");
}

static void test_depth(void **state) {
    struct str deep auto_str = {0};
    str_add(&deep, "{\"sequence\":1,\"time\":\"2026-11-21T09:44:00Z\",\"type\":\"\",\"object\":"
                   "{\"kind\":\"image\",\"name\":\"\"},\"detail\":{\"a\":");
    for (int i = 0; i < 500; i++) str_add(&deep, "[");
    for (int i = 0; i < 500; i++) str_add(&deep, "]");
    str_add(&deep, "}}");
    json_t *value = json_loads(str_text(&deep), 0, NULL);
    struct err err = {0};
    assert_true(api_validate(api_schema_by_name("Event"), value, &err) < 0);
    assert_non_null(strstr(err.cause, "nested too deeply"));
    json_decref(value);
    assert_true(api_validate(api_schema_by_name("Event"), NULL, &err) < 0);
}

static int text(enum api_op op, const char *name, const char *value, struct err *err) {
    for (size_t i = 0; i < api_operations[op].n_query; i++)
        if (!strcmp(api_operations[op].query[i].name, name))
            return api_validate_text("query parameter", &api_operations[op].query[i], value, err);
    fail_msg("no parameter %s", name);
    return 0;
}

static void test_text(void **state) {
    struct err err = {0};
    const char *const numbers[] = {"",    "-",  "1.5", " 1", "1 ",
                                   "0x1", "+1", "601", "-1", "99999999999999999999999"};
    for (size_t i = 0; i < array_len(numbers); i++)
        assert_true(text(API_INSTANCE_START, "wait", numbers[i], &err) < 0);
    assert_string_equal(err.object, "query parameter wait");
    assert_string_equal(err.next, "give a whole number from 0 to 600");
    assert_int_equal(text(API_INSTANCE_START, "wait", "600", &err), 0);
    assert_int_equal(text(API_INSTANCE_DELETE, "force", "true", &err), 0);
    assert_int_equal(text(API_INSTANCE_DELETE, "force", "0", &err), 0);
    assert_true(text(API_INSTANCE_DELETE, "force", "yes", &err) < 0);
    assert_int_equal(text(API_INSTANCE_EXEC, "env", "A=b=c", &err), 0);
    assert_true(text(API_INSTANCE_EXEC, "env", "=b", &err) < 0);
    assert_int_equal(text(API_INSTANCE_LOGS, "since", "2026-11-21T09:44:00+02:00", &err), 0);
    assert_true(text(API_INSTANCE_LOGS, "since", "10m", &err) < 0);
}

static void test_tables(void **state) {
    for (int i = 0; i < API_OP_COUNT; i++) {
        const struct api_operation *op = &api_operations[i];
        assert_true(op->id && op->path[0] == '/' && op->summary[0]);
        assert_false(op->body_required && !op->body);
    }
    assert_string_equal(api_operations[API_INSTANCE_CREATE].id, "instance.create");
    assert_null(api_schema_by_name("Nothing"));
    assert_non_null(strstr(api_openapi, "\"openapi\":\"3.1.0\""));
    assert_int_equal(strlen(api_openapi), api_openapi_size);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_members), cmocka_unit_test(test_types),
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_names),   cmocka_unit_test(test_depth),
        cmocka_unit_test(test_text),   cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
