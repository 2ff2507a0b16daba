// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/manifest.h"

#include "image_test.h"

#include <string.h>

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define BLOB "{\"digest\":\"" D "\",\"size\":5}"

static void test_manifest_good(void **state) {
    struct manifest m;
    const char *text =
        "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[" BLOB "," BLOB "],\"x\":1}";
    assert_int_equal(manifest_parse(text, strlen(text), "m", &m, NULL), 0);
    assert_int_equal(m.layers.len, 2);
    assert_int_equal(m.layers.items[1].size, 5);
    assert_string_equal(m.config.digest.text, D);
    manifest_free(&m);
}

// text, what the refusal says
static void test_manifest_bad(void **state) {
    static const char *const table[][2] = {
        {"", "not valid"},
        {"[]", "not an object"},
        {"{\"schemaVersion\":2} x", "not valid"},
        {"{\"config\":" BLOB ",\"layers\":[]}", "lacks 'schemaVersion'"},
        {"{\"schemaVersion\":1,\"config\":" BLOB ",\"layers\":[]}", "schema version 1"},
        {"{\"schemaVersion\":\"2\",\"config\":" BLOB ",\"layers\":[]}", "not a whole number"},
        {"{\"schemaVersion\":2,\"layers\":[]}", "lacks 'config'"},
        {"{\"schemaVersion\":2,\"config\":" BLOB "}", "lacks 'layers'"},
        {"{\"schemaVersion\":2,\"config\":[],\"layers\":[]}", "not an object"},
        {"{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":{}}", "not a list"},
        {"{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[1]}", "not an object"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D "\"},\"layers\":[]}", "lacks 'size'"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D "\",\"size\":-1},\"layers\":[]}",
         "range"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D "\",\"size\":1.5},\"layers\":[]}",
         "whole"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"" D
         "\",\"size\":99999999999999},\"layers\":[]}",
         "range"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"../x\",\"size\":1},\"layers\":[]}",
         "not a digest"},
        {"{\"schemaVersion\":2,\"config\":{\"digest\":\"sha512:0\",\"size\":1},\"layers\":[]}",
         "other than sha256"},
        {"{\"schemaVersion\":2,\"schemaVersion\":2}", "duplicate"},
        {"{\"schemaVersion\":2,\"a\":\"\\u0000\"}", "not valid"},
    };
    for (size_t i = 0; i < array_len(table); i++) {
        struct manifest m;
        struct err err = {0};
        assert_true(manifest_parse(table[i][0], strlen(table[i][0]), "m", &m, &err) < 0);
        if (!strstr(err.cause, table[i][1])) fail_msg("%s: said '%s'", table[i][0], err.cause);
    }
}

static void test_manifest_too_many_layers(void **state) {
    struct manifest m;
    struct err err = {0};
    auto_str struct str s = {0};
    str_add(&s, "{\"schemaVersion\":2,\"config\":" BLOB ",\"layers\":[" BLOB);
    for (int i = 0; i < MANIFEST_LAYERS_MAX; i++) str_add(&s, "," BLOB);
    str_add(&s, "]}");
    assert_true(manifest_parse(s.data, s.len, "m", &m, &err) < 0);
    assert_non_null(strstr(err.cause, "more than 128 layers"));
}

static void test_index(void **state) {
    struct image_index index;
    auto_str struct str s = {0};
    str_printf(&s,
               "{\"schemaVersion\":2,\"manifests\":["
               "{\"digest\":\"" D
               "\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}},"
               "{\"digest\":\"" D
               "\",\"size\":2,\"platform\":{\"os\":\"windows\",\"architecture\":\"%s\"}},"
               "{\"digest\":\"" D "\",\"size\":3,\"mediaType\":\"application/x-other\"},"
               "{\"digest\":\"" D
               "\",\"size\":4,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
               "\"annotations\":{\"org.opencontainers.image.ref.name\":\"a/b:1\"}},"
               "{\"digest\":\"" D "\",\"size\":5,\"annotations\":"
               "{\"org.opencontainers.image.ref.name\":\"../../x\"}}]}",
               image_architecture(), image_architecture());
    assert_int_equal(index_parse(s.data, s.len, "i", &index, NULL), 0);
    assert_int_equal(index.entries.len, 3);
    assert_int_equal(index.n_other, 2);
    assert_true(index.entries.items[0].has_platform);
    assert_true(index.entries.items[1].is_index);
    assert_string_equal(index.entries.items[1].name, "a/b:1");
    assert_string_equal(index.entries.items[2].name, "");
    index_free(&index);
}

static void test_docker(void **state) {
    struct docker_manifest m;
    const char *good =
        "[{\"Config\":\"c.json\",\"RepoTags\":[\"a:1\",\"b c\"],\"Layers\":[\"l.tar\"]},"
        "{\"Config\":\"d.json\",\"RepoTags\":null,\"Layers\":[]}]";
    const char *bad[] = {"{}", "[1]", "[{\"Config\":1,\"Layers\":[]}]", "[{\"Config\":\"c\"}]",
                         "[{\"Config\":\"c\",\"Layers\":[1]}]"};
    assert_int_equal(docker_manifest_parse(good, strlen(good), "d", &m, NULL), 0);
    assert_int_equal(m.images.len, 2);
    assert_int_equal(m.images.items[0].names.len, 1); // "b c" is no name
    assert_string_equal(m.images.items[0].layers.items[0], "l.tar");
    docker_manifest_free(&m);
    for (size_t i = 0; i < array_len(bad); i++)
        assert_true(docker_manifest_parse(bad[i], strlen(bad[i]), "d", &m, NULL) < 0);
}

static void test_names(void **state) {
    static const char *const good[] = {"a", "debian:bookworm", "host:5000/a/b@sha256:0", "A_b-c.d"};
    static const char *const bad[] = {"",   "a b", "../a",   "/a",      "-a",
                                      ".a", "a\n", "a/../b", "\xc3\xa4"};
    for (size_t i = 0; i < array_len(good); i++) assert_true(image_name_ok(good[i]));
    for (size_t i = 0; i < array_len(bad); i++) assert_false(image_name_ok(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_manifest_good),
                                       cmocka_unit_test(test_manifest_bad),
                                       cmocka_unit_test(test_manifest_too_many_layers),
                                       cmocka_unit_test(test_index),
                                       cmocka_unit_test(test_docker),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
