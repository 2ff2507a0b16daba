// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include "../base/cmocka_test.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/fields.h"
#include "cli/spec.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 16

// Parses words of one text, separated by blanks, for a command of the real tables.
static int parse(struct args *args, const char *command, const char *text, struct err *err) {
    static char copy[512];
    char *words[MAX_WORDS + 1] = {NULL}, *save = NULL;
    int n = 0, used;
    args_free(args);
    *args = (struct args){0};
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *w = strtok_r(copy, " ", &save); w && n < MAX_WORDS; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    const struct cli_command *found = cli_command_find(command);
    assert_non_null(found);
    int r = args_parse(args, found, n, words, &used, err);
    return r < 0 ? r : args_check_count(args, err);
}

static void test_forms_of_flags(void **state) {
    auto_args struct args args = {0};
    struct err err = {0};
    static const char *const forms[] = {"--memory 512M x", "--memory=512M x", "-m 512M x",
                                        "-m512M x",        "-m=512M x",       "-itm 512M x",
                                        "-itm512M x"};
    for (size_t i = 0; i < array_len(forms); i++) {
        assert_int_equal(parse(&args, "create", forms[i], &err), 0);
        assert_string_equal(args_value(&args, "memory"), "512M");
        assert_string_equal(args.words.items[0], "x");
        assert_int_equal(args_has(&args, "tty"), strncmp(forms[i], "-it", 3) == 0);
    }
    assert_int_equal(parse(&args, "create", "--rm=false --tty --tty=false x", &err), 0);
    assert_false(args_has(&args, "rm"));
    assert_true(args_given(&args, "rm"));
    assert_false(args_has(&args, "tty")); // the last one counts
}

static void test_where_flags_end(void **state) {
    auto_args struct args args = {0};
    struct err err = {0};
    size_t n;
    assert_int_equal(parse(&args, "run", "-d busybox ls -l --all -d", &err), 0);
    assert_string_equal(args_words(&args, 0, &n)[0], "busybox");
    const char *const *rest = args_words(&args, 1, &n);
    assert_int_equal(n, 4);
    assert_string_equal(rest[3], "-d");
    // Other commands take flags behind their words, until "--".
    assert_int_equal(parse(&args, "rm", "a -f b", &err), 0);
    assert_true(args_has(&args, "force"));
    assert_int_equal(args.words.len, 2);
    assert_int_equal(parse(&args, "rm", "a -- -f", &err), 0);
    assert_false(args_has(&args, "force"));
    assert_string_equal(args.words.items[1], "-f");
    assert_int_equal(parse(&args, "image import", "-", &err), 0);
    assert_string_equal(args.words.items[0], "-");
}

static void expect_bad(const char *command, const char *text, const char *object,
                       const char *next) {
    auto_args struct args args = {0};
    struct err err = {0};
    assert_true(parse(&args, command, text, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
    if (!strstr(err.object, object) || !strstr(err.next, next))
        print_error("%s %s: \"%s\" \"%s\" \"%s\"\n", command, text, err.object, err.cause,
                    err.next);
    assert_non_null(strstr(err.object, object));
    assert_non_null(strstr(err.next, next));
}

static void test_bad_lines_say_what_is_wrong(void **state) {
    expect_bad("run", "--memoyr 1 x", "flag --memoyr", "--memory");
    expect_bad("run", "--memory=", "flag --memory", "");
    expect_bad("run", "--memory", "flag --memory", "--memory SIZE");
    expect_bad("run", "-m", "flag --memory", "--memory SIZE");
    expect_bad("run", "-Z x", "flag -Z", "--help");
    expect_bad("run", "-dZ x", "flag -Z", "");
    expect_bad("run", "--detach=maybe x", "flag --detach", "--detach=false");
    expect_bad("run", "--cpus 1.5.2 x", "flag --cpus", "");
    expect_bad("run", "--pids-limit 99999999999999999999 x", "flag --pids-limit", "");
    expect_bad("run", "--level contaner x", "flag --level", "container");
    expect_bad("run", "--stop-signal BANG x", "flag --stop-signal", "TERM");
    expect_bad("run", "-l novalue x", "flag --label", "KEY=VALUE");
    expect_bad("run", "", "argument IMAGE", "usage: trine run");
    expect_bad("ps", "web", "argument \"web\"", "usage: trine ps");
    expect_bad("image tag", "one", "argument NAME", "usage");
}

static json_t *body_of(const char *command, const char *text) {
    auto_args struct args args = {0};
    struct err err = {0};
    json_t *body = NULL;
    assert_int_equal(parse(&args, command, text, &err), 0);
    assert_int_equal(spec_body(&args, &body, &err), 0);
    return body;
}

static void expect_body(const char *command, const char *text, const char *json) {
    json_t *body = body_of(command, text), *want = json_loads(json, 0, NULL);
    assert_non_null(want);
    if (!json_equal(body, want)) print_error("%s\n", json_dumps(body, JSON_COMPACT));
    assert_true(json_equal(body, want));
    json_decref(body);
    json_decref(want);
}

static void test_bodies_from_the_tables(void **state) {
    expect_body("create", "x", "{\"image\":\"x\"}");
    expect_body("create", "-m 1G --cpus 0.5 --cpu-shares 7 x sh -c y",
                "{\"image\":\"x\",\"args\":[\"sh\",\"-c\",\"y\"],"
                "\"limits\":{\"memory_bytes\":1073741824,\"cpus\":0.5,\"cpu_shares\":7}}");
    expect_body("create", "--stop-timeout 1500ms --log-max-size 1M --rm x",
                "{\"image\":\"x\",\"stop_timeout_ms\":1500,\"log\":{\"max_bytes\":1048576},"
                "\"remove_on_exit\":true}");
    expect_body(
        "create", "--cap-add A --cap-add B -l k=v=w -l e= x",
        "{\"image\":\"x\",\"cap_add\":[\"A\",\"B\"],\"labels\":{\"k\":\"v=w\",\"e\":\"\"}}");
    expect_body(
        "create", "-v d:/x:ro,nosuid --tmpfs /t x",
        "{\"image\":\"x\",\"mounts\":[{\"type\":\"volume\",\"source\":\"d\",\"destination\":"
        "\"/x\",\"options\":[\"ro\",\"nosuid\"]},{\"type\":\"tmpfs\",\"destination\":\"/t\","
        "\"options\":[]}]}");
    setenv("TRINE_TEST_SET", "from here", 1);
    unsetenv("TRINE_TEST_UNSET");
    expect_body("create", "-e A=1 -e TRINE_TEST_SET -e TRINE_TEST_UNSET -e B= x",
                "{\"image\":\"x\",\"env\":[\"A=1\",\"TRINE_TEST_SET=from here\",\"B=\"]}");
    expect_body("create", "--entrypoint /bin/sh x",
                "{\"image\":\"x\",\"entrypoint\":[\"/bin/sh\"]}");
}

static void test_bodies_must_be_text(void **state) {
    auto_args struct args args = {0};
    struct err err = {0};
    json_t *body = NULL;
    assert_int_equal(parse(&args, "create", "--name \xff\xfe x", &err), 0);
    assert_true(spec_body(&args, &body, &err) < 0);
    assert_null(body);
    assert_int_equal(parse(&args, "create", "-v :/x x", &err), 0);
    assert_true(spec_body(&args, &body, &err) < 0);
    assert_int_equal(parse(&args, "create", "-v d:x x", &err), 0);
    assert_true(spec_body(&args, &body, &err) < 0);
}

static void test_queries_from_the_tables(void **state) {
    auto_args struct args args = {0};
    auto_str struct str url = {0};
    struct err err = {0};
    assert_int_equal(parse(&args, "exec", "-it -w /a&b web echo x=y #", &err), 0);
    str_add(&url, "/exec");
    fields_query(&args, NULL, &url);
    assert_string_equal(str_text(&url),
                        "/exec?input=true&terminal=true&working_dir=%2Fa%26b&args=echo&"
                        "args=x%3Dy&args=%23");
}

static void test_every_command_can_be_found(void **state) {
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++)
        assert_ptr_equal(cli_command_find(cli_commands[i].name), &cli_commands[i]);
    assert_null(cli_command_find(""));
    assert_null(cli_command_find("zzz"));
    for (const struct cli_handler *h = cli_handlers; h->command; h++) // no handler without a table
        assert_non_null(cli_command_find(h->command));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_flags),
        cmocka_unit_test(test_where_flags_end),
        cmocka_unit_test(test_bad_lines_say_what_is_wrong),
        cmocka_unit_test(test_bodies_from_the_tables),
        cmocka_unit_test(test_bodies_must_be_text),
        cmocka_unit_test(test_queries_from_the_tables),
        cmocka_unit_test(test_every_command_can_be_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
