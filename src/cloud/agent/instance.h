// SPDX-License-Identifier: Apache-2.0
// What the files about instances share.
#ifndef TRINE_CLOUD_AGENT_INSTANCE_H
#define TRINE_CLOUD_AGENT_INSTANCE_H

#include "cloud/agent/agent_int.h"

#include <stdint.h>

// How an instance ended (exit.json, written by its shim). Strict: a wrong version, a missing member
// or a wrong type is ERR_CORRUPT. The text lives in the arena.
int exit_record_parse(const char *json, size_t size, struct arena *arena,
                      struct wire_agent_exit *ret, struct err *err);

// The living shim of an instance by its pid record: *ret_pidfd is the caller's. -ESRCH when it does
// not live, -ENOENT when there is no record.
int shim_find(int run_instances_fd, const char *id, pid_t *ret_pid, int *ret_pidfd);
// Its socket, connected without waiting and non-blocking; -errno, -EAGAIN when too many others wait.
int shim_connect(int run_instances_fd, const char *id);
// "<pid> <start time>\n"; -EBADMSG when it is anything else.
int shim_record_parse(const char *text, pid_t *ret_pid, uint64_t *ret_start_time);
// Wait (bounded) for a shim that has left its record; returns at once when there is none.
void shim_await(int run_instances_fd, const char *id);
// Kills the programs of a living shim and gives it a moment to tell their readers how they ended.
// cgroup: theirs, to be thawed, or NULL.
struct cgroup;
void shim_end(int run_instances_fd, const char *id, struct cgroup *cgroup);
// Kills every process that carries `--id ID --dir DIR` of this shim in its command line: one that
// has not written its record yet, and its helpers. Returns how many were killed.
int shim_kill_strays(const char *run_dir, const char *id);
// Kills the shim and, where no control group holds the instance together, its children.
void shim_kill(int run_instances_fd, const char *id, bool children);
// Nothing holds the instance's lock: no shim, and no child that is about to become one.
bool shim_has_ended(int run_instances_fd, const char *id);
int shim_start(struct agent *agent, const struct wire_agent_instance_create *request, int *ret_sock,
               pid_t *ret_pid, struct err *err);

// Undo or clear: kill, remove control groups and directories, on a worker. done may be NULL.
typedef void clear_done_fn(const struct err *why, void *arg); // why NULL: done
int clear_begin(struct agent *agent, const char *id, bool all, clear_done_fn *done, void *arg,
                struct err *err);

// Directories and files of a new instance (instance_files.c). On failure what was made stays, for
// clear to remove. *ret_state_made: the state directory is new.
struct request_mount;
int instance_files_make(struct agent *agent, const struct wire_agent_instance_create *request,
                        struct request_mount *mounts, size_t n_mounts, struct arena *arena,
                        bool *ret_state_made, struct err *err);

bool instance_creation_is_pending(struct agent *agent, const char *id);
// A clear for an instance that is being made: the creation answers cancelled and undoes itself.
void instance_creation_cancel(struct agent *agent, const char *id);

#endif
