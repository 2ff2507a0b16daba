// SPDX-License-Identifier: Apache-2.0
// One table per level of isolation: what the control plane can ask of a workload. The rest of the control plane knows
// only struct instance; a level is added by a table in kinds.c and nothing else.
//
// Every call returns at once; what comes of it is reported through instance_report_* (instance.h), from the loop.
// At most one of start, recover, signal, pause, clear is in flight for an instance, except that clear may come any time.
#ifndef TRINE_CLOUD_KIND_H
#define TRINE_CLOUD_KIND_H

#include "cloud/cloud.h"

#include <jansson.h>

struct instance;
struct attach; // bridge.h

// How the workload was left, as the agent's list says it; ABSENT: the host knows nothing of it.
enum kind_found { KIND_FOUND_ALIVE, KIND_FOUND_ENDED, KIND_FOUND_DEAD, KIND_FOUND_ABSENT };

// Answer to a question: exactly one of result and err is set; result is borrowed.
typedef void kind_answer_fn(json_t *result, const struct err *err, void *arg);

struct kind_ops {
    const char *level; // "container"
    const char
        *unavailable; // NULL, or why this level cannot be had: everything else may then be NULL
    // From nothing to running. -> instance_report_running, or instance_report_start_failed with everything undone.
    // Attachments that wait (instance_take_attach) are connected before the program runs.
    void (*start)(struct instance *inst);
    // After a restart of the daemon. -> any report, or instance_report_gate when it was made but never started.
    void (*recover)(struct instance *inst, enum kind_found found);
    // To the first process or all of them. -> fn
    void (*signal)(struct instance *inst, int signo, bool all, kind_answer_fn *fn, void *arg);
    // -> instance_report_paused, or fn with err.
    void (*pause)(struct instance *inst, bool paused, kind_answer_fn *fn, void *arg);
    // Connect a client's stream; `attach` is finished by attach_connect or attach_fail.
    void (*attach)(struct instance *inst, struct attach *attach);
    void (*exec)(struct instance *inst, struct attach *attach);
    void (*stats)(struct instance *inst, kind_answer_fn *fn, void *arg);
    // result: {"pids":[{pid, ppid, user, command, cpu_ns, memory_bytes}]}
    void (*top)(struct instance *inst, kind_answer_fn *fn, void *arg);
    void (*update)(struct instance *inst, json_t *limits, kind_answer_fn *fn, void *arg);
    // Remove what is left on the host; `all`: its root file system and log too. -> instance_report_cleared
    void (*clear)(struct instance *inst, bool all);
    // The daemon ends or the object is gone: drop connections; the workload goes on.
    void (*release)(struct instance *inst);
};

// NULL for a word that is no level. An unavailable level has `unavailable` set.
const struct kind_ops *kind_find(const char *level);
// All levels in order of the design; NULL at the end.
const struct kind_ops *kind_at(size_t index);

extern const struct kind_ops kind_container;

#endif
