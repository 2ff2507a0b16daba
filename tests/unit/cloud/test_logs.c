// SPDX-License-Identifier: Apache-2.0
// Following a log: every line once and in order, and an end when the instance ends, whatever happens in between.
#include "cloud_bed.h"

#include "cloud/instance.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE(n) "2026-11-21T09:44:0" #n ".123456789Z stdout F line " #n "\n"

struct host {
    struct cloud_bed *bed;
    char dir[64];
    int n_files; // log, log.1 ...: the newest is "log"
    bool silent;
    uint32_t asked_seq;
    unsigned asked;
};

static struct host host;

static void path_of(int number, char buf[96]) {
    snprintf(buf, 96, number ? "%s/log.%d" : "%s/log", host.dir, number);
}

static void answer(uint32_t seq) {
    int fds[4];
    struct wire_agent_log m = {.files = (uint32_t)host.n_files};
    for (int i = 0; i < host.n_files; i++) {
        char path[96];
        path_of(host.n_files - 1 - i, path);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(wire_channel_send(host.bed->agent, seq, WIRE_AGENT_LOG, &m, fds,
                                       (size_t)host.n_files, NULL),
                     0);
    for (int i = 0; i < host.n_files; i++) close(fds[i]);
}

static void on_agent(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    if (packet->id != WIRE_AGENT_LOG_OPEN) return;
    host.asked++;
    host.asked_seq = packet->seq;
    if (!host.silent) answer(packet->seq);
}

static void write_log(const char *text) {
    char path[96];
    path_of(0, path);
    int fd auto_close = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    if (host.n_files == 0) host.n_files = 1;
}

static void rotate(void) {
    char from[96], to[96];
    path_of(0, from);
    path_of(1, to);
    assert_int_equal(rename(from, to), 0);
    host.n_files = 2;
}

static void set_state(struct cloud_bed *bed, struct object *object, enum instance_state state) {
    json_t *doc = object_doc(object);
    instance_of(object)->state = state;
    json_object_set_new(json_object_get(doc, "status"), "state",
                        json_string(instance_state_word(state)));
    cloud_bed_put(bed, object->key, doc);
}

static void remove_object(struct cloud_bed *bed, struct object *object) {
    struct changes *changes = changes_new(&bed->cloud);
    changes_delete(changes, object->key, CHANGES_ANY);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
}

static int ask(struct cloud_bed *bed, const char *query) {
    char text[256];
    int fd = bed_connect(bed->http);
    snprintf(text, sizeof(text),
             "GET /v1/projects/default/instances/web/logs%s HTTP/1.1\r\nHost: x\r\nConnection: "
             "close\r\n\r\n",
             query);
    bed_say(bed->http, fd, text);
    cloud_bed_turn(bed);
    return fd;
}

static unsigned count(const struct str *got, const char *what) {
    unsigned n = 0;
    for (const char *p = str_text(got); (p = strstr(p, what)); p++) n++;
    return n;
}

static int setup(void **state) {
    cloud_bed_setup(state);
    const char *top = getenv("TMPDIR");
    host = (struct host){.bed = *state};
    snprintf(host.dir, sizeof(host.dir), "%.40s/trine-logs-XXXXXX", top && *top ? top : "/tmp");
    assert_non_null(mkdtemp(host.dir));
    host.bed->on_agent = on_agent;
    return 0;
}

static int teardown(void **state) {
    for (int i = 0; i < 3; i++) {
        char path[96];
        path_of(i, path);
        unlink(path);
    }
    assert_int_equal(rmdir(host.dir), 0);
    return cloud_bed_teardown(state);
}

static void test_last_lines(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    cloud_bed_instance(bed, "web", "running");
    write_log(LINE(1) LINE(2));
    rotate();
    write_log(LINE(3) LINE(4));
    int fd auto_close = ask(bed, "?tail=3");
    bed_expect_end(bed->http, fd, &got);
    assert_int_equal(count(&got, "line 1"), 0);
    assert_int_equal(count(&got, "line 2"), 1);
    assert_int_equal(count(&got, "line 4"), 1);
}

static void test_follows_to_the_end(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    struct object *web = cloud_bed_instance(bed, "web", "running");
    write_log(LINE(1));
    int fd auto_close = ask(bed, "?follow=true");
    bed_expect(bed->http, fd, &got, "line 1");
    write_log(LINE(2));
    bed_expect(bed->http, fd, &got, "line 2");
    write_log(LINE(3));
    set_state(bed, web, INSTANCE_EXITED);
    bed_expect_end(bed->http, fd, &got);
    assert_int_equal(count(&got, "line 3"), 1);
}

static void test_neighbours_do_not_matter(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    cloud_bed_instance(bed, "web", "running");
    struct object *other = cloud_bed_instance(bed, "web2", "running");
    write_log(LINE(1));
    int fd auto_close = ask(bed, "?follow=true");
    bed_expect(bed->http, fd, &got, "line 1");
    remove_object(bed, other);
    cloud_bed_turn(bed);
    write_log(LINE(2));
    bed_expect(bed->http, fd, &got, "line 2");
}

static void test_ends_while_asked(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    struct object *web = cloud_bed_instance(bed, "web", "running");
    write_log(LINE(1));
    host.silent = true;
    int fd auto_close = ask(bed, "?follow=true");
    set_state(bed, web, INSTANCE_EXITED);
    answer(host.asked_seq);
    bed_expect_end(bed->http, fd, &got);
    assert_int_equal(count(&got, "line 1"), 1);
}

static void test_removed_and_made_anew_while_asked(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    write_log(LINE(1));
    host.silent = true;
    remove_object(bed, cloud_bed_instance(bed, "gone", "running"));
    struct object *web = cloud_bed_instance(bed, "web", "running");
    int fd auto_close = ask(bed, "?follow=true");
    remove_object(bed, web);
    cloud_bed_instance(bed, "web", "running");
    answer(host.asked_seq);
    bed_expect_end(bed->http, fd, &got);
    assert_int_equal(count(&got, "line 1"), 1);
}

static void test_client_leaves_while_asked(void **state) {
    struct cloud_bed *bed = *state;
    cloud_bed_instance(bed, "web", "running");
    write_log(LINE(1));
    host.silent = true;
    close(ask(bed, "?follow=true"));
    cloud_bed_turn(bed);
    answer(host.asked_seq);
    cloud_bed_turn(bed);
}

static void test_rotation_loses_nothing(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    struct object *web = cloud_bed_instance(bed, "web", "running");
    write_log(LINE(1));
    int fd auto_close = ask(bed, "?follow=true");
    bed_expect(bed->http, fd, &got, "line 1");
    write_log(LINE(2));
    rotate();
    write_log(LINE(3));
    bed_expect(bed->http, fd, &got, "line 3");
    write_log(LINE(4));
    bed_expect(bed->http, fd, &got, "line 4");
    set_state(bed, web, INSTANCE_EXITED);
    bed_expect_end(bed->http, fd, &got);
    for (char n = '1'; n <= '4'; n++) {
        char line[] = {'l', 'i', 'n', 'e', ' ', n, 0};
        assert_int_equal(count(&got, line), 1);
    }
}

// The instance ends, and the client goes, while the files are asked for anew.
static void test_all_at_once(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    struct object *web = cloud_bed_instance(bed, "web", "running");
    write_log(LINE(1));
    int fd = ask(bed, "?follow=true");
    bed_expect(bed->http, fd, &got, "line 1");
    host.silent = true;
    rotate();
    cloud_bed_turn(bed);
    assert_int_equal(host.asked, 2);
    write_log(LINE(2));
    set_state(bed, web, INSTANCE_EXITED);
    cloud_bed_turn(bed);
    close(fd);
    cloud_bed_turn(bed);
    answer(host.asked_seq);
    cloud_bed_turn(bed);
}

static void test_followed_before_its_start(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    struct object *web = cloud_bed_instance(bed, "web", "created");
    int fd auto_close = ask(bed, "?follow=true");
    write_log(LINE(1));
    set_state(bed, web, INSTANCE_RUNNING);
    bed_expect(bed->http, fd, &got, "line 1");
    set_state(bed, web, INSTANCE_EXITED);
    bed_expect_end(bed->http, fd, &got);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(last_lines),
        CASE(follows_to_the_end),
        CASE(neighbours_do_not_matter),
        CASE(ends_while_asked),
        CASE(removed_and_made_anew_while_asked),
        CASE(client_leaves_while_asked),
        CASE(rotation_loses_nothing),
        CASE(all_at_once),
        CASE(followed_before_its_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
