// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include "../base/cmocka_test.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/filter.h"
#include "cli/help.h"

#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", COLUMN_TEXT},
    {"SIZE", "size", COLUMN_SIZE},
    {"AGE", "at", COLUMN_AGE},
    {"ID", "inner.id", COLUMN_ID},
};
static const struct listing listing = {columns, array_len(columns), "name"};

static struct output people(int width) {
    struct output output = {.format = OUTPUT_TABLE, .width = width};
    assert_int_equal(time_parse("2026-11-21T10:00:00Z", &output.now_ns), 0);
    return output;
}

static void expect_table(int width, const char *json, const char *want) {
    auto_str struct str text = {0};
    struct output output = people(width);
    json_t *items = json_loads(json, 0, NULL);
    assert_non_null(items);
    output_table(&output, &listing, items, &text);
    assert_string_equal(str_text(&text), want);
    json_decref(items);
}

static void test_tables(void **state) {
    expect_table(0, "[]", "NAME  SIZE  AGE  ID\n");
    expect_table(0,
                 "[{\"name\":\"a\",\"size\":1536,\"at\":\"2026-11-21T09:59:00Z\",\"inner\":{\"id\":"
                 "\"sha256:0123456789abcdef\"}},{\"name\":\"b\\u001b[2J\\n\",\"size\":null}]",
                 "NAME           SIZE  AGE    ID\n"
                 "a           1.5 KiB  1 min  0123456789ab\n"
                 "b\\x1b[2J\\n        -  -      -\n");
}

static void test_tables_are_cut_to_the_terminal(void **state) {
    expect_table(30, "[{\"name\":\"a-name-that-is-too-long\",\"size\":1}]",
                 "NAME             SIZE  AGE  ID\n"
                 "a-name-that-is…   1 B  -    -\n");
    // Below the narrowest nothing more is cut.
    expect_table(3, "[{\"name\":\"a-name-that-is-too-long\",\"size\":1}]",
                 "NAME      SIZE  AGE  ID\n"
                 "a-name-…   1 B  -    -\n");
}

static void test_widths(void **state) {
    assert_int_equal(output_text_width("abc"), 3);
    assert_int_equal(output_text_width("Füße"), 4);
    assert_int_equal(output_text_width("日本"), 4);
    assert_int_equal(output_text_width("e\xcc\x81"), 1);
    assert_int_equal(output_text_width("\xff\xc3"), 2); // not UTF-8: a column each
    assert_int_equal(output_text_width("\xf0\x9f"), 2);
}

static void test_escapes(void **state) {
    auto_str struct str text = {0};
    output_escape(&text, "a\x1b[0m\x7f\tö\xc2\x9b"
                         "1\r");
    assert_string_equal(str_text(&text), "a\\x1b[0m\\x7f\\tö\\x9b1\\x0d");
}

static void test_csv(void **state) {
    static const struct column two[] = {{"A", "a", COLUMN_TEXT}, {"B", "b.c", COLUMN_SIZE}};
    static const struct listing both = {two, 2, "a"};
    auto_str struct str text = {0};
    json_t *row = json_loads("{\"a\":\"say \\\"x\\\", then\\r\\ny\",\"b\":{\"c\":1536}}", 0, NULL);
    output_csv_header(&both, &text);
    output_csv_row(&both, row, &text);
    json_decref(row);
    row = json_loads("{\"a\":[\"x\",\"y\"],\"b\":null}", 0, NULL);
    output_csv_row(&both, row, &text);
    json_decref(row);
    row = json_loads("{\"a\":{\"k\":\"v\",\"l\":true},\"b\":{\"c\":1.5}}", 0, NULL);
    output_csv_row(&both, row, &text);
    json_decref(row);
    assert_string_equal(str_text(&text), "a,b.c\r\n\"say \"\"x\"\", then\r\ny\",1536\r\n"
                                         "\"x, y\",\r\nk=v l=true,1.5\r\n");
}

static void expect_yaml(const char *json, const char *want) {
    auto_str struct str text = {0};
    struct err err = {0};
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_int_equal(output_yaml(value, &text, &err), 0);
    assert_string_equal(str_text(&text), want);
    json_decref(value);
}

static void test_yaml_quotes_what_could_be_taken_for_something_else(void **state) {
    expect_yaml(
        "{\"a\":\"web\",\"b\":\"yes\",\"c\":\"12\",\"d\":\"\",\"e\":null,\"f\":true,\"g\":12,"
        "\"h\":[],\"i\":{},\"no\":\"2026-11-21T09:44:00Z\"}",
        "a: web\nb: \"yes\"\nc: \"12\"\nd: \"\"\ne: null\nf: true\ng: 12\nh: []\ni: {}\n"
        "\"no\": \"2026-11-21T09:44:00Z\"\n");
    expect_yaml("{\"a\":1e30,\"b\":0.5}", "a: 1.0e+30\nb: 0.5\n");
    expect_yaml("{\"a\":\"\\u001b[2J\"}", "a: \"\\e[2J\"\n");
    expect_yaml("[{\"a\":[1,2]}]", "- a:\n  - 1\n  - 2\n");
}

static void test_formats_by_name(void **state) {
    enum output_format format;
    struct err err = {0};
    assert_int_equal(output_format_parse("csv", &format, &err), 0);
    assert_int_equal(format, OUTPUT_CSV);
    assert_true(output_format_parse("xml", &format, &err) < 0);
    assert_int_equal(err.kind, ERR_INVALID);
}

static bool matches(const char *filter, const char *json) {
    static const struct cli_flag flag = {.name = "filter"};
    struct args_flag given = {.flag = &flag, .value = filter};
    struct args args = {0};
    args.flags.items = &given;
    args.flags.len = 1;
    json_t *object = json_loads(json, 0, NULL);
    bool result = filter_match(&args, &listing, object);
    json_decref(object);
    return result;
}

static void test_filters(void **state) {
    static const char object[] =
        "{\"name\":\"web-1\",\"size\":12,\"inner\":{\"id\":\"x\",\"on\":true},"
        "\"labels\":{\"tier\":\"front\",\"empty\":\"\"}}";
    assert_true(matches("name=web-1", object));
    assert_true(matches("name=web-*", object));
    assert_false(matches("name=web", object));
    assert_true(matches("id=x", object)); // by the last word of its path
    assert_true(matches("inner.id=x", object));
    assert_true(matches("inner.on=true", object));
    assert_true(matches("size=12", object));
    assert_true(matches("label=tier", object));
    assert_true(matches("label=tier=f*", object));
    assert_false(matches("label=tier=back", object));
    assert_false(matches("label=tie", object));
    assert_true(matches("label=empty=", object));
    assert_false(matches("nonsense", object));
}

static void test_help_holds_lines_within_the_width(void **state) {
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        auto_str struct str text = {0};
        help_command(&text, &cli_commands[i], 80);
        const char *examples = strstr(str_text(&text), "\nExamples:");
        for (char *line = text.data, *end; line && line < (examples ? examples : line);
             line = end + 1) {
            end = strchr(line, '\n');
            if (!end) break;
            *end = '\0';
            assert_true(output_text_width(line) <= 80);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_tables_are_cut_to_the_terminal),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_yaml_quotes_what_could_be_taken_for_something_else),
        cmocka_unit_test(test_formats_by_name),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_help_holds_lines_within_the_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
