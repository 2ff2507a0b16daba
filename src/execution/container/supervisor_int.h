// SPDX-License-Identifier: Apache-2.0
// Inside of the supervisor: its one state, and what its files do for each other.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_INT_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_INT_H

#include "execution/container/container.h"
#include "execution/container/supervisor.h"
#include "execution/container/supervisor_log.h"
#include "execution/container/supervisor_stdio.h"
#include "host/cgroup.h"
#include "wire/channel.h"

enum supervisor_state {
    SUPERVISOR_CREATED,
    SUPERVISOR_RUNNING,
    SUPERVISOR_PAUSED,
    SUPERVISOR_EXITED,
};

#define SUPERVISOR_FAILURE_SIZE 1024

struct supervisor_record { // exit.json
    int exit_code;
    bool oom_killed;
    int64_t started_ns, finished_ns; // realtime
    char failure[SUPERVISOR_FAILURE_SIZE];
};

struct supervisor {
    const struct supervisor_options *options;
    struct loop *loop;
    int control; // first connection; -1 once the loop has it
    int dir_fd, bundle_fd;
    char *bundle, *cache_dir;
    struct cgroup_host *cgroups; // NULL: this host has none for us
    struct container_options container;
    struct container_process process; // of the first process
    bool init_ended;
    int init_status; // as waitpid gave it
    enum supervisor_state state;
    struct supervisor_record record;
    struct supervisor_log log;
    struct supervisor_stdio stdio;
    struct list execs, connections;
    size_t n_connections;
    int listen_fd;
    struct loop_source *listen_source;
    uint8_t *frame; // STREAM_FRAME_MAX bytes, shared by all streams
};

// supervisor.c
void supervisor_set_state(struct supervisor *s, enum supervisor_state state); // announces it
int supervisor_start(struct supervisor *s, struct err *err);
int supervisor_signal(struct supervisor *s, int signo, bool all, struct err *err);
// The container's; unsupported where it has none. The caller closes it.
int supervisor_open_cgroup(struct supervisor *s, struct cgroup **ret, struct err *err);
int supervisor_pause(struct supervisor *s, bool paused, struct err *err);

// supervisor_exec.c
int supervisor_exec(struct supervisor *s, const struct wire_shim_exec *request, int *ret_sock,
                    pid_t *ret_pid, struct err *err);
bool supervisor_exec_reaped(struct supervisor *s, pid_t pid, int exit_code); // false: none of ours
void supervisor_exec_end_all(struct supervisor *s); // the container has ended
bool supervisor_exec_flushed(const struct supervisor *s);
void supervisor_exec_free_all(struct supervisor *s);

// supervisor_control.c
int supervisor_listen(struct supervisor *s, struct err *err);
int supervisor_connect(struct supervisor *s, int sock, struct err *err); // takes sock over
void supervisor_announce(struct supervisor *s);                          // shim_state to everybody
void supervisor_disconnect(struct supervisor *s);

// supervisor_request.c: one packet of a greeted connection.
void supervisor_request(struct supervisor *s, struct wire_channel *channel,
                        struct wire_packet *packet);
struct wire_shim_state supervisor_state_message(const struct supervisor *s); // borrows from s

// supervisor_record.c
int supervisor_write_pid(int dir_fd, struct err *err);
char *supervisor_record_text(const struct supervisor_record *record); // NULL without memory
int supervisor_write_record(int dir_fd, const struct supervisor_record *record, struct err *err);

// Every process of the group (those that end meanwhile are left out); strings live in the arena.
struct cgroup;
int supervisor_list_processes(struct cgroup *cg, struct arena *arena,
                              struct wire_shim_processes *ret, struct err *err);

#endif
