// SPDX-License-Identifier: Apache-2.0
// What is there: the list of instances, how one ended, its log files.
#include "cloud/agent/instance.h"

#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define EXIT_RECORD_MAX 16384

struct listing {
    struct agent *agent;
    struct arena *arena;
    VEC(const char *) ids, states;
};

static const char *state_of(struct agent *agent, const char *id) {
    char path[64];
    struct stat st;
    pid_t pid;
    // A shim that is being made has no socket yet; it lives all the same.
    if (instance_creation_is_pending(agent, id)) return "alive";
    if (shim_find(agent->run_instances_fd, id, &pid, NULL) == 0) {
        auto_close int sock = shim_connect(agent->run_instances_fd, id);
        if (sock >= 0 || sock == -EAGAIN) return "alive";
    }
    snprintf(path, sizeof(path), "%s/" LAYOUT_EXIT, id);
    if (fstatat(agent->run_instances_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) return "ended";
    return "dead";
}

static int list_one(int dirfd, const char *name, void *arg) {
    struct listing *l = arg;
    if (text_check_id("instance", name, NULL) < 0) return 0;
    const char *id = arena_strdup(l->arena, name);
    if (!id || !vec_try_add(&l->ids, id)) return -ENOMEM;
    return vec_try_add(&l->states, state_of(l->agent, name)) ? 0 : -ENOMEM;
}

int instance_list(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                  struct err *err) {
    struct wire_agent_instance_list request;
    struct listing l = {.agent = agent, .arena = arena};
    int rc = wire_decode_agent_instance_list(packet->payload, arena, &request, err);
    if (rc < 0) return rc;
    rc = dir_each(agent->run_instances_fd, ".", list_one, &l);
    if (rc < 0) {
        err_os(err, -rc, "instances", "cannot read the run directory");
    } else {
        struct wire_agent_instances answer = {.ids = {l.ids.items, l.ids.len},
                                              .states = {l.states.items, l.states.len}};
        agent_answer(agent, packet->seq, WIRE_AGENT_INSTANCES, &answer, NULL, 0);
    }
    vec_free(&l.ids);
    vec_free(&l.states);
    return rc;
}

int instance_exit(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                  struct err *err) {
    struct wire_agent_instance_exit request;
    char path[64], who[INSTANCE_TEXT_SIZE];
    int rc = wire_decode_agent_instance_exit(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("instance", request.id, err);
    if (rc < 0) return rc;
    instance_text(request.id, who);
    if (faccessat(agent->run_instances_fd, request.id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return err_os(err, errno, who, "it has no run directory");
    snprintf(path, sizeof(path), "%s/" LAYOUT_EXIT, request.id);
    struct wire_agent_exit answer = {.known = false};
    char *text auto_free = NULL;
    size_t size = 0;
    rc = file_read(agent->run_instances_fd, path, EXIT_RECORD_MAX, &text, &size, err);
    if (rc == 0) rc = exit_record_parse(text, size, arena, &answer, err);
    if (rc < 0 && rc != -ENOENT) return err_while(err, "reading how %s ended", who);
    err_clear(err);
    agent_answer(agent, packet->seq, WIRE_AGENT_EXIT, &answer, NULL, 0);
    return 0;
}

// -1 when it is not there or not a regular file: a link or a fifo is nobody's log.
static int open_log(int dirfd, unsigned number) {
    char name[32];
    struct stat st;
    snprintf(name, sizeof(name), number ? LAYOUT_LOG ".%u" : LAYOUT_LOG, number);
    auto_close int fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return -1;
    return take_fd(fd);
}

int instance_log_open(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                      struct err *err) {
    struct wire_agent_log_open request;
    int rc = wire_decode_agent_log_open(packet->payload, arena, &request, err);
    if (rc == 0) rc = text_check_id("instance", request.id, err);
    if (rc < 0) return rc;
    auto_close int dir = openat(agent->state_instances_fd, request.id,
                                O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int fds[FD_PASS_MAX];
    size_t n = 0;
    // log.1 is the newest of the rotated ones; those past the limit are left out.
    for (unsigned number = FD_PASS_MAX; dir >= 0 && number-- > 0;) {
        int fd = open_log(dir, number);
        if (fd >= 0) fds[n++] = fd;
    }
    struct wire_agent_log answer = {.files = (uint32_t)n};
    agent_answer(agent, packet->seq, WIRE_AGENT_LOG, &answer, fds, n);
    for (size_t i = 0; i < n; i++) close(fds[i]);
    return 0;
}
