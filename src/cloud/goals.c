// SPDX-License-Identifier: Apache-2.0
#include "cloud/instance_int.h"

#include "cloud/bridge.h"

#include <stdlib.h>

struct goal {
    struct list link;
    struct operation *op;
    enum instance_goal goal;
    unsigned starts; // when it was set
};

struct end_waiter {
    struct list link;
    struct http_request *req;
    bool removed; // waits for the object to go
    bool ended;   // exit_code is known
    int exit_code;
    bool oom_killed;
};

void instance_goals_init(struct instance *inst) {
    list_init(&inst->goals);
    list_init(&inst->waiters);
    list_init(&inst->attaches);
    list_init(&inst->stats_streams);
}

void instance_goals_free(struct instance *inst) {
    struct goal *g;
    list_each (&inst->goals, g, struct goal, link) free(g);
    struct end_waiter *w;
    list_each (&inst->waiters, w, struct end_waiter, link) free(w);
    struct attach *a;
    list_each (&inst->attaches, a, struct attach, link) list_remove(&a->link);
}

void instance_goal_add(struct instance *inst, struct operation *op, enum instance_goal goal) {
    struct goal *g = mem_new(struct goal);
    *g = (struct goal){.op = op, .goal = goal, .starts = inst->starts};
    list_add_tail(&inst->goals, &g->link);
}

struct operation *instance_goal_forget(struct instance *inst, struct operation *op) {
    struct goal *g;
    list_each (&inst->goals, g, struct goal, link) {
        if (g->op != op) continue;
        list_remove(&g->link);
        free(g);
        break;
    }
    return op;
}

static bool reached(const struct instance *inst, const struct goal *g) {
    bool ran = inst->starts !=
               g->starts; // it may have ended already: a start that led to a run has done its work
    switch (g->goal) {
    case GOAL_RUNNING:
        return inst->state == INSTANCE_RUNNING || (ran && !instance_is_live(inst));
    case GOAL_STARTED_AGAIN:
        return ran;
    case GOAL_STOPPED:
        return !instance_is_live(inst) && inst->desired == DESIRED_STOPPED && !inst->uncleared;
    case GOAL_PAUSED:
        return inst->state == INSTANCE_PAUSED;
    case GOAL_REMOVED:
        return false; // instance_gone
    }
    return false;
}

static json_t *instance_json(const struct instance *inst) {
    json_t *doc = object_doc(inst->object);
    json_object_set_new(doc, "revision", json_integer(inst->object->revision));
    return doc;
}

void instance_goals_check(struct instance *inst) {
    struct goal *g;
    list_each (&inst->goals, g, struct goal, link) {
        if (!reached(inst, g)) continue;
        list_remove(&g->link);
        operation_done(g->op, instance_json(inst));
        free(g);
    }
}

void instance_goals_fail(struct instance *inst, const struct err *why) {
    struct goal *g;
    list_each (&inst->goals, g, struct goal, link) {
        list_remove(&g->link);
        operation_fail(g->op, why);
        free(g);
    }
}

// It ended, or could not be started: who waits for a stop or a removal goes on waiting.
void instance_goals_vain(struct instance *inst, const struct err *why) {
    struct goal *g;
    list_each (&inst->goals, g, struct goal, link) {
        if (g->goal == GOAL_STOPPED || g->goal == GOAL_REMOVED || reached(inst, g)) continue;
        list_remove(&g->link);
        operation_fail(g->op, why);
        free(g);
    }
}

void instance_goals_supersede(struct instance *inst, const char *verb) {
    struct err why = {0};
    err_set(&why, ERR_CANCELLED, 0, inst->name, "overtaken by %s", verb);
    instance_goals_fail(inst, &why);
}

// --- requests that wait for the end ---------------------------------------------------------------

// How it ended, as its document says it.
static void know_end(struct end_waiter *w, const struct instance *inst) {
    json_t *doc = object_doc(inst->object);
    const json_t *status = inst->unrecorded ? inst->unrecorded : json_object_get(doc, "status");
    w->ended = true;
    w->exit_code = (int)json_integer_value(json_object_get(status, "exit_code"));
    w->oom_killed = json_is_true(json_object_get(status, "oom_killed"));
    json_decref(doc);
}

static void answer(struct end_waiter *w) {
    http_reply_jansson(w->req, 200,
                       json_pack("{s:i, s:b}", "exit_code", w->exit_code, "oom_killed",
                                 w->oom_killed),
                       NULL);
    list_remove(&w->link);
    free(w);
}

static void on_waiter_gone(struct http_request *req, void *arg) {
    struct end_waiter *w = arg;
    list_remove(&w->link);
    free(w);
}

void instance_add_waiter(struct instance *inst, struct http_request *req, bool removed) {
    struct end_waiter *w = mem_new(struct end_waiter);
    *w = (struct end_waiter){.req = req, .removed = removed};
    list_add_tail(&inst->waiters, &w->link);
    bool ended = inst->state == INSTANCE_EXITED || inst->state == INSTANCE_FAILED;
    if (ended || inst->state == INSTANCE_REMOVING) know_end(w, inst);
    if (ended && !removed)
        answer(w);
    else
        http_on_abandon(req, on_waiter_gone, w);
}

void instance_after_end(struct instance *inst, int exit_code, bool oom_killed) {
    struct end_waiter *w;
    list_each (&inst->waiters, w, struct end_waiter, link) {
        w->ended = true;
        w->exit_code = exit_code;
        w->oom_killed = oom_killed;
        if (!w->removed) answer(w);
    }
}

void instance_gone(struct instance *inst) {
    struct end_waiter *w;
    list_each (&inst->waiters, w, struct end_waiter, link) {
        if (!w->ended) know_end(w, inst);
        answer(w);
    }
    struct goal *g;
    list_each (&inst->goals, g, struct goal, link) {
        list_remove(&g->link);
        operation_done(g->op, NULL);
        free(g);
    }
    struct err why = {0};
    err_set(&why, ERR_STATE, 0, inst->name, "the instance was removed");
    for (struct attach *a; (a = instance_take_attach(inst));) attach_fail(a, &why);
}

// --- attachments ------------------------------------------------------------------------------------

void instance_attach(struct instance *inst, struct attach *attach) {
    if (inst->state == INSTANCE_RUNNING || inst->state == INSTANCE_PAUSED ||
        inst->state == INSTANCE_STOPPING) {
        attach_asked(attach);
        inst->kind->attach(inst, attach);
    } else {
        list_add_tail(&inst->attaches, &attach->link);
    }
}

struct attach *instance_take_attach(struct instance *inst) {
    if (list_empty(&inst->attaches)) return NULL;
    struct attach *a = container_of(inst->attaches.next, struct attach, link);
    list_remove(&a->link);
    return a;
}
