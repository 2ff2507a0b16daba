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

static json_t *status_of(const struct instance *inst, json_t *doc) {
    json_t *status = json_object_get(doc, "status");
    if (inst->unrecorded || !json_is_object(status)) {
        status = inst->unrecorded ? json_deep_copy(inst->unrecorded) : json_object();
        json_object_set_new(doc, "status", status);
    }
    return status;
}

static void on_record_time(void *arg);

static void record_later(struct instance *inst, const json_t *status, const struct err *why) {
    if (!inst->unrecorded)
        LOG_ERROR("cannot record the state of an instance", "name=%s state=%s cause=\"%s\"",
                  inst->name, state_words[inst->state], why->cause);
    json_t *kept = json_deep_copy(status);
    json_decref(inst->unrecorded);
    inst->unrecorded = kept;
    int64_t at = clock_monotonic(inst->cloud->clock) + RECORD_RETRY_NS;
    if (inst->record_timer)
        loop_timer_set(inst->record_timer, at);
    else
        loop_add_timer(inst->cloud->loop, at, on_record_time, inst, &inst->record_timer, NULL);
}

int instance_set_state(struct instance *inst, enum instance_state state, const char *event,
                       json_t *set) {
    inst->state = state;
    json_t *doc = object_doc(inst->object), *status = json_incref(status_of(inst, doc));
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
        // It was not paused, and need not be for what was wished for in the meantime.
        if (inst->state == INSTANCE_RUNNING && inst->desired != DESIRED_PAUSED)
            return reconcile(inst);
        instance_goals_fail(inst, err);
        // Wishing on for what just failed would loop: what is there becomes what is wished.
        inst->desired = inst->state == INSTANCE_PAUSED ? DESIRED_PAUSED : DESIRED_RUNNING;
        return;
    }
    reconcile(inst);
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
    set_state(inst, INSTANCE_RUNNING, NULL, NULL);
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
static void send_stop(struct instance *inst) {
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
    send_stop(inst);
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

// --- requests --------------------------------------------------------------------------------------

static int check_not_removing(struct instance *inst, struct err *err) {
    if (inst->state != INSTANCE_REMOVING) return 0;
    return err_set(err, ERR_STATE, 0, inst->name, "the instance is being removed");
}

static int begin(struct instance *inst, const char *verb, enum instance_goal goal,
                 struct operation **ret) {
    *ret = operation_begin(inst->cloud, verb, OBJECT_INSTANCE, inst->project, inst->name);
    instance_goal_add(inst, *ret, goal);
    loop_defer(inst->cloud->loop, instance_reconcile_later, inst->object);
    return 0;
}

static int wish(struct instance *inst, const char *verb, enum instance_desired desired,
                enum instance_goal goal, struct operation **ret, struct err *err) {
    enum instance_desired before = inst->desired;
    int rc = set_desired(inst, desired, err);
    if (rc < 0) return rc;
    if (before != desired) instance_goals_supersede(inst, verb);
    return begin(inst, verb, goal, ret);
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

// What a stop shall be like goes into the document with the wish; one that is under way goes on in the new way.
static int write_stop(struct instance *inst, int signo, int64_t timeout_ms, bool restart,
                      struct err *err) {
    bool said = signo > 0 || timeout_ms >= 0;
    if (!said && restart == inst->restarting && inst->desired == DESIRED_STOPPED) return 0;
    json_t *doc = object_doc(inst->object), *stop = json_object();
    if (signo > 0) json_object_set_new(stop, "signal", json_string(process_signal_name(signo)));
    if (timeout_ms >= 0) json_object_set_new(stop, "timeout_ms", json_integer(timeout_ms));
    if (restart) json_object_set_new(stop, "restart", json_true());
    json_object_set_new(status_of(inst, doc), "stop", stop);
    json_object_set_new(doc, "desired", json_string(desired_words[DESIRED_STOPPED]));
    int rc = instance_write(inst, doc, NULL, NULL, true, err);
    if (rc < 0) return rc;
    inst->desired = DESIRED_STOPPED;
    inst->restarting = restart;
    if (said && inst->state == INSTANCE_STOPPING) send_stop(inst);
    return 0;
}

static int wish_stop(struct instance *inst, const char *verb, int signo, int64_t timeout_ms,
                     enum instance_goal goal, struct operation **ret, struct err *err) {
    bool restart = goal == GOAL_STARTED_AGAIN;
    bool other = inst->desired != DESIRED_STOPPED || inst->restarting != restart;
    int rc = write_stop(inst, signo, timeout_ms, restart, err);
    if (rc < 0) return rc;
    if (other) instance_goals_supersede(inst, verb);
    return begin(inst, verb, goal, ret);
}

int instance_stop(struct instance *inst, int signo, int64_t timeout_ms, struct operation **ret,
                  struct err *err) {
    int rc = check_not_removing(inst, err);
    if (rc < 0) return rc;
    return wish_stop(inst, "instance.stop", signo, timeout_ms, GOAL_STOPPED, ret, err);
}

int instance_restart(struct instance *inst, int64_t timeout_ms, struct operation **ret,
                     struct err *err) {
    if (!instance_is_live(inst)) return instance_start(inst, ret, err);
    return wish_stop(inst, "instance.restart", 0, timeout_ms, GOAL_STARTED_AGAIN, ret, err);
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

static json_t *end_by_removal(void) {
    return json_pack("{s:i, s:i, s:s}", "pid", 0, "exit_code", KILLED_BY_SIGKILL, "reason",
                     "removed while it ran");
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
        instance_set_state(inst, INSTANCE_REMOVING, "instance.removing",
                           instance_is_live(inst) ? end_by_removal() : NULL);
    // A step that is in flight is overtaken: clearing kills whatever it has made.
    if (inst->busy && inst->kind->release) inst->kind->release(inst);
    inst->busy = false;
    instance_known(inst);
    return begin(inst, "instance.delete", GOAL_REMOVED, ret);
}

// --- reports ---------------------------------------------------------------------------------------

void instance_known(struct instance *inst) {
    struct cloud *cloud = inst->cloud;
    if (take_flag(&inst->recovering) && --cloud->recovering == 0 && cloud->recovered)
        cloud->recovered(cloud);
}

// A step has ended.
static void step_ended(struct instance *inst) {
    inst->busy = false;
    instance_known(inst);
}

void instance_report_running(struct instance *inst, int pid, int64_t started_ns) {
    step_ended(inst);
    if (inst->state == INSTANCE_REMOVING) return reconcile(inst);
    bool fresh = inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_PAUSED;
    inst->started_ns = started_ns;
    inst->uncleared = true;
    if (fresh) inst->starts++;
    json_t *set = json_pack("{s:i, s:o}", "pid", pid, "started_at", json_time(started_ns));
    if (inst->warnings) json_object_set(set, "warnings", inst->warnings);
    instance_set_state(inst, INSTANCE_RUNNING, fresh ? "instance.started" : NULL, set);
    reconcile(inst);
}

void instance_report_gate(struct instance *inst) {
    step_ended(inst);
    inst->uncleared = true;
    // It never ran, so nothing is lost by making it anew where it is still wanted.
    if (take_flag(&inst->restarting)) inst->desired = DESIRED_RUNNING;
    if (inst->state != INSTANCE_REMOVING) instance_set_state(inst, INSTANCE_CREATED, NULL, NULL);
    reconcile(inst);
}

void instance_report_paused(struct instance *inst, bool paused) {
    step_ended(inst);
    inst->uncleared = true;
    if (inst->state != INSTANCE_REMOVING)
        instance_set_state(inst, paused ? INSTANCE_PAUSED : INSTANCE_RUNNING,
                           paused ? "instance.paused" : "instance.resumed", NULL);
    reconcile(inst);
}

static void end_attaches(struct instance *inst, const struct err *why) {
    for (struct attach *a; (a = instance_take_attach(inst));) attach_fail(a, why);
}

void instance_report_start_failed(struct instance *inst, const struct err *why) {
    step_ended(inst);
    if (inst->state == INSTANCE_REMOVING) return reconcile(inst);
    char text[sizeof(*why)];
    snprintf(text, sizeof(text), "%s: %s%s%s", why->object, why->cause,
             *why->context ? ", while " : "", why->context);
    inst->desired = DESIRED_STOPPED;
    end_attaches(inst, why);
    json_t *set = json_pack("{s:i, s:i, s:s, s:o}", "pid", 0, "exit_code", err_program_exit(why),
                            "reason", text, "finished_at", json_now(inst->cloud));
    instance_set_state(inst, INSTANCE_FAILED, "instance.failed", set);
    instance_goals_vain(inst, why);
    instance_after_end(inst, err_program_exit(why), false);
    reconcile(inst);
}

void instance_report_exit(struct instance *inst, const struct instance_exit *exit) {
    step_ended(inst);
    inst->uncleared = true;
    loop_remove(take(inst->stop_timer));
    if (inst->state == INSTANCE_REMOVING) return reconcile(inst);
    // Wished for while it was stopping: once more.
    bool again = inst->state == INSTANCE_STOPPING && inst->desired == DESIRED_RUNNING;
    again |= take_flag(&inst->restarting);
    inst->desired = again ? DESIRED_RUNNING : DESIRED_STOPPED;
    json_t *set =
        json_pack("{s:i, s:i, s:b, s:o, s:o, s:s}", "pid", 0, "exit_code", exit->exit_code,
                  "oom_killed", exit->oom_killed, "started_at",
                  json_time(exit->started_ns ? exit->started_ns : inst->started_ns), "finished_at",
                  exit->finished_ns ? json_time(exit->finished_ns) : json_now(inst->cloud),
                  "reason", exit->reason ? exit->reason : "");
    instance_set_state(inst, INSTANCE_EXITED, "instance.exited", set);
    instance_after_end(inst, exit->exit_code, exit->oom_killed);
    if (!again) {
        struct err ended = {0};
        err_set(&ended, ERR_STATE, 0, inst->name, "it has ended");
        instance_goals_vain(inst, &ended);
    }
    if (!again && inst->remove_on_exit)
        instance_set_state(inst, INSTANCE_REMOVING, "instance.removing", NULL);
    reconcile(inst);
}

void instance_report_cleared(struct instance *inst, const struct err *why) {
    step_ended(inst);
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
    if (changes_commit(changes, false, &err) == 0) return; // and inst was freed through the cache
    LOG_ERROR("cannot forget an instance", "name=%s cause=\"%s\"", inst->name, err.cause);
    instance_goals_fail(inst, &err); // asked again by the next request or the next daemon
}
