// SPDX-License-Identifier: Apache-2.0
// Removing an instance, whatever state it is in: shim, strays, control group, directories; the run
// directory last, because it is the witness by which the next agent would find the rest.
//
// Clears of one instance run one after the other, each on a worker.
#include "cloud/agent/instance.h"

#include "base/log.h"
#include "base/str.h"
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define END_LIMIT_MS 5000

struct clear {
    struct list link; // in agent->clears
    struct agent *agent;
    char id[ID_TEXT_SIZE];
    bool all, running, failed;
    struct err failure;
    clear_done_fn *done;
    void *arg;
};

static bool has_file(int dirfd, const char *id, const char *name) {
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", id, name);
    return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void end_shim(const struct agent *agent, const char *id) {
    char path[64];
    struct cgroup *cg = NULL;
    snprintf(path, sizeof(path), LAYOUT_CGROUP_ROOT "/%s", id);
    if (agent->cgroups && cgroup_open(agent->cgroups, path, &cg, NULL) < 0) cg = NULL;
    shim_end(agent->run_instances_fd, id, cg);
    if (cg) cgroup_close(cg);
}

static int remove_cgroup(const struct cgroup_host *host, const char *id, struct err *err) {
    char path[64];
    struct cgroup *cg;
    struct err why = {0};
    snprintf(path, sizeof(path), LAYOUT_CGROUP_ROOT "/%s", id);
    int rc = cgroup_open(host, path, &cg, &why);
    if (rc < 0 && why.kind == ERR_NOT_FOUND) return 0;
    if (rc == 0) {
        rc = cgroup_destroy(cg, &why);
        cgroup_close(cg);
    }
    if (rc < 0 && err) *err = why;
    return rc;
}

static int kill_all(const struct agent *agent, const char *id, struct err *err) {
    int run = agent->run_instances_fd;
    // A shim that has left its record is ending in good order: it may still bring its last output to
    // slow readers. Any other first hears of the end of its programs.
    bool orderly = has_file(run, id, LAYOUT_EXIT);
    if (orderly)
        shim_await(run, id);
    else
        end_shim(agent, id);
    shim_kill(run, id, !orderly && !agent->cgroups);
    if (!orderly) shim_kill_strays(agent->run_dir, id);
    return agent->cgroups ? remove_cgroup(agent->cgroups, id, err) : 0;
}

// On a worker: only what never changes of the agent.
static void clear_body(void *arg) {
    struct clear *c = arg;
    const struct agent *agent = c->agent;
    int run = agent->run_instances_fd, rc = 0;
    if (!has_file(run, c->id, "") && agent->cgroups)
        rc = remove_cgroup(agent->cgroups, c->id, &c->failure);
    // A shim that an earlier agent was just starting shows by its lock before it can be killed.
    for (int ms = 0; rc == 0 && has_file(run, c->id, ""); ms++) {
        rc = kill_all(agent, c->id, &c->failure);
        if (rc < 0 || shim_has_ended(run, c->id)) break;
        if (ms >= END_LIMIT_MS)
            rc = err_set(&c->failure, ERR_TIMEOUT, 0, "instance", "its shim does not end");
        if (rc < 0) break;
        usleep(1000);
    }
    if (rc == 0 && c->all) rc = dir_remove_tree(agent->state_instances_fd, c->id, &c->failure);
    if (rc == 0) rc = dir_remove_tree(run, c->id, &c->failure);
    c->failed = rc < 0;
}

static struct clear *find_running(struct agent *agent, const char *id) {
    struct clear *c;
    list_each (&agent->clears, c, struct clear, link) {
        if (c->running && str_same(c->id, id)) return c;
    }
    return NULL;
}

static void clear_start(struct clear *c);

static void start_next(struct agent *agent, const char *id) {
    struct clear *c;
    list_each (&agent->clears, c, struct clear, link) {
        if (!str_same(c->id, id)) continue;
        clear_start(c);
        return;
    }
}

static void clear_done(void *arg) {
    struct clear *c = arg;
    struct agent *agent = c->agent;
    list_remove(&c->link);
    start_next(agent, c->id);
    if (c->done) c->done(c->failed ? &c->failure : NULL, c->arg);
    free(c);
    agent_operation_end(agent);
}

static void clear_start(struct clear *c) {
    c->running = true;
    if (loop_work(c->agent->loop, clear_body, clear_done, c, &c->failure) == 0) return;
    c->failed = true;
    loop_defer(c->agent->loop, clear_done, c);
}

int clear_begin(struct agent *agent, const char *id, bool all, clear_done_fn *done, void *arg,
                struct err *err) {
    struct clear *c = mem_try(struct clear);
    if (!c) return err_set(err, ERR_NO_SPACE, ENOMEM, "instance", "no memory to clear it");
    *c = (struct clear){.agent = agent, .all = all, .done = done, .arg = arg};
    memcpy(c->id, id, sizeof(c->id));
    bool wait = find_running(agent, id) != NULL;
    list_init(&c->link);
    list_add_tail(&agent->clears, &c->link);
    agent_operation_begin(agent);
    if (!wait) clear_start(c);
    return 0;
}

struct clear_request {
    struct agent *agent;
    uint32_t seq;
    char who[INSTANCE_TEXT_SIZE];
};

static void on_cleared(const struct err *why, void *arg) {
    struct clear_request *r = arg;
    if (why) {
        struct err err = *why;
        err_while(&err, "clearing %s", r->who);
        agent_answer_failure(r->agent, r->seq, &err);
    } else {
        agent_answer_ok(r->agent, r->seq);
    }
    free(r);
}

int instance_clear(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                   struct err *err) {
    struct wire_agent_instance_clear request;
    int rc = wire_decode_agent_instance_clear(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("instance", request.id, err);
    if (rc < 0) return rc;
    instance_creation_cancel(agent, request.id);
    struct clear_request *r = mem_new(struct clear_request);
    r->agent = agent;
    r->seq = packet->seq;
    instance_text(request.id, r->who);
    rc = clear_begin(agent, request.id, request.all, on_cleared, r, err);
    if (rc < 0) free(r);
    return rc;
}
