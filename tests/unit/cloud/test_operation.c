// SPDX-License-Identifier: Apache-2.0
// Operations: who waits for one is answered once, whatever ends first: the work, the time, the client or the daemon.
#include "cloud_bed.h"

#include "base/text.h"
#include "cloud/operation.h"

#include <stdlib.h>
#include <unistd.h>

static struct operation *begin(struct cloud_bed *bed) {
    return operation_begin(&bed->cloud, "image.build", OBJECT_IMAGE, "", "web");
}

#define OP_ID(op, id) \
    char id[ID_TEXT_SIZE]; \
    snprintf(id, sizeof(id), "%s", operation_id(op))

static int ask(struct cloud_bed *bed, const char *id, const char *query) {
    char text[256];
    int fd = bed_connect(bed->http);
    snprintf(text, sizeof(text), "GET /v1/operations/%s%s HTTP/1.1\r\nHost: x\r\n\r\n", id, query);
    bed_say(bed->http, fd, text);
    cloud_bed_turn(bed);
    return fd;
}

static void expect(struct cloud_bed *bed, int fd, const char *want) {
    struct str got auto_str = {0};
    bed_expect(bed->http, fd, &got, want);
}

static void test_waiter_hears_the_end(void **state) {
    struct cloud_bed *bed = *state;
    struct operation *op = begin(bed);
    OP_ID(op, id);
    int fd auto_close = ask(bed, id, "?wait=60");
    operation_done(op, json_pack("{s:i}", "answer", 42));
    expect(bed, fd, "\"answer\":42");
    int again auto_close = ask(bed, id, "");
    expect(bed, again, "\"state\":\"done\"");
}

static void test_waiting_ends_with_the_time(void **state) {
    struct cloud_bed *bed = *state;
    struct operation *op = begin(bed);
    OP_ID(op, id);
    int fd auto_close = ask(bed, id, "?wait=60");
    operation_progress(op, "unpacking", 1, 2);
    clock_warp_advance(&bed->http->warp, 61 * SEC_NS);
    expect(bed, fd, "\"step\":\"unpacking\"");
    operation_done(op, NULL);
}

static void test_waiter_leaves_first(void **state) {
    struct cloud_bed *bed = *state;
    struct operation *op = begin(bed);
    OP_ID(op, id);
    int gone = ask(bed, id, "?wait=60"), stays auto_close = ask(bed, id, "?wait=60");
    close(gone);
    cloud_bed_turn(bed);
    operation_done(op, NULL);
    expect(bed, stays, "\"state\":\"done\"");
    clock_warp_advance(&bed->http->warp, 61 * SEC_NS);
    cloud_bed_turn(bed);
}

static void test_daemon_ends_while_waited_for(void **state) {
    struct cloud_bed *bed = *state;
    struct operation *op = begin(bed);
    OP_ID(op, id);
    close(ask(bed, id, "?wait=60")); // seen by the teardown, not by a turn
}

static void cancel_it(struct operation *op, void *arg) {
    struct err why = {0};
    ++*(int *)arg;
    err_set(&why, ERR_CANCELLED, 0, "image", "stopped");
    operation_fail(op, &why);
}

static void test_cancelled_once(void **state) {
    struct cloud_bed *bed = *state;
    struct str got auto_str = {0}, second auto_str = {0};
    int asked = 0;
    struct operation *op = begin(bed);
    OP_ID(op, id);
    operation_set_cancel(op, cancel_it, &asked);
    const char *form = "DELETE /v1/operations/%s HTTP/1.1\r\nHost: x\r\n\r\n";
    char text[160];
    snprintf(text, sizeof(text), form, id);
    int fd auto_close = bed_connect(bed->http);
    bed_say(bed->http, fd, text);
    bed_expect(bed->http, fd, &got, "\"state\":\"cancelled\"");
    bed_say(bed->http, fd, text);
    bed_expect(bed->http, fd, &second, "has ended already");
    assert_int_equal(asked, 1);
}

static void test_interrupted_by_the_daemons_end(void **state) {
    struct cloud_bed *bed = *state;
    char ids[600][ID_TEXT_SIZE];
    for (size_t i = 0; i < array_len(ids); i++) { // more than one transaction takes
        struct operation *op = begin(bed);
        snprintf(ids[i], sizeof(ids[i]), "%s", operation_id(op));
        clock_warp_advance(&bed->http->warp, MSEC_NS);
    }
    cloud_bed_reopen(bed);
    for (size_t i = 0; i < array_len(ids); i++) {
        struct object *object = object_find(bed->cloud.objects, OBJECT_OPERATION, "", ids[i]);
        assert_non_null(object);
        assert_non_null(strstr(object->text, "interrupted"));
    }
}

static void test_old_ones_go_running_ones_stay(void **state) {
    struct cloud_bed *bed = *state;
    struct operation *oldest = begin(bed);
    OP_ID(oldest, id);
    for (int i = 0; i < OPERATIONS_KEPT + 50; i++) {
        clock_warp_advance(&bed->http->warp, MSEC_NS);
        operation_done(begin(bed), NULL);
    }
    assert_true(object_count(bed->cloud.objects, OBJECT_OPERATION, NULL) <= OPERATIONS_KEPT + 1);
    assert_non_null(object_find(bed->cloud.objects, OBJECT_OPERATION, "", id));
    operation_done(oldest, NULL);
}

static void test_result_that_is_too_large(void **state) {
    struct cloud_bed *bed = *state;
    struct operation *op = begin(bed);
    OP_ID(op, id);
    char *text auto_free = mem_try_array(STORE_VALUE_MAX + 1, 1);
    memset(text, 'x', STORE_VALUE_MAX);
    text[STORE_VALUE_MAX] = 0;
    operation_done(op, json_string(text));
    struct object *object = object_find(bed->cloud.objects, OBJECT_OPERATION, "", id);
    assert_non_null(strstr(object->text, "\"state\":\"done\""));
    assert_non_null(strstr(object->text, "\"result\":null"));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, cloud_bed_setup, cloud_bed_teardown)
    const struct CMUnitTest tests[] = {
        CASE(waiter_hears_the_end),
        CASE(waiting_ends_with_the_time),
        CASE(waiter_leaves_first),
        CASE(daemon_ends_while_waited_for),
        CASE(cancelled_once),
        CASE(interrupted_by_the_daemons_end),
        CASE(old_ones_go_running_ones_stay),
        CASE(result_that_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
