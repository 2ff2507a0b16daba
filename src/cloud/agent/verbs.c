// SPDX-License-Identifier: Apache-2.0
// The short list of what a daemon can make the agent do, with the limits of each request.
#include "cloud/agent/agent_int.h"

#include "base/log.h"

// A request of WIRE_PACKET_MAX bytes that is all empty strings takes this much when decoded.
#define ARENA_LARGE (4u << 20)
#define ARENA_SMALL 4096

static const struct verb {
    enum wire_id id;
    size_t arena_bytes;
    size_t max_fds; // descriptors that the request may carry
    verb_fn *fn;
} verbs[] = {
    {WIRE_AGENT_INSTANCE_CREATE, ARENA_LARGE, 0, instance_create},
    {WIRE_AGENT_INSTANCE_CONNECT, ARENA_SMALL, 0, instance_connect},
    {WIRE_AGENT_INSTANCE_LIST, ARENA_LARGE, 0, instance_list},
    {WIRE_AGENT_INSTANCE_EXIT, ARENA_SMALL, 0, instance_exit},
    {WIRE_AGENT_INSTANCE_CLEAR, ARENA_SMALL, 0, instance_clear},
    {WIRE_AGENT_LOG_OPEN, ARENA_SMALL, 0, instance_log_open},
    {WIRE_AGENT_VOLUME_CREATE, ARENA_SMALL, 0, volume_create},
    {WIRE_AGENT_VOLUME_REMOVE, ARENA_SMALL, 0, volume_remove},
    {WIRE_AGENT_VOLUME_USAGE, ARENA_SMALL, 0, volume_usage},
    {WIRE_AGENT_IMAGE_JOB, ARENA_LARGE, 1, image_job_start},
    {WIRE_AGENT_JOB_CANCEL, ARENA_SMALL, 0, image_job_cancel},
};

static const struct verb *find_verb(uint16_t id) {
    for (size_t i = 0; i < array_len(verbs); i++)
        if (verbs[i].id == id) return &verbs[i];
    return NULL;
}

static int run_verb(struct agent *agent, struct wire_packet *packet, struct err *err) {
    const struct verb *verb = find_verb(packet->id);
    if (!verb)
        return err_set(err, ERR_UNSUPPORTED, 0, "agent", "there is no verb %u (%s)", packet->id,
                       wire_id_name(packet->id));
    if (packet->n_fds > verb->max_fds)
        return err_set(err, ERR_INVALID, 0, wire_id_name(packet->id),
                       "%zu descriptors came along, at most %zu belong to it", packet->n_fds,
                       verb->max_fds);
    struct arena *arena auto_arena = arena_new(verb->arena_bytes);
    return verb->fn(agent, packet, arena, err);
}

void verbs_on_packet(struct wire_channel *channel, struct wire_packet *packet, void *arg) {
    struct agent *agent = arg;
    struct err err = {0};
    if (packet->seq == 0) {
        LOG_WARN("ignored an announcement", "message=%s", wire_id_name(packet->id));
        return;
    }
    if (run_verb(agent, packet, &err) < 0) agent_answer_failure(agent, packet->seq, &err);
}
