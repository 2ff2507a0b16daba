// SPDX-License-Identifier: Apache-2.0
// The small readers and writers of the command line: suggestions, targets, logs, events, progress,
// detach keys, problems.
#include "../base/cmocka_test.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/endpoint.h"
#include "cli/logline.h"
#include "cli/problem.h"
#include "cli/progress.h"
#include "cli/role.h"
#include "cli/sse.h"
#include "cli/suggest.h"
#include "cli/terminal.h"
#include "cli/url.h"

#include <errno.h>
#include <string.h>

static const char *nearest(const char *typed) {
    static const char *const words[] = {"start", "stats", "stop", "ps", "pause", "inspect", "rm"};
    struct suggest suggest = {.typed = typed};
    for (size_t i = 0; i < array_len(words); i++) suggest_offer(&suggest, words[i]);
    return suggest.best;
}

static void test_suggestions(void **state) {
    assert_int_equal(suggest_distance("", "abc"), 3);
    assert_int_equal(suggest_distance("abc", "abc"), 0);
    assert_int_equal(suggest_distance("kitten", "sitting"), 3);
    assert_int_equal(suggest_distance("psuae", "pause"), 2);
    assert_int_equal(suggest_distance("strat", "start"), 1); // neighbours swapped
    assert_string_equal(nearest("strat"), "start");
    assert_string_equal(nearest("stp"), "stop");
    assert_string_equal(nearest("insp"), "inspect");
    assert_string_equal(nearest("sp"), "ps");
    assert_null(nearest("frobnicate"));
    assert_null(nearest(""));
    assert_null(nearest("x"));
    char long_word[300];
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_null(nearest(long_word));
}

static void test_targets(void **state) {
    auto_str struct str url = {0};
    url_path(&url, "/v1/projects/{}/images/{}/tag", "default", "a/b:1?x#y%\xc3\xa4 ../");
    assert_string_equal(str_text(&url),
                        "/v1/projects/default/images/a%2Fb%3A1%3Fx%23y%25%C3%A4%20..%2F/tag");
    url_query(&url, "name", "x&y=z");
    url_query(&url, "none", NULL);
    url_query_bool(&url, "no", false);
    url_query_bool(&url, "yes", true);
    assert_true(str_ends(str_text(&url), "/tag?name=x%26y%3Dz&yes=true"));
}

static void collect(int stream, const char *text, size_t size, void *arg) {
    struct str *streams = arg;
    str_add_n(&streams[stream], text, size);
}

static void expect_log(bool timestamps, const char *text, const char *out, const char *err) {
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        struct str streams[3] = {0};
        struct logline log = {.timestamps = timestamps, .sink = collect, .arg = streams};
        for (size_t at = 0; at < strlen(text); at += piece)
            logline_push(&log, text + at, strnlen(text + at, piece));
        logline_finish(&log);
        assert_string_equal(str_text(&streams[1]), out);
        assert_string_equal(str_text(&streams[2]), err);
        str_free(&streams[1]);
        str_free(&streams[2]);
    }
}

static void test_logs(void **state) {
    expect_log(false, "T1 stdout F one\nT2 stderr F two\nT3 stdout F \nT4 stdout F a  b\n",
               "one\n\na  b\n", "two\n");
    expect_log(true, "T1 stdout F one\nT2 stderr F two\n", "T1 one\n", "T2 two\n");
    expect_log(true, "T1 stdout P on\nT2 stderr P x\nT3 stdout F e\nT4 stderr F y\n", "T1 one\n",
               "T2 xy\n");
    expect_log(false, "T1 stdout P cut off\n", "cut off\n", "");
    expect_log(false, "T1 stdout F no end", "no end\n", "");
    expect_log(false, "T1 stdout F\n", "\n", "");
    // What is not of the form is shown as it is.
    expect_log(false, "rubbish\n\nT1 stdin F x\nT1 stdout X y\n",
               "rubbish\n\nT1 stdin F x\nT1 stdout X y\n", "");
    expect_log(
        false,
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
        "567890123456789 stdout F x\nT1 stdout F ok\n",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
        "567890123456789 stdout F x\nok\n",
        "");
}

static int add_event(const char *event, const char *data, void *arg) {
    str_printf(arg, "%s=%s;", event, data);
    return strcmp(data, "stop") == 0 ? -ECANCELED : 0;
}

static void test_events(void **state) {
    static const char stream[] = ": hello\n\nid: 1\nevent: a\ndata: x\n\ndata:y\r\ndata: z\r\n\r\n"
                                 "event: none\n\nretry: 5\ndata\n\ndata: 3\r\rdata: lost";
    for (size_t piece = 1; piece < sizeof(stream); piece++) {
        auto_str struct str log = {0};
        auto_sse struct sse sse = {.fn = add_event, .arg = &log};
        for (size_t at = 0; at < sizeof(stream) - 1; at += piece)
            assert_int_equal(sse_push(&sse, stream + at, strnlen(stream + at, piece)), 0);
        assert_string_equal(str_text(&log), "a=x;=y\nz;=;=3;");
    }
    auto_str struct str log = {0};
    auto_sse struct sse sse = {.fn = add_event, .arg = &log};
    assert_int_equal(sse_push(&sse, "data: stop\n\ndata: x\n\n", 20), -ECANCELED);
    assert_string_equal(str_text(&log), "=stop;");
}

static void test_events_have_a_limit(void **state) {
    auto_str struct str log = {0};
    auto_sse struct sse sse = {.fn = add_event, .arg = &log};
    char block[4096];
    memset(block, 'x', sizeof(block));
    int r = sse_push(&sse, "data: ", 6);
    for (size_t sent = 0; r == 0 && sent < 2 * SSE_EVENT_MAX; sent += sizeof(block))
        r = sse_push(&sse, block, sizeof(block));
    assert_int_equal(r, -EMSGSIZE);
}

static void expect_progress(uint64_t done, uint64_t total, bool bytes, int64_t ms, int width,
                            const char *want) {
    auto_str struct str text = {0};
    progress_line(&text, "copying", done, total, bytes, ms * MSEC_NS, width);
    assert_string_equal(str_text(&text), want);
}

static void test_progress_lines(void **state) {
    expect_progress(0, 0, false, 0, 80, "copying");
    expect_progress(3, 0, false, 100, 80, "copying 3");
    expect_progress(1, 4, false, 100, 40, "copying [#####.................] 1 of 4");
    expect_progress(1 << 20, 4 << 20, true, 1000, 0, "copying 1 MiB of 4 MiB, 1 MiB/s, 3 s left");
    expect_progress(9, 4, false, 100, 30, "copying [############] 9 of 4");
    expect_progress(1 << 20, 4 << 20, true, 1000, 12, "copying"); // too narrow for more
}

static void test_progress_in_a_pipe_is_a_line_a_second(void **state) {
    struct clock_warp warp;
    char *text = NULL;
    size_t size;
    clock_warp_init(&warp, 0);
    struct progress progress = {.clock = &warp.clock, .file = open_memstream(&text, &size)};
    progress_update(&progress, "one", 1, 9, false);
    progress_update(&progress, "one", 2, 9, false); // too soon
    clock_warp_advance(&warp, SEC_NS);
    progress_update(&progress, "one", 3, 9, false);
    clock_warp_advance(&warp, SEC_NS);
    progress_update(&progress, "one", 3, 9, false); // nothing new
    progress_update(&progress, "two", 0, 0, false); // a new step is always said
    progress_end(&progress);
    fclose(progress.file);
    assert_string_equal(text, "one 1 of 9\none 3 of 9, 2 s left\ntwo\n");
    free(text);
}

static void test_detach_keys(void **state) {
    struct detach_keys keys;
    struct err err = {0};
    uint8_t out[64];
    size_t n;
    assert_int_equal(detach_keys_parse("ctrl-a,d", &keys, &err), 0);
    assert_int_equal(keys.count, 2);
    assert_false(detach_keys_filter(&keys, (const uint8_t *)"x\x01", 2, out, &n));
    assert_int_equal(n, 1); // the first key is held back
    assert_false(detach_keys_filter(&keys, (const uint8_t *)"y", 1, out, &n));
    assert_int_equal(n, 2);
    assert_memory_equal(out, "\x01y", 2);
    assert_false(detach_keys_filter(&keys, (const uint8_t *)"\x01\x01", 2, out, &n));
    assert_int_equal(n, 1);
    assert_true(detach_keys_filter(&keys, (const uint8_t *)"dz", 2, out, &n));
    assert_int_equal(n, 0);
    // Keys that begin like themselves: a a b in "a a a b".
    assert_int_equal(detach_keys_parse("a,a,b", &keys, &err), 0);
    assert_true(detach_keys_filter(&keys, (const uint8_t *)"aaab", 4, out, &n));
    assert_int_equal(n, 1);
    assert_int_equal(detach_keys_parse("none", &keys, &err), 0);
    assert_false(detach_keys_filter(&keys, (const uint8_t *)"\x10\x11", 2, out, &n));
    assert_int_equal(n, 2);
    static const char *const bad[] = {"", "ctrl-", "ctrl-1", "ab", "a,,b", "a,b,c,d,e,f,g,h,i"};
    for (size_t i = 0; i < array_len(bad); i++)
        assert_true(detach_keys_parse(bad[i], &keys, &err) < 0);
}

static void test_problems(void **state) {
    struct err err = {0};
    json_t *problem = json_loads("{\"kind\":\"exists\",\"object\":\"instance web\",\"cause\":\"the "
                                 "name is taken 100%s\",\"next\":\"choose another %d\"}",
                                 0, NULL);
    assert_true(problem_to_err(problem, 409, &err) < 0);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_string_equal(err.cause, "the name is taken 100%s");
    assert_string_equal(err.next, "choose another %d");
    json_decref(problem);
    err_clear(&err);
    problem_to_err(NULL, 404, &err);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    err_clear(&err);
    problem_to_err(NULL, 502, &err);
    assert_int_equal(err.kind, ERR_INTERNAL);
}

static void test_hosts(void **state) {
    struct endpoint endpoint;
    struct err err = {0};
    assert_int_equal(endpoint_choose("unix:///run/x.sock", &endpoint, &err), 0);
    assert_string_equal(endpoint.own, "/run/x.sock");
    assert_true(endpoint.named);
    static const char *const bad[] = {"/run/x.sock", "unix://relative", "tcp://[::1]:1", "unix:"};
    for (size_t i = 0; i < array_len(bad); i++)
        assert_true(endpoint_choose(bad[i], &endpoint, &err) < 0);
    assert_string_equal(role_of("oci"), "trine-oci");
    assert_null(role_of("ps"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_have_a_limit),
        cmocka_unit_test(test_progress_lines),
        cmocka_unit_test(test_progress_in_a_pipe_is_a_line_a_second),
        cmocka_unit_test(test_detach_keys),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
