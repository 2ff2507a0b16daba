// SPDX-License-Identifier: Apache-2.0
// What the kind saw of a workload: each report ends the step that was in flight and lets the reconciler look again.
#include "cloud/instance_int.h"

#include "base/log.h"
#include "cloud/bridge.h"

#include <stdio.h>

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
    if (inst->state == INSTANCE_REMOVING) return instance_reconcile(inst);
    bool fresh = inst->state != INSTANCE_RUNNING && inst->state != INSTANCE_PAUSED;
    inst->started_ns = started_ns;
    inst->uncleared = true;
    if (fresh) inst->starts++;
    json_t *set = json_pack("{s:i, s:o}", "pid", pid, "started_at", json_time(started_ns));
    if (inst->warnings) json_object_set(set, "warnings", inst->warnings);
    instance_set_state(inst, INSTANCE_RUNNING, fresh ? "instance.started" : NULL, set);
    instance_reconcile(inst);
}

void instance_report_gate(struct instance *inst) {
    step_ended(inst);
    inst->uncleared = true;
    // It never ran, so nothing is lost by making it anew where it is still wanted.
    if (take_flag(&inst->restarting)) inst->desired = DESIRED_RUNNING;
    if (inst->state != INSTANCE_REMOVING) instance_set_state(inst, INSTANCE_CREATED, NULL, NULL);
    instance_reconcile(inst);
}

void instance_report_paused(struct instance *inst, bool paused) {
    step_ended(inst);
    inst->uncleared = true;
    if (inst->state != INSTANCE_REMOVING)
        instance_set_state(inst, paused ? INSTANCE_PAUSED : INSTANCE_RUNNING,
                           paused ? "instance.paused" : "instance.resumed", NULL);
    instance_reconcile(inst);
}

static void end_attaches(struct instance *inst, const struct err *why) {
    for (struct attach *a; (a = instance_take_attach(inst));) attach_fail(a, why);
}

void instance_report_start_failed(struct instance *inst, const struct err *why) {
    step_ended(inst);
    if (inst->state == INSTANCE_REMOVING) return instance_reconcile(inst);
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
    instance_reconcile(inst);
}

void instance_report_exit(struct instance *inst, const struct instance_exit *exit) {
    step_ended(inst);
    inst->uncleared = true;
    loop_remove(take(inst->stop_timer));
    if (inst->state == INSTANCE_REMOVING) return instance_reconcile(inst);
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
    instance_reconcile(inst);
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
    if (inst->state != INSTANCE_REMOVING) return instance_reconcile(inst);
    struct changes *changes = changes_new(inst->cloud);
    changes_delete(changes, inst->object->key, CHANGES_ANY);
    changes_event(changes, "instance.removed", OBJECT_INSTANCE, inst->project, inst->name, inst->id,
                  NULL);
    struct err err = {0};
    if (changes_commit(changes, false, &err) == 0) return; // and inst was freed through the cache
    LOG_ERROR("cannot forget an instance", "name=%s cause=\"%s\"", inst->name, err.cause);
    instance_goals_fail(inst, &err);
    instance_retry_later(inst);
}
