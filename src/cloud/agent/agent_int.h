// SPDX-License-Identifier: Apache-2.0
// What the files of the agent share.
//
// Threads: everything runs on the loop's thread but bodies of work items (clear, volume), which
// touch only what their own struct holds and the fields below that never change after the start.
#ifndef TRINE_CLOUD_AGENT_AGENT_INT_H
#define TRINE_CLOUD_AGENT_AGENT_INT_H

#include "base/list.h"
#include "base/text.h"
#include "cloud/agent/agent.h"
#include "wire/channel.h"
#include "wire/layout.h"

struct cgroup_host;

struct agent {
    // Set once by agent_open.
    const struct agent_options *options;
    char *state_dir, *run_dir; // real paths: no link in them
    // O_RDONLY|O_DIRECTORY, kept so that nobody can swap a path.
    int run_fd, state_fd, run_instances_fd, state_instances_fd, volumes_fd;
    struct cgroup_host *cgroups; // NULL: this host has none that we may use
    uint64_t capabilities;       // that can be given to instances
    bool tty_group;              // group 5 exists in our user namespace
    struct loop *loop;

    struct wire_channel *daemon;   // NULL once the daemon has gone
    struct list creations, clears; // instance.c, instance_clear.c
    struct list greetings;         // shim_greet.c
    struct list jobs;              // image_job.c
    unsigned busy;                 // operations that must end before the agent does
    bool closing;
};

// A verb: decodes from the packet into the arena (gone after the call) and answers with
// agent_answer, now or later. A negative return is answered as failure by the caller.
typedef int verb_fn(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                    struct err *err);
void verbs_on_packet(struct wire_channel *channel, struct wire_packet *packet, void *arg);

// Answers are dropped when the daemon has gone. One that does not fit becomes a failure.
void agent_answer(struct agent *agent, uint32_t seq, enum wire_id id, const void *message,
                  const int *fds, size_t n_fds);
void agent_answer_ok(struct agent *agent, uint32_t seq);
void agent_answer_failure(struct agent *agent, uint32_t seq, const struct err *why);

void agent_operation_begin(struct agent *agent);
void agent_operation_end(struct agent *agent);

// Directories (layout.c): make what is missing, set owners and modes.
int layout_open(struct agent *agent, struct err *err);
void layout_close(struct agent *agent);
// "instance <first 12 digits>" for messages; buf is returned.
#define INSTANCE_TEXT_SIZE 24
const char *instance_text(const char *id, char buf[INSTANCE_TEXT_SIZE]);

// After a crash or a reboot: what no run directory accounts for (reconcile.c).
void reconcile_start(struct agent *agent);

// Rights (rights.c): the last step before serving.
int rights_reduce(struct agent *agent, struct err *err);

verb_fn instance_create, instance_connect, instance_list, instance_exit, instance_clear,
    instance_log_open, volume_create, volume_remove, volume_usage, image_job_start,
    image_job_cancel;
// Removals that an earlier agent could not finish. Any thread.
void volume_finish_removals(int volumes_fd);
void image_jobs_end(struct agent *agent); // the daemon has gone: ask all to stop
void instance_creations_end(struct agent *agent);

#endif
