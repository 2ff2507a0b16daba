// SPDX-License-Identifier: Apache-2.0
// The runtime part of an instance, its record, and the reconciler: level-triggered, one step at a time.
//
// Neighbours: instance_request.c (what users wish), instance_report.c (what a kind saw), instance_recover.c (after a
// restart of the daemon), goals.c (who waits for what), instance_api.c and instance_create.c (HTTP).
#include "cloud/instance.h"

#include "base/log.h"
#include "cloud/instance_int.h"
#include "host/process.h"

#include <signal.h>
#include <stdlib.h>

#define RECORD_RETRY_NS (2 * SEC_NS)

static const char *const state_words[] = {
#define X(name, word) word,
    INSTANCE_STATES(X)
#undef X
};
static const char *const desired_words[] = {"stopped", "running", "paused"};

const char *instance_state_word(enum instance_state state) {
    return state_words[state];
}

const char *instance_desired_word(enum instance_desired desired) {
    return desired_words[desired];
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
    loop_remove(inst->record_timer);
    instance_goals_free(inst);
    json_decref(inst->unrecorded);
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
    inst->restarting = json_is_true(json_object_get(json_object_get(status, "stop"), "restart"));
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
    struct cloud *cloud = arg;
    struct instance *inst = instance_adopt(cloud, object);
    inst->recovering = true;
    cloud->recovering++;
    object->runtime = inst;
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

json_t *instance_status(const struct instance *inst, json_t *doc) {
    json_t *status = json_object_get(doc, "status");
    if (inst->unrecorded || !json_is_object(status)) {
        status = inst->unrecorded ? json_deep_copy(inst->unrecorded) : json_object();
        json_object_set_new(doc, "status", status);
    }
    return status;
}

static void on_record_time(void *arg);

void instance_retry_later(struct instance *inst) {
    int64_t at = clock_monotonic(inst->cloud->clock) + RECORD_RETRY_NS;
    if (inst->record_timer)
        loop_timer_set(inst->record_timer, at);
    else
        loop_add_timer(inst->cloud->loop, at, on_record_time, inst, &inst->record_timer, NULL);
}

static void record_later(struct instance *inst, const json_t *status, const struct err *why) {
    if (!inst->unrecorded)
        LOG_ERROR("cannot record the state of an instance", "name=%s state=%s cause=\"%s\"",
                  inst->name, state_words[inst->state], why->cause);
    json_t *kept = json_deep_copy(status);
    json_decref(inst->unrecorded);
    inst->unrecorded = kept;
    instance_retry_later(inst);
}

int instance_set_state(struct instance *inst, enum instance_state state, const char *event,
                       json_t *set) {
    inst->state = state;
    json_t *doc = object_doc(inst->object), *status = json_incref(instance_status(inst, doc));
    json_object_set_new(status, "state", json_string(state_words[state]));
    if (!instance_is_live(inst) || state == INSTANCE_STARTING) json_object_del(status, "stop");
    if (set) json_object_update(status, set);
    json_object_set_new(doc, "desired", json_string(desired_words[inst->desired]));
    struct err err = {0};
    // Observed state is written without waiting for the disk: after a power cut no workload lives anyway.
    if (!event) json_decref(set);
    int rc = instance_write(inst, doc, event, event ? set : NULL, false, &err);
    if (rc < 0) {
        record_later(inst, status, &err);
    } else if (inst->unrecorded) {
        json_decref(take(inst->unrecorded));
        loop_remove(take(inst->record_timer));
    }
    json_decref(status);
    return rc;
}

static void on_record_time(void *arg) {
    struct instance *inst = arg;
    if (inst->unrecorded) instance_set_state(inst, inst->state, NULL, NULL);
    if (!inst->unrecorded && inst->state == INSTANCE_REMOVING) instance_reconcile(inst);
}

int instance_set_desired(struct instance *inst, enum instance_desired desired, struct err *err) {
    if (inst->desired == desired) return 0;
    json_t *doc = object_doc(inst->object);
    json_object_set_new(doc, "desired", json_string(desired_words[desired]));
    int rc = instance_write(inst, doc, NULL, NULL, true, err);
    if (rc == 0) inst->desired = desired;
    return rc;
}

// --- the reconciler --------------------------------------------------------------------------------

static void on_step_answer(json_t *result, const struct err *err, void *arg) {
    struct instance *inst = arg;
    inst->busy = false;
    if (err) {
        LOG_WARN("a step failed", "instance=%s cause=\"%s\"", inst->name, err->cause);
        // It was not paused, and need not be for what was wished for in the meantime.
        if (inst->state == INSTANCE_RUNNING && inst->desired != DESIRED_PAUSED)
            return instance_reconcile(inst);
        instance_goals_fail(inst, err);
        // Wishing on for what just failed would loop: what is there becomes what is wished.
        inst->desired = inst->state == INSTANCE_PAUSED ? DESIRED_PAUSED : DESIRED_RUNNING;
        return;
    }
    instance_reconcile(inst);
}

static void step_start(struct instance *inst) {
    int rc =
        instance_set_state(inst, INSTANCE_STARTING, "instance.starting",
                           json_pack("{s:i, s:n, s:b, s:n, s:n, s:s}", "pid", 0, "exit_code",
                                     "oom_killed", 0, "started_at", "finished_at", "reason", ""));
    inst->killed = false;
    if (rc < 0) {
        struct err err = {0};
        err_set(&err, ERR_NO_SPACE, -rc, "state", "cannot record the start");
        err_next(&err, "make room where the state is kept, then start it again");
        instance_report_start_failed(inst, &err);
        return;
    }
    inst->busy = inst->uncleared = true;
    inst->kind->start(inst);
}

// Whoever waits for the end of what cannot be signalled would wait for ever. One that has ended in
// the meantime is reported as such.
static void on_stop_signalled(json_t *result, const struct err *err, void *arg) {
    struct instance *inst = arg;
    if (!err || err->kind == ERR_STATE || err->kind == ERR_UNAVAILABLE) return;
    LOG_WARN("cannot stop an instance", "name=%s cause=\"%s\"", inst->name, err->cause);
    instance_goals_fail(inst, err);
    if (inst->state != INSTANCE_STOPPING) return;
    inst->desired = DESIRED_RUNNING; // what is there becomes what is wished
    instance_set_state(inst, INSTANCE_RUNNING, NULL, NULL);
}

static void on_stop_time(void *arg) {
    struct instance *inst = arg;
    if (inst->state != INSTANCE_STOPPING || inst->killed) return;
    inst->killed = true;
    inst->kind->signal(inst, SIGKILL, true, on_stop_signalled, inst);
}

static void arm_stop_timer(struct instance *inst, int64_t timeout_ms) {
    int64_t at = clock_monotonic(inst->cloud->clock) + timeout_ms * MSEC_NS;
    if (inst->stop_timer)
        loop_timer_set(inst->stop_timer, at);
    else
        loop_add_timer(inst->cloud->loop, at, on_stop_time, inst, &inst->stop_timer, NULL);
}

// The wish to stop carries its signal and patience in the document, so that the next daemon keeps to them.
void instance_send_stop(struct instance *inst) {
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
    inst->killed = signo == SIGKILL || timeout_ms == 0;
    inst->kind->signal(inst, inst->killed ? SIGKILL : signo, inst->killed, on_stop_signalled, inst);
    if (!inst->killed) arm_stop_timer(inst, timeout_ms);
}

static void step_stop(struct instance *inst) {
    instance_set_state(inst, INSTANCE_STOPPING, "instance.stopping", NULL);
    instance_send_stop(inst);
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

void instance_reconcile(struct instance *inst) {
    if (inst->busy || inst->recovering || !inst->cloud->agent) return;
    if (inst->kind->unavailable) {
        // Nothing of it can be on this host; a removal takes the record away.
        if (inst->state == INSTANCE_REMOVING) instance_report_cleared(inst, NULL);
        return;
    }
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
