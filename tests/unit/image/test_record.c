// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/record.h"

#include "execution/container/image/json.h"
#include "image_test.h"

#include <stdlib.h>
#include <string.h>

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D "\"]}"

static void test_config_full(void **state) {
    const char *text =
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2026-01-02T03:04:05.5+02:00\","
        "\"config\":{\"Entrypoint\":[\"/"
        "e\"],\"Cmd\":null,\"Env\":[\"A=b=c\",\"EMPTY\"],\"User\":\"www\","
        "\"WorkingDir\":\"srv\",\"Labels\":{\"k\":\"v\"},\"ExposedPorts\":{\"80/tcp\":{}},"
        "\"Volumes\":{\"/data\":{}},\"StopSignal\":\"SIGINT\"}," ROOTFS
        ",\"history\":[{\"created_by\":\"RUN x\",\"empty_layer\":true}]}";
    struct image_config c;
    assert_int_equal(config_parse(text, strlen(text), "c", &c, NULL), 0);
    assert_string_equal(c.created, "2026-01-02T01:04:05.500Z");
    assert_int_equal(c.diff_ids.len, 1);
    auto_free char *line = json_line(c.config);
    assert_string_equal(line, "{\"cmd\":[],\"entrypoint\":[\"/e\"],\"env\":[\"A=b=c\",\"EMPTY=\"],"
                              "\"exposed_ports\":[\"80/tcp\"],\"labels\":{\"k\":\"v\"},"
                              "\"stop_signal\":\"INT\",\"user\":\"www\",\"volumes\":[\"/data\"],"
                              "\"working_dir\":\"/srv\"}");
    assert_int_equal(json_array_size(c.history), 1);
    config_free(&c);
}

static void test_config_least(void **state) {
    struct image_config c;
    assert_int_equal(config_parse("{" ROOTFS "}", strlen("{" ROOTFS "}"), "c", &c, NULL), 0);
    assert_string_equal(c.created, "1970-01-01T00:00:00.000Z");
    assert_string_equal(json_string_value(json_object_get(c.config, "working_dir")), "/");
    assert_string_equal(json_string_value(json_object_get(c.config, "stop_signal")), "TERM");
    config_free(&c);
}

static void test_config_bad(void **state) {
    static const char *const table[][2] = {
        {"{}", "lacks 'rootfs'"},
        {"{\"rootfs\":{\"diff_ids\":[\"x\"]}}", "no sha256 digest"},
        {"{\"config\":[]," ROOTFS "}", "not an object"},
        {"{\"config\":{\"Env\":[1]}," ROOTFS "}", "more than strings"},
        {"{\"config\":{\"Env\":[\"=x\"]}," ROOTFS "}", "without a name"},
        {"{\"config\":{\"Cmd\":\"sh\"}," ROOTFS "}", "not a list"},
        {"{\"config\":{\"User\":\"a\\nb\"}," ROOTFS "}", "control characters"},
        {"{\"config\":{\"StopSignal\":\"SIGFOO\"}," ROOTFS "}", "no signal"},
        {"{\"config\":{\"Labels\":{\"a\":1}}," ROOTFS "}", "more than strings"},
        {"{\"architecture\":7," ROOTFS "}", "not a string"},
    };
    for (size_t i = 0; i < array_len(table); i++) {
        struct image_config c;
        struct err err = {0};
        assert_true(config_parse(table[i][0], strlen(table[i][0]), "c", &c, &err) < 0);
        if (!strstr(err.cause, table[i][1])) fail_msg("%s: said '%s'", table[i][0], err.cause);
    }
}

static void test_config_too_large(void **state) {
    auto_str struct str s = {0};
    struct image_config c;
    struct err err = {0};
    str_add(&s, "{\"config\":{\"Env\":[\"A=");
    for (int i = 0; i < 100000; i++) str_add_char(&s, 'x');
    str_add(&s, "\"]}," ROOTFS "}");
    assert_true(config_parse(s.data, s.len, "c", &c, &err) < 0);
    assert_non_null(strstr(err.cause, "too long"));
}

static void test_real_time_signal(void **state) {
    struct image_config c;
    const char *text = "{\"config\":{\"StopSignal\":\"SIGRTMIN+3\"}," ROOTFS "}";
    assert_int_equal(config_parse(text, strlen(text), "c", &c, NULL), 0);
    assert_string_equal(json_string_value(json_object_get(c.config, "stop_signal")), "RTMIN+3");
    config_free(&c);
}

static void test_round_trip(void **state) {
    struct image_record r = {.size_bytes = 42}, again;
    struct record_layer layer = {.size_bytes = 7, .dir = "0123456789abcdef01234567"};
    const char *text = "{\"architecture\":\"arm64\",\"os\":\"linux\"," ROOTFS "}";
    assert_int_equal(config_parse(text, strlen(text), "c", &r.config, NULL), 0);
    digest_parse(D, &r.id);
    digest_parse(D, &r.manifest);
    digest_parse(D, &layer.digest);
    digest_parse(D, &layer.diff_id);
    vec_add(&r.layers, layer);
    assert_true(record_add_name(&r, "a:1"));
    assert_false(record_add_name(&r, "a:1"));
    assert_false(record_add_name(&r, "no name"));
    auto_json json_t *json = record_to_json(&r);
    auto_free char *line = json_line(json);
    assert_int_equal(record_parse(line, strlen(line), "r", &again, NULL), 0);
    auto_json json_t *json_again = record_to_json(&again);
    assert_true(json_equal(json, json_again));
    assert_int_equal(again.size_bytes, 42);
    assert_string_equal(again.layers.items[0].dir, layer.dir);
    assert_string_equal(again.names.items[0], "a:1");
    record_free(&again);
    record_free(&r);
}

static void test_record_bad_dir(void **state) {
    const char *text =
        "{\"id\":\"" D "\",\"manifest_digest\":\"" D "\",\"size_bytes\":1,\"created\":\"\","
        "\"architecture\":\"\",\"os\":\"\",\"config\":{},\"history\":[],\"names\":[],"
        "\"layers\":[{\"digest\":\"" D "\",\"diff_id\":\"" D
        "\",\"size_bytes\":1,\"dir\":\"../../../../../../../etc\"}]}";
    struct image_record r;
    struct err err = {0};
    assert_true(record_parse(text, strlen(text), "r", &r, &err) < 0);
    assert_non_null(strstr(err.cause, "no directory's name"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_config_full),
                                       cmocka_unit_test(test_config_least),
                                       cmocka_unit_test(test_config_bad),
                                       cmocka_unit_test(test_config_too_large),
                                       cmocka_unit_test(test_real_time_signal),
                                       cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_record_bad_dir)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
