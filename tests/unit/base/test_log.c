// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmocka_test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int log_fd = -1;
static char text[65536];

static void start(enum log_level level, bool json) {
    if (log_fd < 0) log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_int_equal(ftruncate(log_fd, 0), 0);
    lseek(log_fd, 0, SEEK_SET);
    log_setup("daemon", level, json, log_fd);
}

static const char *written(void) {
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

// The line without its time, which must be one.
static const char *after_time(void) {
    const char *line = written();
    char *end = strchr(line, ' ');
    assert_non_null(end);
    *end = '\0';
    int64_t ns;
    assert_int_equal(time_parse(line, &ns), 0);
    return end + 1;
}

static void a_text_line(void **state) {
    start(LOG_LEVEL_INFO, false);
    LOG_INFO("started", "pid=%d socket=%s cause=\"%s\"", 12, "/run/api.sock", "a b");
    assert_string_equal(after_time(),
                        "info daemon: started pid=12 socket=/run/api.sock cause=\"a b\"\n");
    start(LOG_LEVEL_INFO, false);
    LOG_ERROR("plain", "");
    assert_string_equal(after_time(), "error daemon: plain\n");
}

static void a_json_line(void **state) {
    start(LOG_LEVEL_INFO, true);
    LOG_WARN("slow", "ms=%d id=%s big=%lu ratio=%s note=\"%s\"", -5, "007", 12ul, "", "x \"y\"\n");
    const char *line = written();
    assert_memory_equal(line, "{\"time\":\"", 9);
    assert_string_equal(line + 9 + 24,
                        "\",\"level\":\"warn\",\"component\":\"daemon\",\"message\":\"slow\","
                        "\"ms\":-5,\"id\":\"007\",\"big\":12,\"ratio\":\"\","
                        "\"note\":\"x \\\"y\\\"\\n\"}\n");
}

static void values_cannot_make_lines_or_fields(void **state) {
    start(LOG_LEVEL_INFO, false);
    LOG_INFO("said", "user=%s end=%d", "x admin=yes\n2026 error daemon: fake \033[2J\xff", 1);
    assert_string_equal(after_time(),
                        "info daemon: said user=\"x admin=yes\\n2026 error daemon: fake "
                        "\\u001b[2J\xef\xbf\xbd\" end=1\n");
    start(LOG_LEVEL_INFO, true);
    LOG_INFO("said", "user=%s end=%d",
             "x\x1f"
             "admin=yes",
             1);
    assert_non_null(strstr(written(), "\"fields\":\"user=x\\u001fadmin=yes\\u001fend=1\"}\n"));
}

static void long_values_are_cut(void **state) {
    static char wide[60000];
    memset(wide, '"', sizeof(wide) - 1);
    for (int json = 0; json < 2; json++) {
        start(LOG_LEVEL_INFO, json);
        LOG_INFO("long", "a=\"%s\" b=%s", wide, "1");
        const char *line = written();
        size_t len = strlen(line);
        assert_true(len <= 4096 && line[len - 1] == '\n');
        assert_ptr_equal(strchr(line, '\n'), line + len - 1);
        if (json) assert_memory_equal(line + len - 3, "\"}\n", 3);
    }
    for (int pad = 3900; pad < 4100; pad++) { // every way to hit the end
        start(LOG_LEVEL_INFO, true);
        wide[pad] = '\0';
        memset(wide, 'm', (size_t)pad);
        log_entry(LOG_LEVEL_INFO, wide, "number=%d text=%s", 123456, "abcdef");
        memset(wide, 'm', sizeof(wide) - 1);
        const char *line = written();
        size_t len = strlen(line);
        assert_true(len <= 4096);
        assert_true(strcmp(line + len - 3, "\"}\n") == 0 || strcmp(line + len - 3, "6}\n") == 0);
        size_t quotes = 0;
        for (const char *p = line; *p; p++) quotes += *p == '"';
        assert_int_equal(quotes % 2, 0);
    }
}

static void quiet_levels_write_nothing(void **state) {
    start(LOG_LEVEL_WARN, false);
    LOG_INFO("hidden", "");
    log_entry(LOG_LEVEL_DEBUG, "hidden", "");
    start(LOG_LEVEL_NONE, false);
    LOG_ERROR("hidden", "");
    assert_string_equal(written(), "");
    assert_int_equal(log_level_get(), LOG_LEVEL_NONE);
    enum log_level level = LOG_LEVEL_INFO;
    assert_int_equal(log_level_parse("error", &level), 0);
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse("loud", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_line),
        cmocka_unit_test(a_json_line),
        cmocka_unit_test(values_cannot_make_lines_or_fields),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(quiet_levels_write_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
