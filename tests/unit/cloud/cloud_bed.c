// SPDX-License-Identifier: Apache-2.0
#include "cloud_bed.h"

#include "base/log.h"
#include "base/text.h"
#include "cloud/event.h"
#include "cloud/handlers.h"
#include "cloud/instance.h"
#include "cloud/operation.h"
#include "cloud/project.h"

#include <stdlib.h>
#include <sys/socket.h>

static void serve(struct http_request *req, void *arg) {
    struct bed *http = arg;
    struct cloud_bed *bed = http->data;
    cloud_handlers[http_op(req)](req, &bed->cloud);
}

static void on_agent(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    struct cloud_bed *bed = arg;
    if (bed->on_agent) bed->on_agent(channel, packet, bed);
}

static void open_cloud(struct cloud_bed *bed) {
    struct cloud *cloud = &bed->cloud;
    assert_int_equal(events_open(cloud, NULL), 0);
    assert_int_equal(objects_open(cloud, NULL), 0);
    assert_int_equal(operations_open(cloud, NULL), 0);
    assert_int_equal(projects_open(cloud, NULL), 0);
    assert_int_equal(instances_open(cloud, NULL), 0);
}

static void close_cloud(struct cloud_bed *bed) {
    instances_close(&bed->cloud);
    operations_free(take(bed->cloud.operations));
    objects_free(take(bed->cloud.objects));
    events_free(take(bed->cloud.events));
}

int cloud_bed_setup(void **state) {
    struct cloud_bed *bed = mem_new(struct cloud_bed);
    void *http;
    int ends[2];
    log_setup("test", LOG_LEVEL_NONE, false, 2);
    bed_setup_warp(&http);
    bed->http = http;
    bed->http->data = bed;
    for (int op = 0; op < API_OP_COUNT; op++) bed->http->handlers[op] = serve;
    struct clock *clock = &bed->http->warp.clock;
    clock_warp_advance(&bed->http->warp, INT64_C(1700000000) * SEC_NS);
    bed->cloud = (struct cloud){.loop = bed->http->loop, .clock = clock, .http = bed->http->server};
    assert_int_equal(store_open_memory(clock, &bed->cloud.store, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(wire_channel_new(bed->cloud.loop, ends[0], NULL, NULL, NULL, &bed->cloud.agent,
                                      NULL),
                     0);
    assert_int_equal(wire_channel_new(bed->cloud.loop, ends[1], on_agent, NULL, bed, &bed->agent,
                                      NULL),
                     0);
    open_cloud(bed);
    *state = bed;
    return 0;
}

int cloud_bed_teardown(void **state) {
    struct cloud_bed *bed = *state;
    void *http = bed->http;
    http_server_free(take(bed->http->server));
    close_cloud(bed);
    store_close(bed->cloud.store);
    wire_channel_free(bed->cloud.agent);
    wire_channel_free(bed->agent);
    free(bed);
    return bed_teardown(&http);
}

void cloud_bed_reopen(struct cloud_bed *bed) {
    close_cloud(bed);
    open_cloud(bed);
}

void cloud_bed_turn(struct cloud_bed *bed) {
    bed_turn(bed->http);
}

void cloud_bed_put(struct cloud_bed *bed, const char *key, json_t *doc) {
    struct changes *changes = changes_new(&bed->cloud);
    changes_put(changes, key, doc, CHANGES_ANY);
    assert_int_equal(changes_commit(changes, false, NULL), 0);
}

struct object *cloud_bed_instance(struct cloud_bed *bed, const char *name, const char *state) {
    char key[128], id[ID_TEXT_SIZE];
    snprintf(key, sizeof(key), "/instances/default/%s", name);
    text_new_id(clock_realtime(bed->cloud.clock), id);
    cloud_bed_put(bed, key,
                  json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "id", id, "name", name, "level",
                            "container", "desired", "running", "status", "state", state));
    struct object *object = object_find(bed->cloud.objects, OBJECT_INSTANCE, "default", name);
    assert_non_null(object);
    return object;
}
