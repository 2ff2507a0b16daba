// SPDX-License-Identifier: Apache-2.0
// The event log: in order, of bounded length, followed from any place.
#include "cloud_bed.h"

#include "cloud/event.h"

#include <inttypes.h>
#include <unistd.h>

static void tell(struct cloud_bed *bed, const char *type, const char *project) {
    struct changes *changes = changes_new(&bed->cloud);
    changes_event(changes, type, OBJECT_INSTANCE, project, "web", "1", NULL);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
}

static size_t kept(struct cloud_bed *bed) {
    return (size_t)(events_last(bed->cloud.events) + 1 - events_first(bed->cloud.events));
}

static void test_old_events_go(void **state) {
    struct cloud_bed *bed = *state;
    for (int i = 0; i < EVENTS_KEPT + 20; i++) tell(bed, "instance.created", "default");
    assert_int_equal(kept(bed), EVENTS_KEPT);
    cloud_bed_reopen(bed);
    assert_int_equal(kept(bed), EVENTS_KEPT);
    assert_int_equal(events_last(bed->cloud.events), EVENTS_KEPT + 20);
}

// More of them than one transaction takes, as an older release with a longer log would leave.
static void test_a_longer_log_shrinks(void **state) {
    struct cloud_bed *bed = *state;
    cloud_bed_put(bed, EVENT_KEY_PREFIX "00000000000000000001", json_object());
    cloud_bed_put(bed, EVENT_KEY_PREFIX "00000000000000020000", json_object());
    cloud_bed_reopen(bed);
    uint64_t first = events_first(bed->cloud.events);
    tell(bed, "instance.created", "default");
    assert_true(events_first(bed->cloud.events) > first);
}

static void test_refused_change_keeps_the_old_events(void **state) {
    struct cloud_bed *bed = *state;
    for (int i = 0; i < EVENTS_KEPT; i++) tell(bed, "instance.created", "default");
    uint64_t first = events_first(bed->cloud.events);
    struct changes *changes = changes_new(&bed->cloud);
    changes_event(changes, "instance.created", OBJECT_INSTANCE, "default", "web", "1", NULL);
    changes_put(changes, "/projects/default", json_object(), CHANGES_NEW);
    assert_true(changes_commit(changes, false, NULL) < 0);
    assert_int_equal(events_first(bed->cloud.events), first);
    tell(bed, "instance.created", "default");
    assert_int_equal(events_first(bed->cloud.events), first + 2);
}

static void test_list_filters(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    tell(bed, "instance.created", "default");
    tell(bed, "instancelike", "default");
    tell(bed, "instance.started", "other");
    const char *text = bed_ask(bed->http, &got,
                               "GET /v1/events?type=instance&project=default HTTP/1.1\r\n"
                               "Host: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(text, "instance.created"));
    assert_null(strstr(text, "instancelike"));
    assert_null(strstr(text, "instance.started"));
    assert_non_null(strstr(text, "\"last\":3"));
}

static void test_follower_gets_old_and_new(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0};
    tell(bed, "instance.created", "default");
    int fd auto_close = bed_connect(bed->http);
    bed_say(bed->http, fd, "GET /v1/events?follow=true&since=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    bed_expect(bed->http, fd, &got, "event: instance.created");
    tell(bed, "instance.started", "default");
    bed_expect(bed->http, fd, &got, "id: 2\nevent: instance.started");
}

static void test_followers_leave_while_told(void **state) {
    struct cloud_bed *bed = *state;
    int fds[8];
    for (size_t i = 0; i < array_len(fds); i++) {
        fds[i] = bed_connect(bed->http);
        bed_say(bed->http, fds[i], "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    cloud_bed_turn(bed);
    for (size_t i = 0; i < array_len(fds); i += 2) close(fds[i]);
    tell(bed, "instance.created", "default");
    cloud_bed_turn(bed);
    for (size_t i = 1; i < array_len(fds); i += 2) {
        struct str got auto_str = {0};
        bed_expect(bed->http, fds[i], &got, "instance.created");
        close(fds[i]);
    }
}

// A follower that does not read is dropped; nobody else notices.
static void test_slow_follower_is_dropped(void **state) {
    struct cloud_bed *bed = *state;
    int slow auto_close = bed_connect(bed->http), fast auto_close = bed_connect(bed->http);
    bed_say(bed->http, slow,
            "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    bed_say(bed->http, fast, "GET /v1/events?follow=true&type=project HTTP/1.1\r\nHost: x\r\n\r\n");
    cloud_bed_turn(bed);
    char text[20000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    for (int i = 0; i < 100; i++) {
        struct changes *changes = changes_new(&bed->cloud);
        changes_event(changes, "instance.created", OBJECT_INSTANCE, "default", "web", "1",
                      json_pack("{s:s}", "text", text));
        assert_int_equal(changes_commit(changes, false, NULL), 0);
        loop_step(bed->cloud.loop, 0);
    }
    tell(bed, "project.created", "default");
    struct str got auto_str = {0}, rest auto_str = {0};
    bed_expect(bed->http, fast, &got, "project.created");
    bed_expect_end(bed->http, slow, &rest);
    assert_null(strstr(str_text(&rest), "project.created"));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, cloud_bed_setup, cloud_bed_teardown)
    const struct CMUnitTest tests[] = {
        CASE(old_events_go),
        CASE(a_longer_log_shrinks),
        CASE(refused_change_keeps_the_old_events),
        CASE(list_filters),
        CASE(follower_gets_old_and_new),
        CASE(followers_leave_while_told),
        CASE(slow_follower_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
