// SPDX-License-Identifier: Apache-2.0
// What the files of an instance share: the reconciler's steps, and who waits for what (operations with their goals,
// waiting requests, attachments before the start).
#ifndef TRINE_CLOUD_INSTANCE_INT_H
#define TRINE_CLOUD_INSTANCE_INT_H

#include "cloud/instance.h"

enum instance_goal { GOAL_RUNNING, GOAL_STARTED_AGAIN, GOAL_STOPPED, GOAL_PAUSED, GOAL_REMOVED };

void instance_goals_init(struct instance *inst);
void instance_goals_free(struct instance *inst); // what still waits stays unanswered
void instance_goal_add(struct instance *inst, struct operation *op, enum instance_goal goal);
struct operation *instance_goal_forget(struct instance *inst, struct operation *op); // returns op
void instance_goals_check(struct instance *inst); // end those that are reached
void instance_goals_fail(struct instance *inst, const struct err *why);
void instance_goals_vain(struct instance *inst, const struct err *why); // it does not run (again)
void instance_goals_supersede(struct instance *inst, const char *verb); // a contrary wish came
// An end was observed: waiting requests are answered.
void instance_after_end(struct instance *inst, int exit_code, bool oom_killed);
// The object is gone: goals of removal are reached, requests that waited for it are answered.
void instance_gone(struct instance *inst);
// Move one step from what is towards what is desired; nothing while a step is in flight.
void instance_reconcile(struct instance *inst);
void instance_reconcile_later(void *object);
// Write the wish durably; 0 when it is so already.
int instance_set_desired(struct instance *inst, enum instance_desired desired, struct err *err);
// Ask the workload to stop, with the signal and the patience that its document names.
void instance_send_stop(struct instance *inst);
json_t *instance_status(const struct instance *inst,
                        json_t *doc); // member of doc, made where missing; borrowed
// Move to a state: the document says so, an event tells it. `set` (stolen) is merged into status and told in the event.
// What the store refuses is kept and written as soon as it takes it; then negative.
int instance_set_state(struct instance *inst, enum instance_state state, const char *event,
                       json_t *set);
void instance_retry_later(struct instance *inst); // to record its state, or that it is gone
// What the host has of it is known.
void instance_known(struct instance *inst);

#define take_flag(flag) \
    __extension__({ \
        bool was_ = *(flag); \
        *(flag) = false; \
        was_; \
    })

#endif
