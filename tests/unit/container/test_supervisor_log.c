// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "execution/container/supervisor_log.h"
#include "supervisor_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

// 2026-11-21T09:44:00.123456789Z
#define MOMENT (INT64_C(1795254240) * SEC_NS + 123456789)
#define OUT_F "2026-11-21T09:44:00.123456789Z stdout F "
#define OUT_P "2026-11-21T09:44:00.123456789Z stdout P "
#define ERR_F "2026-11-21T09:44:00.123456789Z stderr F "

static char path[128];
static struct supervisor_log log_;

static void open_log(uint64_t max_bytes, unsigned files) {
    snprintf(path, sizeof(path), "%s/log", scratch_path);
    struct supervisor_log_options options = {.path = path,
                                             .max_bytes = max_bytes,
                                             .files = files,
                                             .gid = (gid_t)-1};
    assert_int_equal(supervisor_log_open(&log_, &options, NULL), 0);
}

static void put(enum stream_channel channel, const char *text) {
    supervisor_log_write(&log_, channel, text, strlen(text), MOMENT);
}

static void expect_file(const char *name, const char *want) {
    char *text auto_free = scratch_text(name);
    assert_non_null(text);
    assert_string_equal(text, want);
}

static void lines_become_entries_of_their_stream(void **state) {
    open_log(0, 0);
    put(STREAM_OUT, "one\ntwo\n\n");
    put(STREAM_ERR, "oops\n");
    expect_file("log", OUT_F "one\n" OUT_F "two\n" OUT_F "\n" ERR_F "oops\n");
    supervisor_log_close(&log_, MOMENT);
}

static void an_unfinished_line_waits_for_its_end(void **state) {
    open_log(0, 0);
    put(STREAM_OUT, "hal");
    put(STREAM_ERR, "other\n");
    expect_file("log", ERR_F "other\n");
    put(STREAM_OUT, "f\nrest");
    expect_file("log", ERR_F "other\n" OUT_F "half\n");
    supervisor_log_close(&log_, MOMENT);
    expect_file("log", ERR_F "other\n" OUT_F "half\n" OUT_F "rest\n");
}

// The text of all entries, parts joined: what the program wrote, a newline after each whole line.
static char *joined(const char *name, size_t *ret_parts) {
    char *text = scratch_text(name), *to = text;
    assert_non_null(text);
    *ret_parts = 0;
    for (char *at = text; *at;) {
        char *end = strchr(at, '\n');
        assert_true(end && end - at >= 40 && end - at - 40 <= SUPERVISOR_LOG_PART);
        bool part = at[38] == 'P';
        size_t n = (size_t)(end - at) - 40 + !part;
        memmove(to, at + 40, n);
        to += n;
        *ret_parts += part;
        at = end + 1;
    }
    *to = 0;
    return text;
}

static void long_lines_come_in_parts_however_they_arrive(void **state) {
    static const size_t lengths[] = {SUPERVISOR_LOG_PART - 1, SUPERVISOR_LOG_PART,
                                     SUPERVISOR_LOG_PART + 1, 3 * SUPERVISOR_LOG_PART, 50000};
    static const size_t parts[] = {0, 0, 1, 2, 3};
    static const size_t chunks[] = {1, 1000, SUPERVISOR_LOG_PART, SUPERVISOR_LOG_PART + 1, 32767};
    for (size_t l = 0; l < 5; l++) {
        char *line auto_free = malloc(lengths[l] + 2);
        for (size_t i = 0; i < lengths[l]; i++) line[i] = (char)('a' + i % 26);
        memcpy(line + lengths[l], "\n", 2);
        for (size_t c = 0; c < 5; c++) {
            open_log(0, 0);
            for (size_t at = 0; at <= lengths[l]; at += chunks[c]) {
                size_t left = lengths[l] + 1 - at;
                supervisor_log_write(&log_, STREAM_OUT, line + at,
                                     left < chunks[c] ? left : chunks[c], MOMENT);
            }
            supervisor_log_close(&log_, MOMENT);
            size_t n;
            char *text auto_free = joined("log", &n);
            assert_string_equal(text, line);
            assert_int_equal(n, parts[l]);
            unlink(path);
        }
    }
}

static void a_part_without_end_is_finished_at_the_close(void **state) {
    char *line auto_free = malloc(SUPERVISOR_LOG_PART + 10);
    memset(line, 'x', SUPERVISOR_LOG_PART + 9);
    line[SUPERVISOR_LOG_PART + 9] = 0;
    open_log(0, 0);
    put(STREAM_OUT, line);
    supervisor_log_close(&log_, MOMENT);
    char *text auto_free = scratch_text("log");
    assert_memory_equal(text, OUT_P "xxx", 43);
    assert_string_equal(text + 40 + SUPERVISOR_LOG_PART, "\n" OUT_F "xxxxxxxxx\n");
}

static void any_byte_is_kept(void **state) {
    open_log(0, 0);
    supervisor_log_write(&log_, STREAM_OUT, "a\0\xff\r\n", 5, MOMENT);
    supervisor_log_close(&log_, MOMENT);
    char *data = NULL;
    size_t size;
    assert_int_equal(file_read(-1, path, 1000, &data, &size, NULL), 0);
    assert_int_equal(size, 45);
    assert_memory_equal(data, OUT_F "a\0\xff\r\n", 45);
    free(data);
}

static void files_rotate_by_size_and_the_oldest_goes(void **state) {
    open_log(100, 2);
    for (int i = 0; i < 9; i++) {
        char line[16];
        snprintf(line, sizeof(line), "line %d\n", i);
        put(STREAM_OUT, line); // 47 bytes: two fit
    }
    supervisor_log_close(&log_, MOMENT);
    expect_file("log", OUT_F "line 8\n");
    expect_file("log.1", OUT_F "line 6\n" OUT_F "line 7\n");
    expect_file("log.2", OUT_F "line 4\n" OUT_F "line 5\n");
    assert_null(scratch_text("log.3"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void without_rotated_files_the_log_starts_again(void **state) {
    open_log(100, 0);
    put(STREAM_OUT, "1\n2\n3\n");
    supervisor_log_close(&log_, MOMENT);
    expect_file("log", OUT_F "3\n");
    assert_null(scratch_text("log.1"));
}

static void one_chunk_never_passes_the_limit(void **state) {
    open_log(4096, 100);
    char *chunk auto_free = malloc(32768);
    for (size_t i = 0; i < 32768; i++) chunk[i] = i % 2 ? '\n' : 'y';
    supervisor_log_write(&log_, STREAM_OUT, chunk, 32767, MOMENT);
    supervisor_log_close(&log_, MOMENT);
    size_t entries = 0;
    for (unsigned i = 0; i <= 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), i ? "log.%u" : "log", i);
        char *text auto_free = scratch_text(name);
        if (!text) continue;
        assert_true(strlen(text) <= 4096);
        entries += strlen(text) / 42;
    }
    assert_int_equal(entries, 100 * 97 + 16384 % 97); // 97 fit; the first ones were rotated away
}

static void an_existing_log_is_continued(void **state) {
    open_log(0, 0);
    put(STREAM_OUT, "first life\n");
    supervisor_log_close(&log_, MOMENT);
    open_log(100, 1);
    put(STREAM_OUT, "second\n");
    supervisor_log_discard(&log_); // had entries: stays
    expect_file("log", OUT_F "first life\n" OUT_F "second\n");
}

static void an_unused_new_log_can_be_discarded(void **state) {
    open_log(0, 0);
    supervisor_log_discard(&log_);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_no_log_is_refused(void **state) {
    snprintf(path, sizeof(path), "%s/none/log", scratch_path);
    struct supervisor_log_options options = {.path = path, .gid = (gid_t)-1};
    struct err err = {0};
    assert_int_equal(supervisor_log_open(&log_, &options, &err), -ENOENT);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    snprintf(path, sizeof(path), "%s/log", scratch_path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_true(supervisor_log_open(&log_, &options, NULL) < 0);
}

// A file size limit stands for a full disk: the write that crosses it is cut short, the next fails.
static void a_full_disk_drops_whole_entries_and_stops_nobody(void **state) {
    struct rlimit old, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
    log_setup("test", LOG_LEVEL_NONE, false, 2);
    open_log(0, 0);
    put(STREAM_OUT, "kept\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put(STREAM_OUT, "this one is far too long for what is left, it would be cut\n");
    put(STREAM_OUT, "lost\nalso lost\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(log_.dropped_bytes, (40 + 59) + (40 + 5) + (40 + 10));
    put(STREAM_OUT, "room again\n");
    supervisor_log_close(&log_, MOMENT);
    expect_file("log", OUT_F "kept\n" OUT_F "room again\n");
}

static void without_memory_the_chunk_is_dropped(void **state) {
    open_log(0, 0);
    mem_fail_nth(1);
    put(STREAM_OUT, "gone\n");
    mem_fail_nth(2); // the block is there after the first, the unfinished line is not
    put(STREAM_OUT, "part");
    mem_fail_nth(0);
    put(STREAM_OUT, "end\n");
    supervisor_log_close(&log_, MOMENT);
    expect_file("log", OUT_P "part\n" OUT_F "end\n");
    assert_int_equal(log_.dropped_bytes, 5);
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void) {
    log_setup("test", LOG_LEVEL_NONE, false, 2);
    const struct CMUnitTest tests[] = {
        LOG_TEST(lines_become_entries_of_their_stream),
        LOG_TEST(an_unfinished_line_waits_for_its_end),
        LOG_TEST(long_lines_come_in_parts_however_they_arrive),
        LOG_TEST(a_part_without_end_is_finished_at_the_close),
        LOG_TEST(any_byte_is_kept),
        LOG_TEST(files_rotate_by_size_and_the_oldest_goes),
        LOG_TEST(without_rotated_files_the_log_starts_again),
        LOG_TEST(one_chunk_never_passes_the_limit),
        LOG_TEST(an_existing_log_is_continued),
        LOG_TEST(an_unused_new_log_can_be_discarded),
        LOG_TEST(what_is_no_log_is_refused),
        LOG_TEST(a_full_disk_drops_whole_entries_and_stops_nobody),
        LOG_TEST(without_memory_the_chunk_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
