// SPDX-License-Identifier: Apache-2.0
// What the runtime command remembers of a container between calls: one directory below --root.
//
//   <root>/<id>/state.json   version, pid with start time, bundle, control group
//   <root>/<id>/config.json  the configuration as it was at create
//   <root>/<id>/exec.fifo    init's gate; gone once started
//
// Invariants: (1) state.json appears complete or not at all (rename); (2) whoever changes a
// container holds an exclusive lock on its directory; (3) a pid counts only together with its start
// time. Nothing is synced to disk: a machine that lost power has no containers left to describe.
#ifndef TRINE_EXECUTION_CONTAINER_STATE_H
#define TRINE_EXECUTION_CONTAINER_STATE_H

#include "execution/container/container.h"

#define STATE_VERSION 1
#define STATE_ID_MAX 1024
#define STATE_GATE "exec.fifo"

struct state {
    char *id, *bundle, *root_path, *cgroup_path;
    char *freezer; // directory of the group that freezes, "" when none
    pid_t pid;
    uint64_t start_time;
    int64_t created_ns;
    uid_t owner;
    int dir_fd; // the container's directory, locked; -1 when released
};
void state_release(struct state *state); // unlocks and frees; the directory stays
void state_unlock(struct state *state);

enum state_status { STATE_CREATED, STATE_RUNNING, STATE_PAUSED, STATE_STOPPED };
const char *state_status_word(enum state_status status);
enum state_status state_status(const struct state *state);
// Of init, opened before it is made sure that the pid is still init's: the caller's. -ESRCH when it
// has ended.
int state_pidfd(const struct state *state);

// [a-zA-Z0-9_+.-], at most 1024, neither "." nor "..".
int state_check_id(const char *id, struct err *err);
// Makes the directory of a new container (ERR_EXISTS when there is one) and locks it. The fields are
// the caller's to fill (malloc'd) and to save.
int state_new(const char *root, const char *id, struct state *ret, struct err *err);
int state_save(const struct state *state, struct err *err);
int state_save_config(const struct state *state, const char *json, size_t size, struct err *err);
// Existing one. shared: for a look; else to change it.
int state_load(const char *root, const char *id, bool shared, struct state *ret, struct err *err);
int state_remove(const char *root, struct state *state, struct err *err);
// Calls fn with every id; damaged ones too. Negative stops.
int state_each(const char *root, int (*fn)(const char *id, void *arg), void *arg, struct err *err);

#endif
