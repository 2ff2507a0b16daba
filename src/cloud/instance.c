// SPDX-License-Identifier: Apache-2.0
// Requests, reports and the reconciler. goals.c keeps who waits for what.
#include "cloud/instance.h"

#include "base/log.h"
#include "base/str.h"
#include "cloud/bridge.h"
#include "cloud/instance_int.h"
#include "host/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define KILLED_BY_SIGKILL (128 + SIGKILL)

static const char *const state_words[] = {
#define X(name, word) word,
    INSTANCE_STATES(X)
#undef X
};
static const char *const desired_words[] = {"stopped", "running", "paused"};

const char *instance_state_word(enum instance_state state) {
    return state_words[state];
}

bool instance_is_live(const struct instance *inst) {
    return inst->state == INSTANCE_STARTING || inst->state == INSTANCE_RUNNING ||
           inst->state == INSTANCE_PAUSED || inst->state == INSTANCE_STOPPING;
}

struct instance *instance_of(struct object *object) {
    return object->runtime;
}

// --- the runtime part of an object ----------------------------------------------------------------

static int word_index(const char *word, const char *const *words, int n, int otherwise) {
    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0) return i;
    }
    return otherwise;
}

static void instance_free(struct instance *inst) {
    if (inst->kind->release) inst->kind->release(inst);
    loop_remove(inst->stop_timer);
    instance_goals_free(inst);
    json_decref(inst->warnings);
    free(inst);
}

static struct instance *instance_adopt(struct cloud *cloud, struct object *object) {
    json_t *doc = object_doc(object);
    const json_t *status = json_object_get(doc, "status");
    const struct kind_ops *kind = kind_find(json_text(doc, "level"));
    struct instance *inst = mem_new(struct instance);
    inst->cloud = cloud;
    inst->object = object;
    inst->kind = kind ? kind : kind_at(0);
    snprintf(inst->id, sizeof(inst->id), "%.32s", object->id);
    snprintf(inst->name, sizeof(inst->name), "%s", object->name);
    snprintf(inst->project, sizeof(inst->project), "%s", object->project);
    inst->state = word_index(json_text(status, "state"), state_words, array_len(state_words),
                             INSTANCE_CREATED);
    inst->desired = word_index(json_text(doc, "desired"), desired_words, array_len(desired_words),
                               DESIRED_STOPPED);
    inst->remove_on_exit = json_is_true(json_object_get(doc, "remove_on_exit"));
    inst->terminal = json_is_true(json_object_get(doc, "terminal"));
    time_parse(json_text(status, "started_at"), &inst->started_ns);
    instance_goals_init(inst);
    json_decref(doc);
    return inst;
}

static void on_object(struct cloud *cloud, struct object *object, bool removed) {
    struct instance *inst = object->runtime;
    if (removed) {
        object->runtime = NULL;
        if (inst) instance_gone(inst);
        if (inst) instance_free(inst);
    } else if (!inst) {
        object->runtime = instance_adopt(cloud, object);
    }
}

static bool adopt_one(struct object *object, void *arg) {
    object->runtime = instance_adopt(arg, object);
    return true;
}

int instances_open(struct cloud *cloud, struct err *err) {
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, adopt_one, cloud);
    objects_set_hook(cloud->objects, OBJECT_INSTANCE, on_object);
    return 0;
}

static bool drop_one(struct object *object, void *arg) {
    if (object->runtime) instance_free(object->runtime);
    object->runtime = NULL;
    return true;
}

void instances_close(struct cloud *cloud) {
    if (!cloud->objects) return;
    objects_set_hook(cloud->objects, OBJECT_INSTANCE, NULL);
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, drop_one, NULL);
}

static bool count_running(struct object *object, void *arg) {
    const struct instance *inst = object->runtime;
    if (inst && (inst->state == INSTANCE_RUNNING || inst->state == INSTANCE_PAUSED))
        (*(size_t *)arg)++;
    return true;
}

size_t instances_running(struct cloud *cloud) {
    size_t n = 0;
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, count_running, &n);
    return n;
}

// --- writing ---------------------------------------------------------------------------------------

int instance_write(struct instance *inst, json_t *doc, const char *event, json_t *detail,
                   bool durable, struct err *err) {
    struct changes *changes = changes_new(inst->cloud);
    changes_put(changes, inst->object->key, doc, inst->object->revision);
    if (event)
        changes_event(changes, event, OBJECT_INSTANCE, inst->project, inst->name, inst->id, detail);
    return changes_commit(changes, durable, err);
}

static json_t *status_of(json_t *doc) {
    json_t *status = json_object_get(doc, "status");
    if (!json_is_object(status)) {
        status = json_object();
        json_object_set_new(doc, "status", status);
    }
    return status;
}

// Move to a state: the document says so, an event tells it, waiting operations hear it. `set` (stolen) is merged into status and told in the event.
static void set_state(struct instance *inst, enum instance_state state, const char *event,
                      json_t *set) {
    inst->state = state;
    json_t *doc = object_doc(inst->object);
    json_t *status = status_of(doc);
    json_object_set_new(status, "state", json_string(state_words[state]));
    if (set) json_object_update(status, set);
    json_object_set_new(doc, "desired", json_string(desired_words[inst->desired]));
    struct err err = {0};
    // Observed state is written without waiting for the disk: after a power cut no workload lives anyway.
    if (!event) json_decref(set);
    if (instance_write(inst, doc, event, event ? set : NULL, false, &err) < 0)
        LOG_ERROR("cannot record the state of an instance", "name=%s state=%s cause=\"%s\"",
                  inst->name, state_words[state], err.cause);
}

static int set_desired(struct instance *inst, enum instance_desired desired, struct err *err) {
    if (inst->desired == desired) return 0;
    json_t *doc = object_doc(inst->object);
    json_object_set_new(doc, "desired", json_string(desired_words[desired]));
    int rc = instance_write(inst, doc, NULL, NULL, true, err);
    if (rc == 0) inst->desired = desired;
    return rc;
}

// --- the reconciler --------------------------------------------------------------------------------

static void reconcile(struct instance *inst);

static void on_step_answer(json_t *result, const struct err *err, void *arg) {
    struct instance *inst = arg;
    inst->busy = false;
    if (err) {
        LOG_WARN("a step failed", "instance=%s cause=\"%s\"", inst->name, err->cause);
        instance_goals_fail(inst, err);
        // Wishing on for what just failed would loop: what is there becomes what is wished.
        inst->desired = inst->state == INSTANCE_PAUSED ? DESIRED_PAUSED : DESIRED_RUNNING;
        return;
    }
    reconcile(inst);
}

static void step_start(struct instance *inst) {
    set_state(inst, INSTANCE_STARTING, "instance.starting",
              json_pack("{s:i, s:n, s:b, s:n, s:n, s:s}", "pid", 0, "exit_code", "oom_killed", 0,
                        "started_at", "finished_at", "reason", ""));
    inst->busy = inst->uncleared = true;
    inst->killed = false;
    inst->kind->start(inst);
}

static void on_stop_time(void *arg) {
    struct instance *inst = arg;
    if (inst->state != INSTANCE_STOPPING || inst->killed) return;
    inst->killed = true;
    inst->kind->signal(inst, SIGKILL, true, NULL, NULL);
}

static void arm_stop_timer(struct instance *inst, int64_t timeout_ms) {
    int64_t at = clock_monotonic(inst->cloud->clock) + timeout_ms * MSEC_NS;
    if (inst->stop_timer)
        loop_timer_set(inst->stop_timer, at);
    else
        loop_add_timer(inst->cloud->loop, at, on_stop_time, inst, &inst->stop_timer, NULL);
}

// The wish to stop carries its signal and patience in the document, so that the next daemon keeps to them.
static void step_stop(struct instance *inst) {
    json_t *doc = object_doc(inst->object);
    const json_t *stop = json_object_get(json_object_get(doc, "status"), "stop");
    const char *word =
        *json_text(stop, "signal") ? json_text(stop, "signal") : json_text(doc, "stop_signal");
    int signo = SIGTERM;
    process_signal_parse(word, &signo);
    const json_t *timeout = json_object_get(stop, "timeout_ms");
    if (!timeout) timeout = json_object_get(doc, "stop_timeout_ms");
    int64_t timeout_ms = json_is_integer(timeout) ? json_integer_value(timeout) : 10000;
    json_decref(doc);
    set_state(inst, INSTANCE_STOPPING, "instance.stopping", NULL);
    inst->killed = signo == SIGKILL || timeout_ms == 0;
    inst->kind->signal(inst, inst->killed ? SIGKILL : signo, inst->killed, NULL, NULL);
    if (!inst->killed) arm_stop_timer(inst, timeout_ms);
}

static void step_remove(struct instance *inst) {
    inst->busy = true;
    inst->kind->clear(inst, true);
}

static void step_clear(struct instance *inst) {
    inst->busy = true;
    inst->kind->clear(inst, false);
}

static void step_pause(struct instance *inst, bool paused) {
    inst->busy = true;
    inst->kind->pause(inst, paused, on_step_answer, inst);
}

static void reconcile(struct instance *inst) {
    if (inst->busy || !inst->cloud->agent) return;
    switch (inst->state) {
    case INSTANCE_CREATED:
    case INSTANCE_EXITED:
    case INSTANCE_FAILED:
        if (inst->uncleared)
            step_clear(inst);
        else if (inst->desired == DESIRED_RUNNING)
            step_start(inst);
        break;
    case INSTANCE_RUNNING:
        if (inst->desired == DESIRED_STOPPED)
            step_stop(inst);
        else if (inst->desired == DESIRED_PAUSED)
            step_pause(inst, true);
        break;
    case INSTANCE_PAUSED:
        // A frozen process does not hear signals: thaw first, stop then.
        if (inst->desired != DESIRED_PAUSED) step_pause(inst, false);
        break;
    case INSTANCE_REMOVING:
        step_remove(inst);
        break;
    case INSTANCE_STARTING:
    case INSTANCE_STOPPING:
        break; // a report will come
    }
    instance_goals_check(inst);
}

// --- requests --------------------------------------------------------------------------------------

static int check_not_removing(struct instance *inst, struct err *err) {
    if (inst->state != INSTANCE_REMOVING) return 0;
    return err_set(err, ERR_STATE, 0, inst->name, "the instance is being removed");
}

static int wish(struct instance *inst, const char *verb, enum instance_desired desired,
                enum instance_goal goal, struct operation **ret, struct err *err) {
    enum instance_desired before = inst->desired;
    int rc = set_desired(inst, desired, err);
    if (rc < 0) return rc;
    if (before != desired) instance_goals_supersede(inst, verb);
    *ret = operation_begin(inst->cloud, verb, OBJECT_INSTANCE, inst->project, inst->name);
    instance_goal_add(inst, *ret, goal);
    loop_defer(inst->cloud->loop, instance_reconcile_later, inst->object);
    return 0;
}

// Deferred, so that the request's answer is registered before the operation can end. The object may be gone by then.
void instance_reconcile_later(void *arg) {
    struct object *object = arg;
    struct instance *inst = object->runtime;
    if (inst) reconcile(inst);
}

int instance_start(struct instance *inst, struct operation **ret, struct err *err) {
    int rc = check_not_removing(inst, err);
    if (rc < 0) return rc;
    if (inst->kind->unavailable)
        return err_set(err, ERR_UNSUPPORTED, 0, inst->name, "%s", inst->kind->unavailable);
    if (inst->state == INSTANCE_RUNNING || inst->state == INSTANCE_PAUSED ||
        inst->state == INSTANCE_STARTING) {
        err_set(err, ERR_STATE, 0, inst->name, "it is %s already", state_words[inst->state]);
        return err_next(err,
                        inst->state == INSTANCE_PAUSED ? "'trine resume %s' lets it go on"
                                                       : "'trine restart %s' starts it anew",
                        inst->name);
    }
    return wish(inst, "instance.start", DESIRED_RUNNING, GOAL_RUNNING, ret, err);
}

int instance_stop(struct instance *inst, int signo, int64_t timeout_ms, struct operation **ret,
                  struct err *err) {
    int rc = check_not_removing(inst, err);
    if (rc < 0) return rc;
    if (signo > 0 || timeout_ms >= 0) {
        json_t *doc = object_doc(inst->object), *stop = json_object();
        if (signo > 0) json_object_set_new(stop, "signal", json_string(process_signal_name(signo)));
        if (timeout_ms >= 0) json_object_set_new(stop, "timeout_ms", json_integer(timeout_ms));
        json_object_set_new(status_of(doc), "stop", stop);
        rc = instance_write(inst, doc, NULL, NULL, false, err);
        if (rc < 0) return rc;
        if (inst->state == INSTANCE_STOPPING && timeout_ms >= 0) arm_stop_timer(inst, timeout_ms);
    }
    return wish(inst, "instance.stop", DESIRED_STOPPED, GOAL_STOPPED, ret, err);
}

int instance_restart(struct instance *inst, int64_t timeout_ms, struct operation **ret,
                     struct err *err) {
    if (!instance_is_live(inst)) {
        int rc = instance_start(inst, ret, err);
        return rc;
    }
    struct operation *stop;
    int rc = instance_stop(inst, 0, timeout_ms, &stop, err);
    if (rc < 0) return rc;
    operation_done(instance_goal_forget(inst, stop), NULL);
    *ret = operation_begin(inst->cloud, "instance.restart", OBJECT_INSTANCE, inst->project,
                           inst->name);
    inst->restarting = true;
    instance_goal_add(inst, *ret, GOAL_STARTED_AGAIN);
    return 0;
}

int instance_pause(struct instance *inst, bool paused, struct operation **ret, struct err *err) {
    enum instance_state needed = paused ? INSTANCE_RUNNING : INSTANCE_PAUSED;
    if (inst->state != needed) {
        err_set(err, ERR_STATE, 0, inst->name, "it is %s, not %s", state_words[inst->state],
                state_words[needed]);
        return err_next(err, "'trine ps -a' shows the state of every instance");
    }
    return paused ? wish(inst, "instance.pause", DESIRED_PAUSED, GOAL_PAUSED, ret, err)
                  : wish(inst, "instance.resume", DESIRED_RUNNING, GOAL_RUNNING, ret, err);
}

int instance_delete(struct instance *inst, bool force, struct operation **ret, struct err *err) {
    if (instance_is_live(inst) && !force) {
        err_set(err, ERR_STATE, 0, inst->name, "it is %s", state_words[inst->state]);
        return err_next(err, "stop it first, or use 'trine rm --force %s'", inst->name);
    }
    struct err superseded = {0};
    err_set(&superseded, ERR_CANCELLED, 0, inst->name, "the instance was removed");
    instance_goals_fail(inst, &superseded);
    inst->desired = DESIRED_STOPPED;
    if (inst->state != INSTANCE_REMOVING)
        set_state(inst, INSTANCE_REMOVING, "instance.removing", NULL);
    *ret =
        operation_begin(inst->cloud, "instance.delete", OBJECT_INSTANCE, inst->project, inst->name);
    instance_goal_add(inst, *ret, GOAL_REMOVED);
    // A step that is in flight is overtaken: clearing kills whatever it has made, and its report finds REMOVING.
    if (inst->busy && inst->kind->release) inst->kind->release(inst);
    inst->busy = false;
    loop_defer(inst->cloud->loop, instance_reconcile_later, inst->object);
    return 0;
}

// --- reports ---------------------------------------------------------------------------------------

void instance_report_running(struct instance *inst, int pid, int64_t started_ns) {
    inst->busy = false;
    if (inst->state == INSTANCE_REMOVING) return reconcile(inst);
    bool fresh = inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_PAUSED;
    inst->started_ns = started_ns;
    inst->uncleared = true;
    if (fresh) inst->starts++;
    json_t *set = json_pack("{s:i, s:o}", "pid", pid, "started_at", json_time(started_ns));
    if (inst->warnings) json_object_set(set, "warnings", inst->warnings);
    set_state(inst, INSTANCE_RUNNING, fresh ? "instance.started" : NULL, set);
    reconcile(inst);
}

void instance_report_gate(struct instance *inst) {
    inst->busy = false;
    inst->uncleared = true;
    // It never ran, so nothing is lost by making it anew where it is still wanted.
    if (inst->state != INSTANCE_REMOVING) set_state(inst, INSTANCE_CREATED, NULL, NULL);
    reconcile(inst);
}

void instance_report_paused(struct instance *inst, bool paused) {
    inst->busy = false;
    inst->uncleared = true;
    if (inst->state != INSTANCE_REMOVING)
        set_state(inst, paused ? INSTANCE_PAUSED : INSTANCE_RUNNING,
                  paused ? "instance.paused" : "instance.resumed", NULL);
    reconcile(inst);
}

static void end_attaches(struct instance *inst, const struct err *why) {
    for (struct attach *a; (a = instance_take_attach(inst));) attach_fail(a, why);
}

void instance_report_start_failed(struct instance *inst, const struct err *why) {
    inst->busy = false;
    if (inst->state == INSTANCE_REMOVING) return reconcile(inst);
    char text[sizeof(*why)];
    snprintf(text, sizeof(text), "%s: %s%s%s", why->object, why->cause,
             *why->context ? ", while " : "", why->context);
    inst->desired = DESIRED_STOPPED;
    end_attaches(inst, why);
    json_t *set = json_pack("{s:i, s:i, s:s, s:o}", "pid", 0, "exit_code", err_program_exit(why),
                            "reason", text, "finished_at", json_now(inst->cloud));
    set_state(inst, INSTANCE_FAILED, "instance.failed", set);
    instance_goals_fail(inst, why);
    instance_after_end(inst, err_program_exit(why), false);
    reconcile(inst);
}

void instance_report_exit(struct instance *inst, const struct instance_exit *exit) {
    inst->busy = false;
    inst->uncleared = true;
    loop_remove(take(inst->stop_timer));
    if (inst->state == INSTANCE_REMOVING) return reconcile(inst);
    bool again = take_flag(&inst->restarting);
    inst->desired = again ? DESIRED_RUNNING : DESIRED_STOPPED;
    json_t *set =
        json_pack("{s:i, s:i, s:b, s:o, s:o, s:s}", "pid", 0, "exit_code", exit->exit_code,
                  "oom_killed", exit->oom_killed, "started_at",
                  json_time(exit->started_ns ? exit->started_ns : inst->started_ns), "finished_at",
                  exit->finished_ns ? json_time(exit->finished_ns) : json_now(inst->cloud),
                  "reason", exit->reason ? exit->reason : "");
    set_state(inst, INSTANCE_EXITED, "instance.exited", set);
    instance_after_end(inst, exit->exit_code, exit->oom_killed);
    if (!again && inst->remove_on_exit)
        set_state(inst, INSTANCE_REMOVING, "instance.removing", NULL);
    reconcile(inst);
}

void instance_report_cleared(struct instance *inst, const struct err *why) {
    inst->busy = false;
    if (why) {
        LOG_WARN("cannot clear an instance", "name=%s object=\"%s\" cause=\"%s\"", inst->name,
                 why->object, why->cause);
        instance_goals_fail(inst, why);
        return; // asked again by the next request or the next daemon
    }
    inst->uncleared = false;
    if (inst->state != INSTANCE_REMOVING) return reconcile(inst);
    struct changes *changes = changes_new(inst->cloud);
    changes_delete(changes, inst->object->key, CHANGES_ANY);
    changes_event(changes, "instance.removed", OBJECT_INSTANCE, inst->project, inst->name, inst->id,
                  NULL);
    struct err err = {0};
    if (changes_commit(changes, false, &err) < 0) // frees inst through the cache
        LOG_ERROR("cannot forget an instance", "cause=\"%s\"", err.cause);
}

// --- after a restart of the daemon -----------------------------------------------------------------

struct recovery {
    struct cloud *cloud;
    const struct wire_agent_instances *found;
    struct arena *arena;
};

static enum kind_found found_state(const struct recovery *r, const char *id, bool *ret_listed) {
    for (size_t i = 0; i < r->found->ids.count; i++) {
        if (strcmp(r->found->ids.items[i], id) != 0) continue;
        *ret_listed = true;
        const char *state = i < r->found->states.count ? r->found->states.items[i] : "";
        return strcmp(state, "alive") == 0   ? KIND_FOUND_ALIVE
               : strcmp(state, "ended") == 0 ? KIND_FOUND_ENDED
                                             : KIND_FOUND_DEAD;
    }
    *ret_listed = false;
    return KIND_FOUND_ABSENT;
}

static bool recover_one(struct object *object, void *arg) {
    struct recovery *r = arg;
    struct instance *inst = object->runtime;
    bool listed;
    enum kind_found found = found_state(r, inst->id, &listed);
    inst->uncleared = listed;
    bool ended = inst->state == INSTANCE_EXITED || inst->state == INSTANCE_FAILED ||
                 inst->state == INSTANCE_CREATED || inst->state == INSTANCE_REMOVING;
    if (ended && inst->state != INSTANCE_REMOVING && inst->remove_on_exit &&
        inst->state != INSTANCE_CREATED)
        set_state(inst, INSTANCE_REMOVING, "instance.removing", NULL);
    if (inst->kind->unavailable || (ended && found != KIND_FOUND_ALIVE)) {
        loop_defer(r->cloud->loop, instance_reconcile_later, object);
        return true;
    }
    if (inst->state == INSTANCE_REMOVING) {
        loop_defer(r->cloud->loop, instance_reconcile_later, object);
        return true;
    }
    inst->busy = true;
    inst->kind->recover(inst, found);
    return true;
}

static void on_list(struct wire_packet *packet, const struct err *err, void *arg) {
    struct cloud *cloud = arg;
    struct wire_agent_instances found = {0};
    struct arena *arena auto_arena = arena_new(16u << 20);
    struct err why = {0};
    if (packet && wire_decode_agent_instances(packet->payload, arena, &found, &why) < 0) err = &why;
    if (err) {
        LOG_ERROR("cannot learn what runs on this host", "cause=\"%s\"", err->cause);
        return;
    }
    struct recovery r = {cloud, &found, arena};
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, recover_one, &r);
    for (size_t i = 0; i < found.ids.count; i++) {
        struct object *known;
        if (object_resolve(cloud->objects, OBJECT_INSTANCE, NULL, found.ids.items[i], &known,
                           NULL) < 0)
            LOG_WARN("an instance that no record knows is left alone", "id=%s", found.ids.items[i]);
    }
}

int instances_recover(struct cloud *cloud, struct err *err) {
    struct wire_agent_instance_list ask = {0};
    return cloud_ask_agent(cloud, WIRE_AGENT_INSTANCE_LIST, &ask, NULL, 0, on_list, cloud, NULL,
                           err);
}
