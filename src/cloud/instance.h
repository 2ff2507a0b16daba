// SPDX-License-Identifier: Apache-2.0
// Instances: desired and observed state, and the reconciler that moves the one towards the other.
//
//   created ──start──▶ starting ──▶ running ◀──▶ paused
//      │                  │            │            │
//      │                  ▼            ▼            │
//      │               failed       stopping ◀──────┘
//      │                  │            ▼
//      └──delete──▶ removing ◀──── exited          (start leads from failed and exited to starting again)
//
// Invariants: (1) `desired` and `status` are in the store before they are acted upon or shown; (2) one step is in
// flight at a time (`busy`); every report ends it and reconciles again; (3) reconciling is level-triggered: it looks
// only at desired and state, so a daemon that died anywhere is continued by the next; (4) a workload is never ended
// because the daemon begins, ends, or lost its records.
#ifndef TRINE_CLOUD_INSTANCE_H
#define TRINE_CLOUD_INSTANCE_H

#include "base/list.h"
#include "base/text.h"
#include "cloud/kind.h"
#include "cloud/object.h"
#include "cloud/operation.h"

#define INSTANCE_STATES(X) \
    X(CREATED, "created") \
    X(STARTING, "starting") \
    X(RUNNING, "running") \
    X(PAUSED, "paused") \
    X(STOPPING, "stopping") \
    X(EXITED, "exited") \
    X(FAILED, "failed") \
    X(REMOVING, "removing")

enum instance_state {
#define X(name, word) INSTANCE_##name,
    INSTANCE_STATES(X)
#undef X
};

enum instance_desired { DESIRED_STOPPED, DESIRED_RUNNING, DESIRED_PAUSED };

struct instance {
    struct cloud *cloud;
    struct object *object; // current document
    const struct kind_ops *kind;
    void *link; // the kind's own
    char id[ID_TEXT_SIZE], name[NAME_MAX_LEN + 1], project[NAME_MAX_LEN + 1];
    enum instance_state state;
    enum instance_desired desired;
    bool remove_on_exit, terminal;
    bool busy;       // a step is in flight
    bool uncleared;  // the host still has its run directory: clear before starting again
    bool killed;     // SIGKILL has been sent while stopping
    bool restarting; // start again once stopped; in the document as status.stop.restart
    unsigned starts; // how often it was running since the daemon began
    struct loop_source *stop_timer;
    struct list goals;   // operations that wait for a state (struct goal)
    struct list waiters; // requests of instance.wait
    struct list attaches;
    struct list stats_streams;
    json_t *warnings; // of the last start
    int64_t started_ns;
    bool recovering;                  // what the host has of it is not known yet: nothing is done
    json_t *unrecorded;               // status that the store has not taken yet; NULL: none
    struct loop_source *record_timer; // tries again
};

// Reads nothing: makes the runtime part for every instance of the cache and hooks into its changes. Nothing is done
// with one of them before instances_recover has heard what the host has of it.
int instances_open(struct cloud *cloud, struct err *err);
void instances_close(struct cloud *cloud); // drops connections; workloads go on
// Ask the agent what is there and reconcile every instance with it. cloud->recovered is called once, when all are known.
int instances_recover(struct cloud *cloud, struct err *err);

struct instance *instance_of(struct object *object);
const char *instance_state_word(enum instance_state state);
const char *instance_desired_word(enum instance_desired desired);
bool instance_is_live(const struct instance *inst); // starting, running, paused or stopping
size_t instances_running(struct cloud *cloud);

// Requests (from the API's handlers). The operation ends when the goal is reached or cannot be.
int instance_start(struct instance *inst, struct operation **ret, struct err *err);
int instance_stop(struct instance *inst, int signo, int64_t timeout_ms, struct operation **ret,
                  struct err *err);
int instance_restart(struct instance *inst, int64_t timeout_ms, struct operation **ret,
                     struct err *err);
int instance_pause(struct instance *inst, bool paused, struct operation **ret, struct err *err);
int instance_delete(struct instance *inst, bool force, struct operation **ret, struct err *err);
// Replace members of the document (stolen) and write it; ERR_CHANGED as changes_commit.
int instance_write(struct instance *inst, json_t *doc, const char *event, json_t *detail,
                   bool durable, struct err *err);

// Waiting for an end: answered with {"exit_code":N,"oom_killed":B} (condition exited) or once it is gone (removed).
void instance_add_waiter(struct instance *inst, struct http_request *req, bool removed);
// An attachment waits for the start, or goes to the kind at once when it runs.
void instance_attach(struct instance *inst, struct attach *attach);
struct attach *instance_take_attach(struct instance *inst); // next one that waits; NULL

// Reports of the kind.
void instance_report_running(struct instance *inst, int pid, int64_t started_ns);
void instance_report_gate(
    struct instance *inst); // made, waiting at the gate: the kind was asked to recover
void instance_report_paused(struct instance *inst, bool paused);
void instance_report_start_failed(struct instance *inst, const struct err *why);
struct instance_exit {
    int exit_code;
    bool oom_killed;
    int64_t started_ns, finished_ns; // 0: not known
    const char *reason;              // "" or why it ended or never ran
};
void instance_report_exit(struct instance *inst, const struct instance_exit *exit);
void instance_report_cleared(struct instance *inst, const struct err *why); // why NULL: done

#endif
