// SPDX-License-Identifier: Apache-2.0
// Volumes as named directories: STATE/volumes/<id>/data. What takes time with the size of the
// content runs on a worker.
#include "cloud/agent/agent_int.h"

#include "base/str.h"
#include "cloud/agent/tree_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A volume that is being removed has this name first, so that half of it is never taken for one;
// reconcile.c finishes the work of an agent that was killed.
#define REMOVED_PREFIX ".removed-"
#define VOLUME_NAME_SIZE (sizeof(REMOVED_PREFIX) + ID_TEXT_SIZE)

struct volume_work {
    struct agent *agent;
    uint32_t seq;
    char name[VOLUME_NAME_SIZE];
    struct err failure;
    bool failed;
    struct tree_usage usage;
};

static struct volume_work *work_new(struct agent *agent, uint32_t seq, const char *prefix,
                                    const char *id) {
    struct volume_work *w = mem_new(struct volume_work);
    w->agent = agent;
    w->seq = seq;
    snprintf(w->name, sizeof(w->name), "%s%s", prefix, id);
    agent_operation_begin(agent);
    return w;
}

static void work_free(struct volume_work *w) {
    struct agent *agent = w->agent;
    free(w);
    agent_operation_end(agent);
}

static int work_start(struct volume_work *w, loop_call_fn *body, loop_call_fn *done,
                      struct err *err) {
    int rc = loop_work(w->agent->loop, body, done, w, err);
    if (rc < 0) work_free(w);
    return rc;
}

int volume_create(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                  struct err *err) {
    struct wire_agent_volume_create request;
    int rc = wire_decode_agent_volume_create(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("volume", request.id, err);
    if (rc < 0) return rc;
    char path[64];
    snprintf(path, sizeof(path), "%s/" LAYOUT_VOLUME_DATA, request.id);
    rc = dir_make(agent->volumes_fd, path, 0755, err);
    if (rc < 0) return err_while(err, "creating volume %.12s", request.id);
    agent_answer_ok(agent, packet->seq);
    return 0;
}

static void remove_body(void *arg) {
    struct volume_work *w = arg;
    w->failed = dir_remove_tree(w->agent->volumes_fd, w->name, &w->failure) < 0;
}

static void remove_done(void *arg) {
    struct volume_work *w = arg;
    if (w->failed)
        agent_answer_failure(w->agent, w->seq, &w->failure);
    else
        agent_answer_ok(w->agent, w->seq);
    work_free(w);
}

int volume_remove(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                  struct err *err) {
    struct wire_agent_volume_remove request;
    int rc = wire_decode_agent_volume_remove(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("volume", request.id, err);
    if (rc < 0) return rc;
    struct volume_work *w = work_new(agent, packet->seq, REMOVED_PREFIX, request.id);
    if (renameat(agent->volumes_fd, request.id, agent->volumes_fd, w->name) < 0) {
        rc = errno;
        work_free(w);
        if (rc != ENOENT) return err_os(err, rc, "volume", "cannot remove %.12s", request.id);
        agent_answer_ok(agent, packet->seq);
        return 0;
    }
    return work_start(w, remove_body, remove_done, err);
}

static void usage_body(void *arg) {
    struct volume_work *w = arg;
    w->failed = tree_usage_read(w->agent->volumes_fd, w->name, &w->usage, &w->failure) < 0;
}

static void usage_done(void *arg) {
    struct volume_work *w = arg;
    struct wire_agent_usage answer = {.bytes = w->usage.bytes, .files = w->usage.files};
    if (w->failed)
        agent_answer_failure(w->agent, w->seq, &w->failure);
    else
        agent_answer(w->agent, w->seq, WIRE_AGENT_USAGE, &answer, NULL, 0);
    work_free(w);
}

int volume_usage(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                 struct err *err) {
    struct wire_agent_volume_usage request;
    int rc = wire_decode_agent_volume_usage(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("volume", request.id, err);
    if (rc < 0) return rc;
    struct volume_work *w = work_new(agent, packet->seq, "", request.id);
    return work_start(w, usage_body, usage_done, err);
}

static int finish_removal(int dirfd, const char *name, void *arg) {
    if (str_starts(name, REMOVED_PREFIX)) dir_remove_tree(dirfd, name, NULL);
    return 0;
}

void volume_finish_removals(int volumes_fd) {
    dir_each(volumes_fd, ".", finish_removal, NULL);
}
