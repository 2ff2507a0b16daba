// SPDX-License-Identifier: Apache-2.0
// What can be asked of a supervisor: one handler for each request of wire/messages.json.
#include "execution/container/supervisor_int.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUEST_MEMORY (1u << 20) // for the decoded strings of one request
#define CPU_PERIOD_US 100000

struct request {
    struct supervisor *s;
    struct wire_channel *channel;
    uint32_t seq;
    struct span payload;
    struct arena *arena;
};

// A handler answers itself, or returns an error that becomes the failure answer.
typedef int request_fn(struct request *r, struct err *err);

static const char *const state_words[] = {
    [SUPERVISOR_CREATED] = "created",
    [SUPERVISOR_RUNNING] = "running",
    [SUPERVISOR_PAUSED] = "paused",
    [SUPERVISOR_EXITED] = "exited",
};

struct wire_shim_state supervisor_state_message(const struct supervisor *s) {
    bool exited = s->state == SUPERVISOR_EXITED;
    return (struct wire_shim_state){.state = state_words[s->state],
                                    .pid = exited ? 0 : (uint32_t)s->process.pid,
                                    .exit_code = exited ? s->record.exit_code : 0,
                                    .oom_killed = s->record.oom_killed,
                                    .started_ns = s->record.started_ns,
                                    .finished_ns = s->record.finished_ns,
                                    .failure = s->record.failure};
}

static int answer(struct request *r, enum wire_id id, const void *message, struct err *err) {
    return wire_channel_send(r->channel, r->seq, id, message, NULL, 0, err);
}

static int answer_ok(struct request *r, struct err *err) {
    return answer(r, WIRE_OK, &(struct wire_ok){0}, err);
}

static int answer_stream(struct request *r, int sock, pid_t pid, struct err *err) {
    struct wire_shim_stream message = {.pid = (uint32_t)pid};
    return wire_channel_send(r->channel, r->seq, WIRE_SHIM_STREAM, &message, &sock, 1, err);
}

static int on_query(struct request *r, struct err *err) {
    struct wire_shim_state state = supervisor_state_message(r->s);
    return answer(r, WIRE_SHIM_STATE, &state, err);
}

static int on_start(struct request *r, struct err *err) {
    int rc = supervisor_start(r->s, err);
    return rc < 0 ? rc : on_query(r, err);
}

static int on_signal(struct request *r, struct err *err) {
    struct wire_shim_signal message;
    int rc = wire_decode_shim_signal(r->payload, r->arena, &message, err);
    if (rc == 0 && (message.signo == 0 || message.signo > 64))
        rc = err_set(err, ERR_INVALID, 0, "signal", "there is no signal %u", message.signo);
    if (rc == 0) rc = supervisor_signal(r->s, (int)message.signo, message.all, err);
    return rc < 0 ? rc : answer_ok(r, err);
}

static int on_pause(struct request *r, struct err *err) {
    struct wire_shim_pause message;
    int rc = wire_decode_shim_pause(r->payload, r->arena, &message, err);
    if (rc == 0) rc = supervisor_pause(r->s, message.paused, err);
    return rc < 0 ? rc : answer_ok(r, err);
}

static int on_attach(struct request *r, struct err *err) {
    struct wire_shim_attach message;
    int rc = wire_decode_shim_attach(r->payload, r->arena, &message, err);
    if (rc < 0) return rc;
    if (r->s->state == SUPERVISOR_EXITED)
        return err_set(err, ERR_STATE, 0, "instance", "it has ended");
    int sock auto_close = -1;
    rc = supervisor_stdio_attach(&r->s->stdio, message.input, message.output, message.replay, &sock,
                                 err);
    return rc < 0 ? rc : answer_stream(r, sock, 0, err);
}

static int on_exec(struct request *r, struct err *err) {
    struct wire_shim_exec message;
    int rc = wire_decode_shim_exec(r->payload, r->arena, &message, err);
    if (rc < 0) return rc;
    int sock auto_close = -1;
    pid_t pid = 0;
    rc = supervisor_exec(r->s, &message, &sock, &pid, err);
    return rc < 0 ? rc : answer_stream(r, sock, pid, err);
}

static int open_cgroup(struct request *r, struct cgroup **ret, struct err *err) {
    if (r->s->state == SUPERVISOR_EXITED)
        return err_set(err, ERR_STATE, 0, "instance", "it has ended");
    return supervisor_open_cgroup(r->s, ret, err);
}

static int on_top(struct request *r, struct err *err) {
    struct wire_shim_processes message;
    struct cgroup *cg;
    int rc = open_cgroup(r, &cg, err);
    if (rc < 0) return rc;
    rc = supervisor_list_processes(cg, r->arena, &message, err);
    cgroup_close(cg);
    return rc < 0 ? rc : answer(r, WIRE_SHIM_PROCESSES, &message, err);
}

static int on_stats(struct request *r, struct err *err) {
    struct cgroup *cg;
    int rc = open_cgroup(r, &cg, err);
    if (rc < 0) return rc;
    struct cgroup_stats stats = {0};
    rc = cgroup_read_stats(cg, &stats, err);
    cgroup_close(cg);
    if (rc < 0) return rc;
    struct wire_shim_figures figures = {
        .cpu_usage_ns = stats.cpu_usage_ns,
        .cpu_user_ns = stats.cpu_user_ns,
        .cpu_system_ns = stats.cpu_system_ns,
        .cpu_throttled_ns = stats.cpu_throttled_ns,
        .memory_bytes = stats.memory_bytes,
        .memory_max_bytes = stats.memory_max_bytes,
        .memory_peak_bytes = stats.memory_peak_bytes,
        .memory_cache_bytes = stats.memory_cache_bytes,
        .oom_kills = stats.oom_kills,
        .pids = stats.pids,
        .pids_max = stats.pids_max,
        .io_read_bytes = stats.io_read_bytes,
        .io_write_bytes = stats.io_write_bytes,
    };
    return answer(r, WIRE_SHIM_FIGURES, &figures, err);
}

// Billionths of a CPU into microseconds of each period; at least the kernel's minimum of 1 ms.
static uint64_t cpu_quota(uint64_t nano) {
    if (nano == 0 || nano == UINT64_MAX) return nano;
    uint64_t quota = nano / (UINT64_C(1000000000) / CPU_PERIOD_US);
    return quota < 1000 ? 1000 : quota;
}

static int on_update(struct request *r, struct err *err) {
    struct wire_shim_update message;
    int rc = wire_decode_shim_update(r->payload, r->arena, &message, err);
    if (rc < 0) return rc;
    struct cgroup *cg;
    rc = open_cgroup(r, &cg, err);
    if (rc < 0) return rc;
    struct cgroup_limits limits = {
        .memory_max_bytes = message.memory_max_bytes,
        .memory_swap_max_bytes = message.memory_swap_max_bytes,
        .cpu_quota_us = cpu_quota(message.cpu_nano),
        .cpu_period_us = message.cpu_nano ? CPU_PERIOD_US : 0,
        .cpu_shares = message.cpu_shares,
        .pids_max = message.pids_max,
    };
    char *warning auto_free = NULL;
    rc = cgroup_update(cg, &limits, &warning, err);
    cgroup_close(cg);
    if (rc < 0) return rc;
    if (warning) LOG_WARN("a limit is not in force", "cause=\"%s\"", warning);
    return answer_ok(r, err);
}

static const struct {
    enum wire_id id;
    request_fn *fn;
} handlers[] = {
    {WIRE_SHIM_START, on_start}, {WIRE_SHIM_QUERY, on_query},   {WIRE_SHIM_SIGNAL, on_signal},
    {WIRE_SHIM_PAUSE, on_pause}, {WIRE_SHIM_ATTACH, on_attach}, {WIRE_SHIM_EXEC, on_exec},
    {WIRE_SHIM_STATS, on_stats}, {WIRE_SHIM_UPDATE, on_update}, {WIRE_SHIM_TOP, on_top},
};

void supervisor_request(struct supervisor *s, struct wire_channel *channel,
                        struct wire_packet *packet) {
    if (packet->seq == 0) return; // an announcement: none is for us
    struct arena *arena auto_arena = arena_new(REQUEST_MEMORY);
    struct request r = {s, channel, packet->seq, packet->payload, arena};
    struct err err = {0};
    int rc = 0;
    size_t i = 0;
    while (i < array_len(handlers) && handlers[i].id != packet->id) i++;
    if (i < array_len(handlers))
        rc = handlers[i].fn(&r, &err);
    else
        rc = err_set(&err, ERR_UNSUPPORTED, 0, "request", "a supervisor does not know %s",
                     wire_id_name(packet->id));
    if (rc < 0) wire_channel_fail(channel, packet->seq, &err);
}
