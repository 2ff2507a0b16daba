// SPDX-License-Identifier: Apache-2.0
// The life of an instance, arrow by arrow, against an agent and a shim that this file plays, on a warped clock.
#include "base/log.h"
#include "base/str.h"
#include "cloud/event.h"
#include "cloud/instance.h"
#include "cloud/project.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define IMAGE "1111111111111111111111111111111111111111111111111111111111111111"

// One workload as the host has it. Outlives the daemon under test.
struct workload {
    char id[ID_TEXT_SIZE];
    char state[16]; // created running paused exited; "" when there is none
    int exit_code;
    bool deaf;   // ignores SIGTERM
    bool record; // an exit record is there
    bool dead;   // the shim died without one
    struct wire_channel *shim;
    int signals[8];
    size_t n_signals;
};

struct world {
    struct clock_warp warp;
    struct loop *loop;
    struct cloud cloud;
    struct wire_channel *agent;
    struct workload w;
    bool fail_create, fail_start, silent_clear;
    bool silent_start, silent_pause, silent_exit; // asked, but no answer comes
    bool immune;                                  // signals are refused
    unsigned creates, clears, clears_all;
};

// --- the played host -----------------------------------------------------------------------------------

static void shim_announce(struct world *world, uint32_t seq) {
    struct workload *w = &world->w;
    struct wire_shim_state s = {
        .state = w->state, .pid = 42, .exit_code = w->exit_code, .started_ns = 5, .failure = ""};
    if (w->shim)
        assert_int_equal(wire_channel_send(w->shim, seq, WIRE_SHIM_STATE, &s, NULL, 0, NULL), 0);
}

static void workload_ends(struct world *world, int exit_code) {
    snprintf(world->w.state, sizeof(world->w.state), "exited");
    world->w.exit_code = exit_code;
    world->w.record = true;
    shim_announce(world, 0);
}

static void refuse(struct wire_channel *channel, uint32_t seq, const char *cause) {
    struct err err = {0};
    err_set(&err, ERR_NOT_FOUND, 0, "program", "%s", cause);
    wire_channel_fail(channel, seq, &err);
}

static void on_shim(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    struct world *world = arg;
    struct workload *w = &world->w;
    struct wire_ok ok = {0};
    struct arena *arena auto_arena = arena_new(65536);
    switch (packet->id) {
    case WIRE_SHIM_START:
        if (world->fail_start) {
            refuse(channel, packet->seq, "there is no such program");
            return;
        }
        snprintf(w->state, sizeof(w->state), "running");
        if (!world->silent_start) shim_announce(world, packet->seq);
        break;
    case WIRE_SHIM_QUERY:
        shim_announce(world, packet->seq);
        break;
    case WIRE_SHIM_PAUSE: {
        struct wire_shim_pause m;
        if (world->silent_pause) return;
        assert_int_equal(wire_decode_shim_pause(packet->payload, arena, &m, NULL), 0);
        snprintf(w->state, sizeof(w->state), "%s", m.paused ? "paused" : "running");
        wire_channel_send(channel, packet->seq, WIRE_OK, &ok, NULL, 0, NULL);
        break;
    }
    case WIRE_SHIM_SIGNAL: {
        struct wire_shim_signal m;
        assert_int_equal(wire_decode_shim_signal(packet->payload, arena, &m, NULL), 0);
        assert_true(w->n_signals < array_len(w->signals));
        if (world->immune) {
            refuse(channel, packet->seq, "it cannot be signalled");
            return;
        }
        w->signals[w->n_signals++] = (int)m.signo;
        wire_channel_send(channel, packet->seq, WIRE_OK, &ok, NULL, 0, NULL);
        if (m.signo == SIGKILL || !w->deaf) workload_ends(world, 128 + (int)m.signo);
        break;
    }
    default:
        fail_msg("the shim was asked %s", wire_id_name(packet->id));
    }
}

static void on_shim_gone(struct wire_channel *channel, void *arg) {
    struct world *world = arg;
    world->w.shim = NULL;
    wire_channel_free(channel);
}

static void pass_shim(struct world *world, uint32_t seq) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(wire_channel_new(world->loop, ends[0], on_shim, on_shim_gone, world,
                                      &world->w.shim, NULL),
                     0);
    struct wire_agent_instance_made made = {.shim_pid = 41};
    assert_int_equal(wire_channel_send(world->agent, seq, WIRE_AGENT_INSTANCE_MADE, &made, &ends[1],
                                       1, NULL),
                     0);
    close(ends[1]);
}

static void on_create(struct world *world, struct wire_packet *packet) {
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_instance_create m;
    world->creates++;
    assert_int_equal(wire_decode_agent_instance_create(packet->payload, arena, &m, NULL), 0);
    assert_int_equal(m.layers.count, 1);
    assert_string_equal(m.layers.items[0], "abcdefabcdefabcdefabcdef");
    assert_string_equal(m.args.items[0], "/bin/true");
    if (world->fail_create) {
        refuse(world->agent, packet->seq, "no room");
        return;
    }
    struct workload *w = &world->w;
    bool deaf = w->deaf;
    *w = (struct workload){.deaf = deaf, .state = "created"};
    snprintf(w->id, sizeof(w->id), "%s", m.id);
    pass_shim(world, packet->seq);
}

static void on_clear(struct world *world, struct wire_packet *packet) {
    struct arena *arena auto_arena = arena_new(65536);
    struct wire_agent_instance_clear m;
    struct wire_ok ok = {0};
    assert_int_equal(wire_decode_agent_instance_clear(packet->payload, arena, &m, NULL), 0);
    world->clears++;
    world->clears_all += m.all;
    *world->w.state = 0;
    world->w.record = world->w.dead = false;
    if (!world->silent_clear)
        wire_channel_send(world->agent, packet->seq, WIRE_OK, &ok, NULL, 0, NULL);
}

static void on_list(struct world *world, uint32_t seq) {
    const struct workload *w = &world->w;
    const char *id = w->id, *state = w->dead ? "dead" : w->record ? "ended" : "alive";
    size_t n = *w->state || w->dead || w->record;
    struct wire_agent_instances m = {.ids = {&id, n}, .states = {&state, n}};
    wire_channel_send(world->agent, seq, WIRE_AGENT_INSTANCES, &m, NULL, 0, NULL);
}

static void on_agent(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    struct world *world = arg;
    struct wire_agent_exit exit = {.known = world->w.record,
                                   .exit_code = world->w.exit_code,
                                   .started_ns = 5,
                                   .finished_ns = 6,
                                   .failure = ""};
    switch (packet->id) {
    case WIRE_AGENT_INSTANCE_CREATE:
        on_create(world, packet);
        break;
    case WIRE_AGENT_INSTANCE_CLEAR:
        on_clear(world, packet);
        break;
    case WIRE_AGENT_INSTANCE_LIST:
        on_list(world, packet->seq);
        break;
    case WIRE_AGENT_INSTANCE_CONNECT:
        pass_shim(world, packet->seq);
        break;
    case WIRE_AGENT_INSTANCE_EXIT:
        if (world->silent_exit) return;
        wire_channel_send(channel, packet->seq, WIRE_AGENT_EXIT, &exit, NULL, 0, NULL);
        break;
    default:
        fail_msg("the agent was asked %s", wire_id_name(packet->id));
    }
}

// --- the daemon under test -----------------------------------------------------------------------------

static void daemon_opens(struct world *world, struct store *store) {
    int ends[2];
    world->cloud = (struct cloud){.loop = world->loop, .clock = &world->warp.clock, .store = store};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(wire_channel_new(world->loop, ends[0], NULL, NULL, NULL, &world->cloud.agent,
                                      NULL),
                     0);
    assert_int_equal(wire_channel_new(world->loop, ends[1], on_agent, NULL, world, &world->agent,
                                      NULL),
                     0);
    assert_int_equal(events_open(&world->cloud, NULL), 0);
    assert_int_equal(objects_open(&world->cloud, NULL), 0);
    assert_int_equal(operations_open(&world->cloud, NULL), 0);
    assert_int_equal(projects_open(&world->cloud, NULL), 0);
    assert_int_equal(instances_open(&world->cloud, NULL), 0);
}

static void settle(struct world *world) {
    while (loop_step(world->loop, 0) > 0) {
    }
}

static void daemon_dies(struct world *world) {
    instances_close(&world->cloud);
    operations_free(world->cloud.operations);
    objects_free(world->cloud.objects);
    events_free(world->cloud.events);
    wire_channel_free(take(world->cloud.agent));
    wire_channel_free(take(world->agent));
    settle(world);
    wire_channel_free(take(world->w.shim));
}

static void daemon_restarts(struct world *world) {
    struct store *store = world->cloud.store;
    daemon_dies(world);
    daemon_opens(world, store);
    assert_int_equal(instances_recover(&world->cloud, NULL), 0);
    settle(world);
}

static struct instance *make(struct world *world, const char *name, bool remove_on_exit) {
    char key[128];
    struct changes *changes = changes_new(&world->cloud);
    snprintf(key, sizeof(key), "/instances/default/%s", name);
    changes_put(changes, "/images/" IMAGE,
                json_pack("{s:s, s:[s], s:[{s:s}]}", "id", "sha256:" IMAGE, "names",
                          "debian:latest", "layers", "dir", "abcdefabcdefabcdefabcdef"),
                CHANGES_ANY);
    changes_put(changes, key,
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:[s], s:b, s:s, s:i, s:s, s:{s:s}}", "id",
                          "0123456789abcdef0123456789abcdef", "name", name, "level", "container",
                          "image", "debian", "image_id", "sha256:" IMAGE, "args", "/bin/true",
                          "remove_on_exit", remove_on_exit, "stop_signal", "TERM",
                          "stop_timeout_ms", 10000, "desired", "stopped", "status", "state",
                          "created"),
                CHANGES_NEW);
    assert_int_equal(changes_commit(changes, true, NULL), 0);
    struct object *object = object_find(world->cloud.objects, OBJECT_INSTANCE, "default", name);
    assert_non_null(object);
    return instance_of(object);
}

static struct instance *find(struct world *world) {
    struct object *object = object_find(world->cloud.objects, OBJECT_INSTANCE, "default", "web");
    return object ? instance_of(object) : NULL;
}

// "state" of an operation in the store, "done" for one that ended well.
static const char *operation_state(struct world *world, const char *id) {
    static char state[16];
    struct object *object = object_find(world->cloud.objects, OBJECT_OPERATION, "", id);
    assert_non_null(object);
    json_t *doc = object_doc(object);
    snprintf(state, sizeof(state), "%s", json_text(doc, "state"));
    json_decref(doc);
    return state;
}

static int setup(void **state) {
    struct world *world = mem_new(struct world);
    struct store *store;
    log_setup("test", LOG_LEVEL_NONE, false, 2);
    clock_warp_init(&world->warp, INT64_C(1700000000) * SEC_NS);
    assert_int_equal(loop_new(&world->warp.clock, &world->loop, NULL), 0);
    assert_int_equal(store_open_memory(&world->warp.clock, &store, NULL), 0);
    daemon_opens(world, store);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    struct store *store = world->cloud.store;
    daemon_dies(world);
    store_close(store);
    loop_free(world->loop);
    free(world);
    return 0;
}

#define OP_ID(op, id) \
    char id[ID_TEXT_SIZE]; \
    snprintf(id, sizeof(id), "%s", operation_id(op))

static struct instance *started(struct world *world, bool remove_on_exit) {
    struct instance *inst = make(world, "web", remove_on_exit);
    struct operation *op;
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
    assert_string_equal(operation_state(world, id), "done");
    return inst;
}

// --- arrows ----------------------------------------------------------------------------------------------

static void test_created_to_running(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    json_t *doc = object_doc(inst->object);
    assert_string_equal(json_text(doc, "desired"), "running");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "status"), "pid")),
                     42);
    json_decref(doc);
    struct operation *op;
    struct err err = {0};
    assert_true(instance_start(inst, &op, &err) < 0);
    assert_int_equal(err.kind, ERR_STATE);
    assert_true(*err.next != 0);
}

static void test_running_to_exited(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    workload_ends(world, 3);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_int_equal(inst->desired, DESIRED_STOPPED);
    assert_int_equal(world->clears, 1);
    assert_int_equal(world->clears_all, 0);
    json_t *doc = object_doc(inst->object);
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(doc, "status"), "exit_code")),
                     3);
    json_decref(doc);
}

static void test_exited_to_running_again(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    workload_ends(world, 0);
    settle(world);
    struct operation *op;
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
    assert_int_equal(world->creates, 2);
}

static void test_removed_on_exit(void **state) {
    struct world *world = *state;
    started(world, true);
    workload_ends(world, 0);
    settle(world);
    assert_null(find(world));
    assert_int_equal(world->clears_all, 1);
}

static void test_creation_fails(void **state) {
    struct world *world = *state;
    struct instance *inst = make(world, "web", false);
    struct operation *op;
    world->fail_create = true;
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_FAILED);
    assert_string_equal(operation_state(world, id), "failed");
    world->fail_create = false;
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
}

static void test_program_cannot_be_started(void **state) {
    struct world *world = *state;
    struct instance *inst = make(world, "web", false);
    struct operation *op;
    world->fail_start = true;
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_FAILED);
    assert_string_equal(operation_state(world, id), "failed");
    assert_int_equal(world->clears, 1);
    assert_null(world->w.shim);
}

static void test_pause_and_resume(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    assert_int_equal(instance_pause(inst, true, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_PAUSED);
    assert_string_equal(world->w.state, "paused");
    assert_true(instance_pause(inst, true, &op, NULL) < 0);
    assert_int_equal(instance_pause(inst, false, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
}

static void test_stop_thaws_first(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    assert_int_equal(instance_pause(inst, true, &op, NULL), 0);
    settle(world);
    assert_int_equal(instance_stop(inst, 0, -1, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_int_equal(world->w.n_signals, 1);
    assert_string_equal(operation_state(world, id), "done");
}

static void test_stop_by_signal(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    assert_int_equal(instance_stop(inst, SIGUSR1, -1, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_int_equal(world->w.signals[0], SIGUSR1);
}

static void test_stop_loses_patience(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    world->w.deaf = true;
    assert_int_equal(instance_stop(inst, 0, 3000, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_STOPPING);
    clock_warp_advance(&world->warp, 2999 * MSEC_NS);
    settle(world);
    assert_int_equal(world->w.n_signals, 1);
    clock_warp_advance(&world->warp, 2 * MSEC_NS);
    loop_step(world->loop, 0);
    settle(world);
    assert_int_equal(world->w.n_signals, 2);
    assert_int_equal(world->w.signals[1], SIGKILL);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_string_equal(operation_state(world, id), "done");
}

static void test_stop_that_cannot_be_signalled(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    world->immune = true;
    assert_int_equal(instance_stop(inst, SIGKILL, -1, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_string_equal(operation_state(world, id), "failed");
    assert_int_equal(inst->state, INSTANCE_RUNNING);
    world->immune = false;
    assert_int_equal(instance_stop(inst, SIGKILL, -1, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
}

static void test_restart(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    assert_int_equal(instance_restart(inst, -1, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
    assert_int_equal(world->creates, 2);
    assert_string_equal(operation_state(world, id), "done");
}

static void test_stop_overtakes_start(void **state) {
    struct world *world = *state;
    struct instance *inst = make(world, "web", false);
    struct operation *start, *stop;
    assert_int_equal(instance_start(inst, &start, NULL), 0);
    OP_ID(start, start_id);
    assert_int_equal(instance_stop(inst, 0, -1, &stop, NULL), 0);
    OP_ID(stop, stop_id);
    settle(world);
    assert_string_equal(operation_state(world, start_id), "cancelled");
    assert_string_equal(operation_state(world, stop_id), "done");
    assert_false(instance_is_live(inst));
}

static void test_delete(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    struct err err = {0};
    assert_true(instance_delete(inst, false, &op, &err) < 0);
    assert_int_equal(err.kind, ERR_STATE);
    assert_int_equal(instance_delete(inst, true, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_null(find(world));
    assert_string_equal(operation_state(world, id), "done");
    assert_int_equal(world->clears_all, 1);
}

static void test_delete_while_starting(void **state) {
    struct world *world = *state;
    struct instance *inst = make(world, "web", false);
    struct operation *start, *gone;
    assert_int_equal(instance_start(inst, &start, NULL), 0);
    OP_ID(start, start_id);
    loop_step(world->loop, 0);
    assert_int_equal(instance_delete(inst, true, &gone, NULL), 0);
    OP_ID(gone, gone_id);
    settle(world);
    assert_null(find(world));
    assert_string_equal(operation_state(world, start_id), "cancelled");
    assert_string_equal(operation_state(world, gone_id), "done");
}

static void test_supervisor_killed(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    wire_channel_free(take(world->w.shim));
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    json_t *doc = object_doc(inst->object);
    const json_t *status = json_object_get(doc, "status");
    assert_int_equal(json_integer_value(json_object_get(status, "exit_code")), 137);
    assert_non_null(strstr(json_text(status, "reason"), "supervisor"));
    json_decref(doc);
    assert_int_equal(world->clears, 1);
}

// --- a daemon that was killed and its successor -------------------------------------------------------------

static void test_found_running(void **state) {
    struct world *world = *state;
    started(world, false);
    daemon_restarts(world);
    struct instance *inst = find(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
    assert_int_equal(world->creates, 1);
    assert_int_equal(world->clears, 0);
    struct operation *op;
    assert_int_equal(instance_stop(inst, 0, -1, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
}

static void test_found_paused(void **state) {
    struct world *world = *state;
    struct operation *op;
    assert_int_equal(instance_pause(started(world, false), true, &op, NULL), 0);
    settle(world);
    daemon_restarts(world);
    assert_int_equal(find(world)->state, INSTANCE_PAUSED);
}

static void test_found_ended(void **state) {
    struct world *world = *state;
    started(world, false);
    world->w.record = true;
    world->w.exit_code = 7;
    daemon_restarts(world);
    struct instance *inst = find(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    json_t *doc = object_doc(inst->object);
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(doc, "status"), "exit_code")),
                     7);
    json_decref(doc);
}

static void test_found_ended_and_removed(void **state) {
    struct world *world = *state;
    started(world, true);
    world->w.record = true;
    daemon_restarts(world);
    assert_null(find(world));
}

static void test_found_dead(void **state) {
    struct world *world = *state;
    started(world, false);
    world->w.dead = true;
    daemon_restarts(world);
    assert_int_equal(find(world)->state, INSTANCE_EXITED);
    assert_int_equal(world->clears, 1);
}

static void test_found_absent(void **state) {
    struct world *world = *state;
    started(world, false);
    *world->w.state = 0;
    daemon_restarts(world);
    assert_int_equal(find(world)->state, INSTANCE_EXITED);
}

static void test_found_at_the_gate(void **state) {
    struct world *world = *state;
    started(world, false);
    // As if the daemon had died between the creation and the start.
    snprintf(world->w.state, sizeof(world->w.state), "created");
    daemon_restarts(world);
    assert_int_equal(find(world)->state, INSTANCE_RUNNING);
    assert_int_equal(world->creates, 2);
}

static void test_removal_goes_on(void **state) {
    struct world *world = *state;
    struct operation *op;
    world->silent_clear = true;
    assert_int_equal(instance_delete(started(world, false), true, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    assert_int_equal(find(world)->state, INSTANCE_REMOVING);
    world->silent_clear = false;
    daemon_restarts(world);
    assert_null(find(world));
    assert_string_equal(operation_state(world, id), "failed"); // interrupted, as the record says
}

// --- wishes that meet ---------------------------------------------------------------------------------------

static const char *stored_state(struct world *world) {
    static char state[16];
    json_t *doc = object_doc(find(world)->object);
    snprintf(state, sizeof(state), "%s", json_text(json_object_get(doc, "status"), "state"));
    json_decref(doc);
    return state;
}

static void test_manner_of_a_stop_is_not_kept(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    assert_int_equal(instance_stop(inst, 0, 0, &op, NULL), 0);
    settle(world);
    assert_int_equal(world->w.signals[0], SIGKILL);
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    settle(world);
    assert_int_equal(instance_stop(inst, 0, -1, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_int_equal(world->w.signals[0], SIGTERM);
}

static void test_second_stop_is_harder(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    world->w.deaf = true;
    assert_int_equal(instance_stop(inst, 0, -1, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_STOPPING);
    assert_int_equal(instance_stop(inst, SIGKILL, -1, &op, NULL), 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
}

static struct instance *stopping(struct world *world, bool restart, struct operation **ret) {
    struct instance *inst = started(world, false);
    world->w.deaf = true;
    int rc =
        restart ? instance_restart(inst, -1, ret, NULL) : instance_stop(inst, 0, -1, ret, NULL);
    assert_int_equal(rc, 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_STOPPING);
    return inst;
}

static void test_start_while_stopping(void **state) {
    struct world *world = *state;
    struct operation *stop, *start;
    struct instance *inst = stopping(world, false, &stop);
    assert_int_equal(instance_start(inst, &start, NULL), 0);
    OP_ID(start, id);
    settle(world);
    workload_ends(world, 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_RUNNING);
    assert_string_equal(operation_state(world, id), "done");
}

static void test_stop_overtakes_restart(void **state) {
    struct world *world = *state;
    struct operation *restart, *stop;
    struct instance *inst = stopping(world, true, &restart);
    OP_ID(restart, restart_id);
    assert_int_equal(instance_stop(inst, 0, -1, &stop, NULL), 0);
    OP_ID(stop, stop_id);
    workload_ends(world, 0);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_string_equal(operation_state(world, restart_id), "cancelled");
    assert_string_equal(operation_state(world, stop_id), "done");
}

static void test_restart_outlives_the_daemon(void **state) {
    struct world *world = *state;
    struct operation *op;
    stopping(world, true, &op);
    daemon_restarts(world);
    assert_int_equal(find(world)->state, INSTANCE_STOPPING);
    workload_ends(world, 0);
    settle(world);
    assert_int_equal(find(world)->state, INSTANCE_RUNNING);
    assert_int_equal(world->creates, 2);
}

static void test_end_during_resume(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *op;
    assert_int_equal(instance_pause(inst, true, &op, NULL), 0);
    settle(world);
    world->silent_pause = true;
    assert_int_equal(instance_pause(inst, false, &op, NULL), 0);
    OP_ID(op, id);
    settle(world);
    workload_ends(world, 1);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_string_equal(operation_state(world, id), "failed");
}

static void test_delete_while_pausing(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    struct operation *pause, *gone;
    world->silent_pause = true;
    assert_int_equal(instance_pause(inst, true, &pause, NULL), 0);
    settle(world);
    assert_int_equal(instance_delete(inst, true, &gone, NULL), 0);
    OP_ID(gone, id);
    settle(world);
    assert_null(find(world));
    assert_string_equal(operation_state(world, id), "done");
}

// --- what goes away in the middle ---------------------------------------------------------------------------

static void test_daemon_ends_during_a_start(void **state) {
    struct world *world = *state;
    struct operation *op;
    world->silent_start = true;
    assert_int_equal(instance_start(make(world, "web", false), &op, NULL), 0);
    settle(world);
    daemon_restarts(world);
    assert_int_equal(find(world)->state, INSTANCE_RUNNING);
    assert_int_equal(world->clears, 0);
    assert_int_equal(world->w.n_signals, 0);
}

static void test_agent_lost_while_asked(void **state) {
    struct world *world = *state;
    started(world, false);
    world->silent_exit = true;
    wire_channel_free(take(world->w.shim));
    settle(world);
    wire_channel_free(take(world->agent));
    settle(world);
    assert_string_equal(stored_state(world), "running");
}

static void test_store_refuses_for_a_while(void **state) {
    struct world *world = *state;
    struct instance *inst = started(world, false);
    inst->object->revision += 1000; // whatever is written is refused
    workload_ends(world, 3);
    settle(world);
    assert_int_equal(inst->state, INSTANCE_EXITED);
    assert_string_equal(stored_state(world), "running");
    inst->object->revision -= 1000;
    clock_warp_advance(&world->warp, 3 * SEC_NS);
    settle(world);
    settle(world);
    assert_string_equal(stored_state(world), "exited");
    assert_null(inst->unrecorded);
}

static void test_start_that_cannot_be_recorded(void **state) {
    struct world *world = *state;
    struct instance *inst = make(world, "web", false);
    struct operation *op;
    assert_int_equal(instance_start(inst, &op, NULL), 0);
    OP_ID(op, id);
    inst->object->revision += 1000;
    settle(world);
    assert_int_equal(world->creates, 0);
    assert_string_equal(operation_state(world, id), "failed");
    inst->object->revision -= 1000;
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(created_to_running),
        CASE(running_to_exited),
        CASE(exited_to_running_again),
        CASE(removed_on_exit),
        CASE(creation_fails),
        CASE(program_cannot_be_started),
        CASE(pause_and_resume),
        CASE(stop_thaws_first),
        CASE(stop_by_signal),
        CASE(stop_loses_patience),
        CASE(stop_that_cannot_be_signalled),
        CASE(restart),
        CASE(stop_overtakes_start),
        CASE(delete),
        CASE(delete_while_starting),
        CASE(supervisor_killed),
        CASE(found_running),
        CASE(found_paused),
        CASE(found_ended),
        CASE(found_ended_and_removed),
        CASE(found_dead),
        CASE(found_absent),
        CASE(found_at_the_gate),
        CASE(removal_goes_on),
        CASE(manner_of_a_stop_is_not_kept),
        CASE(second_stop_is_harder),
        CASE(start_while_stopping),
        CASE(stop_overtakes_restart),
        CASE(restart_outlives_the_daemon),
        CASE(end_during_resume),
        CASE(delete_while_pausing),
        CASE(daemon_ends_during_a_start),
        CASE(agent_lost_while_asked),
        CASE(store_refuses_for_a_while),
        CASE(start_that_cannot_be_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
