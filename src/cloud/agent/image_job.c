// SPDX-License-Identifier: Apache-2.0
// Jobs of the image role: one process each, whose progress and outcome are passed on under the
// number of the request. The store has its own lock, so jobs run side by side.
//
//   request ──▶ running ──process ended──▶ answered
//                  │ cancel or end: SIGTERM, after a while SIGKILL
#include "cloud/agent/agent_int.h"

#include "base/log.h"
#include "base/str.h"
#include "base/vec.h"
#include "cloud/agent/image_arguments.h"
#include "host/process.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IMAGE_ROLE "trine-image"
#define JOBS_MAX 16
#define STOP_LIMIT_NS (5 * SEC_NS)

struct image_job {
    struct list link; // in agent->jobs
    struct agent *agent;
    uint32_t seq;
    pid_t pid;
    int pidfd, sock;
    struct loop_source *readable, *child, *stop_timer;
    bool cancelled;
    char *result;       // json, once it came
    struct err failure; // once it came
};

static void job_free(struct image_job *job) {
    loop_remove(job->readable);
    loop_remove(job->child);
    loop_remove(job->stop_timer);
    if (job->sock >= 0) close(job->sock);
    if (job->pidfd >= 0) close(job->pidfd);
    list_remove(&job->link);
    free(job->result);
    struct agent *agent = job->agent;
    free(job);
    agent_operation_end(agent);
}

static void pass_progress(struct image_job *job, const struct wire_packet *packet) {
    struct arena *arena auto_arena = arena_new(4096);
    struct wire_image_progress progress;
    if (wire_decode_image_progress(packet->payload, arena, &progress, NULL) == 0)
        agent_answer(job->agent, job->seq, WIRE_IMAGE_PROGRESS, &progress, NULL, 0);
}

static void keep_result(struct image_job *job, const struct wire_packet *packet) {
    struct arena *arena auto_arena = arena_new(2 * WIRE_PACKET_MAX);
    struct wire_image_result result;
    if (wire_decode_image_result(packet->payload, arena, &result, &job->failure) < 0) return;
    free(job->result);
    job->result = mem_strdup(result.json);
}

static void on_message(struct image_job *job, const struct wire_packet *packet) {
    struct wire_hello hello = {.build = TRINE_VERSION, .role = "agent", .pid = (uint32_t)getpid()};
    switch (packet->id) {
    case WIRE_HELLO: // ours comes after theirs: one that ends with it unread would reset its words
        wire_send(job->sock, 0, WIRE_HELLO, &hello, NULL, 0, NULL);
        break;
    case WIRE_IMAGE_PROGRESS:
        pass_progress(job, packet);
        break;
    case WIRE_IMAGE_RESULT:
        keep_result(job, packet);
        break;
    default:
        wire_packet_failure(packet, &job->failure);
    }
}

// Everything that is there now. The connection's end says nothing: the process's does.
static void drain(struct image_job *job) {
    struct wire_packet packet;
    struct err err = {0};
    while (job->readable && wire_receive(job->sock, 0, &packet, &err) == 0) {
        on_message(job, &packet);
        wire_packet_done(&packet);
    }
    if (err.kind == ERR_NONE || err.kind == ERR_TIMEOUT) return;
    if (err.kind != ERR_UNAVAILABLE && job->failure.kind == ERR_NONE) job->failure = err;
    loop_remove(take(job->readable));
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *arg) {
    drain(arg);
}

static void answer(struct image_job *job, int wait_status) {
    struct wire_image_result result = {.json = job->result};
    struct err *why = &job->failure;
    bool good = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
    if (job->result && good && why->kind == ERR_NONE) {
        agent_answer(job->agent, job->seq, WIRE_IMAGE_RESULT, &result, NULL, 0);
        return;
    }
    if (job->cancelled)
        err_set(why, ERR_CANCELLED, 0, "image job", "stopped before it was done");
    else if (why->kind == ERR_NONE && WIFSIGNALED(wait_status))
        err_set(why, ERR_INTERNAL, 0, IMAGE_ROLE, "it was killed by signal %d",
                WTERMSIG(wait_status));
    else if (why->kind == ERR_NONE)
        err_set(why, ERR_INTERNAL, 0, IMAGE_ROLE, "it ended with code %d and no result",
                process_exit_code(wait_status));
    agent_answer_failure(job->agent, job->seq, why);
}

static void on_ended(pid_t pid, int wait_status, void *arg) {
    struct image_job *job = arg;
    job->child = NULL;
    drain(job);
    answer(job, wait_status);
    job_free(job);
}

static void on_stop_limit(void *arg) {
    struct image_job *job = arg;
    process_signal(job->pidfd, SIGKILL);
}

static void job_stop(struct image_job *job) {
    if (job->cancelled) return;
    job->cancelled = true;
    process_signal(job->pidfd, SIGTERM);
    int64_t at = clock_monotonic(loop_clock(job->agent->loop)) + STOP_LIMIT_NS;
    if (loop_add_timer(job->agent->loop, at, on_stop_limit, job, &job->stop_timer, NULL) < 0)
        process_signal(job->pidfd, SIGKILL);
}

void image_jobs_end(struct agent *agent) {
    struct image_job *job;
    list_each (&agent->jobs, job, struct image_job, link) job_stop(job);
}

int image_job_cancel(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                     struct err *err) {
    struct wire_agent_job_cancel request;
    int rc = wire_decode_agent_job_cancel(packet->payload, arena, &request, err);
    if (rc < 0) return rc;
    // A job that is not there has just answered: the wish is fulfilled.
    struct image_job *job;
    list_each (&agent->jobs, job, struct image_job, link) {
        if (job->seq == request.job_seq) job_stop(job);
    }
    agent_answer_ok(agent, packet->seq);
    return 0;
}

static int job_spawn(struct image_job *job, char *const *argv, const struct image_stream *stream,
                     int theirs, struct err *err) {
    char path[4096];
    if (!process_role_path(IMAGE_ROLE, path, sizeof(path))) {
        err_set(err, ERR_UNAVAILABLE, 0, IMAGE_ROLE, "the program is not installed");
        return err_next(err, "install all of Trine's programs into one folder");
    }
    struct process_fd fds[] = {
        {.from = theirs, .to = IMAGE_WIRE_FD},
        {.from = STDERR_FILENO, .to = STDERR_FILENO},
        {.from = stream->fd, .to = stream->to},
    };
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .cwd = "/",
                                .fds = fds,
                                .n_fds = stream->fd >= 0 ? 3 : 2,
                                .new_session = true,
                                .die_with_parent = true};
    int rc = process_spawn(&spec, &job->pid, &job->pidfd, err);
    if (rc < 0) return rc;
    rc = loop_add_child(job->agent->loop, job->pid, job->pidfd, on_ended, job, &job->child, err);
    if (rc == 0)
        rc = loop_add_fd(job->agent->loop, job->sock, EPOLLIN, on_readable, job, &job->readable,
                         err);
    if (rc < 0) {
        process_signal(job->pidfd, SIGKILL);
        process_wait(job->pid);
    }
    return rc;
}

static int job_open(struct image_job *job, char *const *argv, const struct image_stream *stream,
                    struct err *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_os(err, errno, IMAGE_ROLE, "cannot make its control socket");
    job->sock = pair[0];
    auto_close int theirs = pair[1];
    return job_spawn(job, argv, stream, theirs, err);
}

static size_t count_jobs(struct agent *agent) {
    size_t n = 0;
    for (struct list *at = agent->jobs.next; at != &agent->jobs; at = at->next) n++;
    return n;
}

static int make_keep_list(struct wire_strings keep, int *ret_fd, struct err *err) {
    struct str text auto_str = {0};
    for (size_t i = 0; i < keep.count; i++) str_printf(&text, "%s\n", keep.items[i]);
    int rc = text.failed ? -ENOMEM : fd_memory("keep", str_text(&text), text.len, ret_fd);
    return rc < 0 ? err_os(err, -rc, "image job", "cannot pass on the ids to keep") : 0;
}

int image_job_start(struct agent *agent, struct wire_packet *packet, struct arena *arena,
                    struct err *err) {
    struct wire_agent_image_job request;
    struct strv argv auto_strv = {0};
    struct image_stream stream = {.fd = -1};
    int rc = wire_decode_agent_image_job(packet->payload, arena, &request, err);
    if (rc == 0)
        rc = image_arguments(&request, agent->state_dir, packet->n_fds, &argv, &stream, err);
    if (rc < 0) return rc;
    if (count_jobs(agent) >= JOBS_MAX) {
        err_set(err, ERR_LIMIT, 0, "image jobs", "%d run already", JOBS_MAX);
        return err_next(err, "wait for one of them");
    }
    auto_close int keep_fd = -1;
    if (stream.keep_list) rc = make_keep_list(request.keep, &keep_fd, err);
    if (rc < 0) return rc;
    stream.fd = packet->n_fds ? packet->fds[0] : keep_fd;
    struct image_job *job = mem_new(struct image_job);
    *job = (struct image_job){.agent = agent, .seq = packet->seq, .pidfd = -1, .sock = -1};
    list_init(&job->link);
    list_add_tail(&agent->jobs, &job->link);
    agent_operation_begin(agent);
    rc = job_open(job, argv.items, &stream, err);
    if (rc < 0) job_free(job);
    return rc;
}
