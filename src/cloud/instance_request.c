// SPDX-License-Identifier: Apache-2.0
// What users wish of an instance: the wish is recorded durably first, then an operation waits for it to come true.
#include "cloud/instance_int.h"

#include "host/process.h"

#include <signal.h>

#define KILLED_BY_SIGKILL (128 + SIGKILL)

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
    int rc = instance_set_desired(inst, desired, err);
    if (rc < 0) return rc;
    if (before != desired) instance_goals_supersede(inst, verb);
    return begin(inst, verb, goal, ret);
}

// Deferred, so that the request's answer is registered before the operation can end. The object may be gone by then.
void instance_reconcile_later(void *arg) {
    struct object *object = arg;
    struct instance *inst = object->runtime;
    if (inst) instance_reconcile(inst);
}

int instance_start(struct instance *inst, struct operation **ret, struct err *err) {
    int rc = check_not_removing(inst, err);
    if (rc < 0) return rc;
    if (inst->kind->unavailable)
        return err_set(err, ERR_UNSUPPORTED, 0, inst->name, "%s", inst->kind->unavailable);
    if (inst->state == INSTANCE_RUNNING || inst->state == INSTANCE_PAUSED ||
        inst->state == INSTANCE_STARTING) {
        err_set(err, ERR_STATE, 0, inst->name, "it is %s already",
                instance_state_word(inst->state));
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
    json_object_set_new(instance_status(inst, doc), "stop", stop);
    json_object_set_new(doc, "desired", json_string(instance_desired_word(DESIRED_STOPPED)));
    int rc = instance_write(inst, doc, NULL, NULL, true, err);
    if (rc < 0) return rc;
    inst->desired = DESIRED_STOPPED;
    inst->restarting = restart;
    if (said && inst->state == INSTANCE_STOPPING) instance_send_stop(inst);
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
        err_set(err, ERR_STATE, 0, inst->name, "it is %s, not %s", instance_state_word(inst->state),
                instance_state_word(needed));
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
        err_set(err, ERR_STATE, 0, inst->name, "it is %s", instance_state_word(inst->state));
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
