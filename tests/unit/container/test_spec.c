// SPDX-License-Identifier: Apache-2.0
// config.json: what is taken, what is refused, and with which words.
#include "execution/container/spec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PROCESS "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"}"

static int parse(const char *json, struct oci_spec **ret, struct err *err) {
    *ret = NULL;
    err_clear(err);
    return oci_spec_parse(json, strlen(json), ret, err);
}

static struct oci_spec *good(const char *json) {
    struct oci_spec *spec;
    struct err err = {0};
    if (parse(json, &spec, &err) < 0) fail_msg("%s: %s", json, err.cause);
    return spec;
}

static void test_whole(void **state) {
    struct oci_spec *s =
        good("{\"ociVersion\":\"1.0.2\",\"unknown\":[1,{}],\"hostname\":\"h\",\"annotations\":{"
             "\"k\":\"v\"},"
             "\"process\":{\"args\":[\"a\",\"b\"],\"cwd\":\"/"
             "\",\"user\":{\"uid\":4294967295,\"additionalGids\":[1,2]},"
             "\"rlimits\":[{\"type\":\"T\",\"soft\":1,\"hard\":18446744073709551615}],"
             "\"oomScoreAdj\":-5},"
             "\"mounts\":[{\"destination\":\"/"
             "x\",\"options\":[\"ro\"]}],\"hooks\":{\"poststop\":[{\"path\":\"/p\"}]},"
             "\"linux\":{\"resources\":{\"pids\":{\"limit\":9},\"memory\":{\"limit\":-1,"
             "\"disableOOMKiller\":true}}}}");
    assert_string_equal(s->oci_version, "1.0.2");
    assert_string_equal(s->hostname, "h");
    assert_null(s->domainname);
    assert_string_equal(oci_spec_annotation(s, "k"), "v");
    assert_null(oci_spec_annotation(s, "v"));
    assert_int_equal(s->process->args.len, 2);
    assert_string_equal(s->process->args.items[1], "b");
    assert_null(s->process->args.items[2]);
    assert_int_equal(s->process->user.uid, 4294967295u);
    assert_int_equal(s->process->user.additional_gids.len, 2);
    assert_int_equal(s->process->user.additional_gids.items[1], 2);
    assert_true(s->process->rlimits.items[0].hard == UINT64_MAX);
    assert_true(s->process->oom_score_adj.set);
    assert_int_equal(s->process->oom_score_adj.value, -5);
    assert_int_equal(s->mounts.len, 1);
    assert_null(s->mounts.items[0].type);
    assert_string_equal(s->hooks->poststop.items[0].path, "/p");
    assert_int_equal(s->linux_.resources->pids_limit.value, 9);
    assert_int_equal(s->linux_.resources->memory->limit.value, -1);
    assert_true(s->linux_.resources->memory->disable_oom_killer.value);
    assert_false(s->linux_.resources->memory->swap.set);
    oci_spec_free(s);
}

static void test_large_numbers(void **state) {
    struct oci_spec *s =
        good("{\"ociVersion\":\"18446744073709551615\",\"hostname\":\"a\\\"9999999999999999999\","
             "\"process\":{\"cwd\":\"/\",\"rlimits\":[{\"type\":\"T\",\"soft\":9223372036854775807,"
             "\"hard\":9223372036854775808}]}}");
    assert_string_equal(s->oci_version, "18446744073709551615");
    assert_string_equal(s->hostname, "a\"9999999999999999999");
    assert_true(s->process->rlimits.items[0].soft == INT64_MAX);
    assert_true(s->process->rlimits.items[0].hard >= UINT64_C(9223372036854775000));
    oci_spec_free(s);
}

static void test_null_is_absent(void **state) {
    struct oci_spec *s =
        good("{\"ociVersion\":\"1\",\"mounts\":null,\"linux\":null,\"hooks\":null}");
    assert_int_equal(s->mounts.len, 0);
    assert_null(s->hooks);
    oci_spec_free(s);
}

static void test_refused(void **state) {
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"", "line 1"},
        {"{", "line 1"},
        {"{}{}", "line 1"},
        {"[]", "the document is a list, expected an object"},
        {"{}", "ociVersion is missing"},
        {"{\"ociVersion\":1}", "ociVersion is a whole number, expected a string"},
        {"{\"ociVersion\":\"1\",\"ociVersion\":\"2\"}", "duplicate"},
        {"{\"ociVersion\":\"1\\u0000x\"}", "NUL"},
        {"{\"ociVersion\":\"1\",\"process\":7}", "process is a whole number, expected an object"},
        {"{\"ociVersion\":\"1\",\"process\":{}}", "process.cwd is missing"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"args\":\"sh\"}}",
         "process.args is a string, expected a list of strings"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\",null]}}",
         "process.args[1] is null, expected a string"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":-1}}}",
         "process.user.uid is -1, expected 0 to 4294967295"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"user\":{\"gid\":4294967296}}}",
         "process.user.gid is 4294967296"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"terminal\":\"yes\"}}",
         "process.terminal is a string, expected true or false"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"oomScoreAdj\":1.5}}",
         "process.oomScoreAdj is a fraction, expected a whole number"},
        {"{\"ociVersion\":\"1\",\"mounts\":[{\"destination\":\"/\"},{\"type\":\"x\"}]}",
         "mounts[1].destination is missing"},
        {"{\"ociVersion\":\"1\",\"annotations\":{\"a\":1}}",
         "annotations.a is a whole number, expected a string"},
        {"{\"ociVersion\":\"1\",\"linux\":{\"resources\":{\"pids\":{\"limit\":\"9\"}}}}",
         "linux.resources.pids.limit is a string"},
        {"{\"ociVersion\":\"1\",\"linux\":{\"seccomp\":{\"defaultAction\":\"A\",\"syscalls\":[{"
         "\"names\":[\"a\"]}]}}}",
         "linux.seccomp.syscalls[0].action is missing"},
        {"{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/"
         "\",\"rlimits\":[{\"type\":\"T\",\"soft\":1,\"hard\":99999999999999999999}]}}",
         "process.rlimits[0].hard"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct oci_spec *spec;
        struct err err;
        assert_true(parse(cases[i].json, &spec, &err) < 0);
        assert_null(spec);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.object, "config.json");
        if (!strstr(err.cause, cases[i].words))
            fail_msg("'%s' not in '%s'", cases[i].words, err.cause);
    }
}

static void test_every_cut(void **state) {
    static const char json[] = "{\"ociVersion\":\"1.0\"," PROCESS ",\"root\":{\"path\":\"r\"},"
                               "\"linux\":{\"sysctl\":{\"a\":\"b\"}}}";
    for (size_t n = 0; n < sizeof(json) - 1; n++) {
        struct oci_spec *spec = NULL;
        struct err err = {0};
        assert_true(oci_spec_parse(json, n, &spec, &err) < 0);
        assert_null(spec);
    }
}

static void test_process(void **state) {
    struct oci_spec *s = good("{\"ociVersion\":\"1\"," PROCESS "}");
    struct oci_process *p = NULL;
    struct err err = {0};
    static const char json[] = "{\"args\":[\"x\"],\"cwd\":\"/c\",\"user\":{\"username\":\"u\"}}";
    assert_int_equal(oci_process_parse(s, json, sizeof(json) - 1, &p, &err), 0);
    assert_string_equal(p->cwd, "/c");
    assert_string_equal(p->user.username, "u");
    assert_true(oci_process_parse(s, "{\"args\":1,\"cwd\":\"/\"}", 20, &p, &err) < 0);
    assert_non_null(strstr(err.cause, "process.args is a whole number"));
    oci_spec_free(s);
    oci_spec_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),          cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_null_is_absent), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_every_cut),      cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
