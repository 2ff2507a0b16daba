// SPDX-License-Identifier: Apache-2.0
// The agent's life: open, narrow, serve, end.
#include "cloud/agent/agent_int.h"

#include "base/log.h"
#include "base/str.h"
#include "host/cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

// How long operations that are under way may hold up the end.
#define END_LIMIT_NS (10 * SEC_NS)

const char *instance_text(const char *id, char buf[INSTANCE_TEXT_SIZE]) {
    struct str text auto_str = {0};
    str_printf(&text, "instance %.12s", id);
    memcpy(buf, str_text(&text), text.len + 1);
    return buf;
}

void agent_answer(struct agent *agent, uint32_t seq, enum wire_id id, const void *message,
                  const int *fds, size_t n_fds) {
    struct err err = {0};
    if (!agent->daemon) return;
    if (wire_channel_send(agent->daemon, seq, id, message, fds, n_fds, &err) < 0)
        agent_answer_failure(agent, seq, &err);
}

void agent_answer_ok(struct agent *agent, uint32_t seq) {
    agent_answer(agent, seq, WIRE_OK, &(struct wire_ok){0}, NULL, 0);
}

void agent_answer_failure(struct agent *agent, uint32_t seq, const struct err *why) {
    if (agent->daemon) wire_channel_fail(agent->daemon, seq, why);
}

static void end_when_idle(struct agent *agent) {
    if (agent->closing && agent->busy == 0) loop_stop(agent->loop, 0);
}

void agent_operation_begin(struct agent *agent) {
    agent->busy++;
}

void agent_operation_end(struct agent *agent) {
    agent->busy--;
    end_when_idle(agent);
}

static void on_end_limit(void *arg) {
    struct agent *agent = arg;
    LOG_WARN("ended with operations under way", "operations=%u", agent->busy);
    loop_stop(agent->loop, 0);
}

// Nobody can hear an answer any more: half-made instances are undone, image jobs are stopped,
// removals are completed.
static void begin_end(struct agent *agent) {
    if (agent->closing) return;
    agent->closing = true;
    wire_channel_free(take(agent->daemon));
    int64_t limit = clock_monotonic(loop_clock(agent->loop)) + END_LIMIT_NS;
    if (loop_add_timer(agent->loop, limit, on_end_limit, agent, NULL, NULL) < 0)
        loop_stop(agent->loop, 0);
    instance_creations_end(agent);
    image_jobs_end(agent);
    end_when_idle(agent);
}

static void on_daemon_gone(struct wire_channel *channel, void *arg) {
    LOG_INFO("the daemon has gone", "");
    begin_end(arg);
}

static void on_signal(int signo, void *arg) {
    LOG_INFO("asked to end", "signal=%d", signo);
    begin_end(arg);
}

// Whoever made the socket is the daemon's user or started us: nobody else may speak here.
static int check_peer(const struct agent_options *options, struct err *err) {
    struct peer peer;
    int rc = unix_peer(options->control_fd, &peer);
    if (rc < 0) return err_os(err, -rc, "control connection", "cannot ask who the partner is");
    if (peer.uid == geteuid() || peer.uid == options->daemon_uid) return 0;
    return err_set(err, ERR_DENIED, 0, "control connection",
                   "the partner is user %u, not the daemon's", (unsigned)peer.uid);
}

static int serve(struct agent *agent, struct err *err) {
    int rc = wire_handshake(agent->options->control_fd, "agent", "daemon", err);
    if (rc == 0) rc = loop_add_signal(agent->loop, SIGTERM, on_signal, agent, err);
    if (rc == 0) rc = loop_add_signal(agent->loop, SIGINT, on_signal, agent, err);
    if (rc < 0) {
        close(agent->options->control_fd);
        return rc;
    }
    rc = wire_channel_new(agent->loop, agent->options->control_fd, verbs_on_packet, on_daemon_gone,
                          agent, &agent->daemon, err);
    if (rc == 0) rc = loop_run(agent->loop, err);
    wire_channel_free(take(agent->daemon));
    return rc;
}

static void open_cgroups(struct agent *agent) {
    struct err err = {0};
    if (cgroup_host_open(&agent->cgroups, &err) < 0) {
        LOG_WARN("control groups cannot be used", "cause=\"%s\"", err.cause);
        return;
    }
    const char *why = NULL;
    bool usable = cgroup_host_can(agent->cgroups, CGROUP_PIDS, &why) ||
                  cgroup_host_can(agent->cgroups, CGROUP_FREEZER, NULL);
    if (usable) return;
    LOG_WARN("instances run without limits", "cause=\"%s\"", why ? why : "no control groups");
    cgroup_host_free(take(agent->cgroups));
}

static void agent_close(struct agent *agent) {
    loop_free(agent->loop);
    cgroup_host_free(agent->cgroups);
    layout_close(agent);
}

int agent_run(const struct agent_options *options, struct err *err) {
    struct agent agent = {.options = options};
    list_init(&agent.creations);
    list_init(&agent.clears);
    list_init(&agent.greetings);
    list_init(&agent.jobs);
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    int rc = check_peer(options, err);
    if (rc == 0) rc = layout_open(&agent, err);
    if (rc == 0) open_cgroups(&agent);
    if (rc == 0) rc = loop_new(clock_system(), &agent.loop, err);
    if (rc == 0) rc = rights_reduce(&agent, err);
    if (rc == 0) {
        reconcile_start(&agent);
        rc = serve(&agent, err);
    }
    agent_close(&agent);
    return rc;
}
