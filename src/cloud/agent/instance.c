// SPDX-License-Identifier: Apache-2.0
// Making an instance. Check → files → shim → (later) its hello → answer. Whatever fails after the
// first directory was made is undone before the failure is answered.
//
//   request ──▶ waiting for the shim ──hello──▶ answered
//                       │ failure, end, limit, cancel
//                       ▼
//                    undoing (a clear) ──▶ answered with the failure
#include "cloud/agent/instance.h"

#include "base/log.h"
#include "base/str.h"
#include "cloud/agent/request.h"
#include "cloud/agent/shim_greet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CREATE_LIMIT_NS (30 * SEC_NS)
#define CONNECT_LIMIT_NS (5 * SEC_NS)
#define WARNINGS_MAX_BYTES 16384
#define WARNINGS_MAX 32

struct creation {
    struct list link; // in agent->creations until it is answered or undone
    struct agent *agent;
    uint32_t seq;
    char id[ID_TEXT_SIZE];
    bool state_made; // an undo removes the state directory too
    pid_t shim_pid;
    struct greeting *greeting; // NULL while undoing
    struct err failure;
};

static void creation_free(struct creation *c) {
    struct agent *agent = c->agent;
    list_remove(&c->link);
    free(c);
    agent_operation_end(agent);
}

static struct creation *find_creation(struct agent *agent, const char *id) {
    struct creation *c;
    list_each (&agent->creations, c, struct creation, link) {
        if (str_same(c->id, id)) return c;
    }
    return NULL;
}

bool instance_creation_is_pending(struct agent *agent, const char *id) {
    return find_creation(agent, id) != NULL;
}

static void on_undone(const struct err *why, void *arg) {
    struct creation *c = arg;
    if (why) LOG_WARN("an instance could not be undone", "id=%s cause=\"%s\"", c->id, why->cause);
    agent_answer_failure(c->agent, c->seq, &c->failure);
    creation_free(c);
}

static void creation_undo(struct creation *c) {
    char who[INSTANCE_TEXT_SIZE];
    struct err err = {0};
    greeting_free(take(c->greeting));
    err_while(&c->failure, "creating %s", instance_text(c->id, who));
    if (clear_begin(c->agent, c->id, c->state_made, on_undone, c, &err) < 0) on_undone(&err, c);
}

void instance_creation_cancel(struct agent *agent, const char *id) {
    struct creation *c = find_creation(agent, id);
    char who[INSTANCE_TEXT_SIZE];
    if (!c || !c->greeting) return;
    err_set(&c->failure, ERR_CANCELLED, 0, instance_text(id, who), "cleared while it was made");
    creation_undo(c);
}

void instance_creations_end(struct agent *agent) {
    struct creation *c;
    list_each (&agent->creations, c, struct creation, link) instance_creation_cancel(agent, c->id);
}

// What the shim could not have on this host, for the daemon to pass on.
static struct wire_strings read_warnings(struct agent *agent, const char *id, struct arena *arena) {
    char path[ID_TEXT_SIZE + sizeof(LAYOUT_WARNINGS) + 1];
    snprintf(path, sizeof(path), "%s/" LAYOUT_WARNINGS, id);
    char *text auto_free = NULL;
    if (file_read(agent->run_instances_fd, path, WARNINGS_MAX_BYTES, &text, NULL, NULL) < 0)
        return (struct wire_strings){0};
    const char **lines = arena_array(arena, WARNINGS_MAX, sizeof(*lines));
    size_t n = 0;
    for (char *p = text; lines && *p && n < WARNINGS_MAX;) {
        size_t length = strcspn(p, "\n");
        if (length && !(lines[n] = arena_strndup(arena, p, length))) break;
        n += length > 0;
        p += length + (p[length] == '\n');
    }
    return (struct wire_strings){lines, n};
}

static void answer_made(struct agent *agent, uint32_t seq, const char *id, pid_t pid, int sock) {
    struct arena *arena auto_arena = arena_new(4 * WARNINGS_MAX_BYTES);
    struct wire_agent_instance_made made = {.shim_pid = (uint32_t)pid,
                                            .warnings = read_warnings(agent, id, arena)};
    agent_answer(agent, seq, WIRE_AGENT_INSTANCE_MADE, &made, &sock, 1);
}

static void on_created(int sock, const struct err *why, void *arg) {
    struct creation *c = arg;
    c->greeting = NULL; // it has freed itself
    if (why) {
        c->failure = *why;
        creation_undo(c);
        return;
    }
    answer_made(c->agent, c->seq, c->id, c->shim_pid, sock);
    close(sock);
    creation_free(c);
}

static int creation_start(struct creation *c, const struct wire_agent_instance_create *request,
                          struct request_mount *mounts, size_t n_mounts, struct arena *arena,
                          struct err *err) {
    char who[INSTANCE_TEXT_SIZE];
    int sock;
    int rc = instance_files_make(c->agent, request, mounts, n_mounts, arena, &c->state_made, err);
    if (rc == 0) rc = shim_start(c->agent, request, &sock, &c->shim_pid, err);
    if (rc == 0)
        rc = greeting_new(c->agent, sock, instance_text(c->id, who), CREATE_LIMIT_NS, on_created, c,
                          &c->greeting, err);
    return rc;
}

int instance_create(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                    struct err *err) {
    struct wire_agent_instance_create request;
    struct request_mount mounts[REQUEST_MOUNTS_MAX];
    size_t n_mounts = 0;
    char who[INSTANCE_TEXT_SIZE];
    int rc = wire_decode_agent_instance_create(packet->payload, arena, &request, err);
    if (rc == 0) rc = request_check(&request, mounts, &n_mounts, err);
    if (rc < 0) return rc;
    instance_text(request.id, who);
    // The run directory is the witness of an instance: whoever makes it owns the id.
    if (mkdirat(agent->run_instances_fd, request.id, 0700) < 0) {
        if (errno != EEXIST) return err_os(err, errno, who, "cannot make its run directory");
        err_set(err, ERR_EXISTS, 0, who, "it is there already");
        return err_next(err, "clear it first");
    }
    struct creation *c = mem_new(struct creation);
    c->agent = agent;
    c->seq = packet->seq;
    memcpy(c->id, request.id, sizeof(c->id));
    list_init(&c->link);
    list_add_tail(&agent->creations, &c->link);
    agent_operation_begin(agent);
    if (creation_start(c, &request, mounts, n_mounts, arena, &c->failure) < 0) creation_undo(c);
    return 0;
}

struct connecting {
    struct agent *agent;
    uint32_t seq;
    char id[ID_TEXT_SIZE];
    pid_t shim_pid;
};

static void on_connected(int sock, const struct err *why, void *arg) {
    struct connecting *c = arg;
    if (why)
        agent_answer_failure(c->agent, c->seq, why);
    else
        answer_made(c->agent, c->seq, c->id, c->shim_pid, sock);
    if (sock >= 0) close(sock);
    free(c);
}

int instance_connect(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                     struct err *err) {
    struct wire_agent_instance_connect request;
    char who[INSTANCE_TEXT_SIZE];
    int rc = wire_decode_agent_instance_connect(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("instance", request.id, err);
    if (rc < 0) return rc;
    instance_text(request.id, who);
    if (instance_creation_is_pending(agent, request.id))
        return err_set(err, ERR_STATE, 0, who, "it is still being made");
    pid_t pid;
    if (shim_find(agent->run_instances_fd, request.id, &pid, NULL) < 0)
        return err_set(err, ERR_NOT_FOUND, 0, who, "no shim of it lives");
    int sock = shim_connect(agent->run_instances_fd, request.id);
    if (sock < 0) return err_set(err, ERR_NOT_FOUND, -sock, who, "its shim does not listen");
    struct connecting *c = mem_new(struct connecting);
    *c = (struct connecting){.agent = agent, .seq = packet->seq, .shim_pid = pid};
    memcpy(c->id, request.id, sizeof(c->id));
    struct greeting *greeting;
    rc = greeting_new(agent, sock, who, CONNECT_LIMIT_NS, on_connected, c, &greeting, err);
    if (rc < 0) free(c);
    return rc;
}
