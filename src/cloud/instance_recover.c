// SPDX-License-Identifier: Apache-2.0
// After a restart of the daemon: what its records say is brought together with what the host has.
#include "cloud/instance_int.h"

#include "base/log.h"

struct recovery {
    struct cloud *cloud;
    const struct wire_agent_instances *found;
    struct arena *arena;
};

static enum kind_found found_state(const struct recovery *r, const char *id, bool *ret_listed) {
    for (size_t i = 0; i < r->found->ids.count; i++) {
        if (strcmp(r->found->ids.items[i], id) != 0) continue;
        *ret_listed = true;
        const char *state = i < r->found->states.count ? r->found->states.items[i] : "";
        return strcmp(state, "alive") == 0   ? KIND_FOUND_ALIVE
               : strcmp(state, "ended") == 0 ? KIND_FOUND_ENDED
                                             : KIND_FOUND_DEAD;
    }
    *ret_listed = false;
    return KIND_FOUND_ABSENT;
}

static bool recover_one(struct object *object, void *arg) {
    struct recovery *r = arg;
    struct instance *inst = object->runtime;
    if (!inst->recovering) return true; // its removal was asked for meanwhile
    bool listed;
    enum kind_found found = found_state(r, inst->id, &listed);
    inst->uncleared = listed;
    bool ended = inst->state == INSTANCE_EXITED || inst->state == INSTANCE_FAILED;
    if (ended && inst->remove_on_exit && inst->desired == DESIRED_STOPPED)
        instance_set_state(inst, INSTANCE_REMOVING, "instance.removing", NULL);
    bool at_rest = ended || inst->state == INSTANCE_CREATED;
    if (inst->kind->unavailable || inst->state == INSTANCE_REMOVING ||
        (at_rest && found != KIND_FOUND_ALIVE)) {
        instance_known(inst);
        loop_defer(r->cloud->loop, instance_reconcile_later, object);
        return true;
    }
    inst->busy = true;
    inst->kind->recover(inst, found);
    return true;
}

static void on_list(struct wire_packet *packet, const struct err *err, void *arg) {
    struct cloud *cloud = arg;
    struct wire_agent_instances found = {0};
    struct arena *arena auto_arena = arena_new(16u << 20);
    struct err why = {0};
    if (packet && wire_decode_agent_instances(packet->payload, arena, &found, &why) < 0) err = &why;
    if (err) {
        // Acting without knowing could start what runs, or end what is wanted.
        LOG_ERROR("cannot learn what runs on this host", "cause=\"%s\"", err->cause);
        loop_stop(cloud->loop, err_kind_exit(err->kind));
        return;
    }
    struct recovery r = {cloud, &found, arena};
    cloud->recovering++; // not over before all were looked at
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, recover_one, &r);
    for (size_t i = 0; i < found.ids.count; i++) {
        struct object *known;
        if (object_resolve(cloud->objects, OBJECT_INSTANCE, NULL, found.ids.items[i], &known,
                           NULL) < 0)
            LOG_WARN("an instance that no record knows is left alone", "id=%s", found.ids.items[i]);
    }
    if (--cloud->recovering == 0 && cloud->recovered) cloud->recovered(cloud);
}

int instances_recover(struct cloud *cloud, struct err *err) {
    struct wire_agent_instance_list ask = {0};
    return cloud_ask_agent(cloud, WIRE_AGENT_INSTANCE_LIST, &ask, NULL, 0, on_list, cloud, NULL,
                           err);
}
