// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/shim_greet.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct greeting {
    struct list link; // in agent->greetings
    struct agent *agent;
    int sock;
    char who[INSTANCE_TEXT_SIZE];
    int64_t limit_ns;
    struct loop_source *readable, *timer;
    greeting_fn *fn;
    void *arg;
};

void greeting_free(struct greeting *g) {
    if (!g) return;
    loop_remove(g->readable);
    loop_remove(g->timer);
    if (g->sock >= 0) close(g->sock);
    list_remove(&g->link);
    free(g);
}

static void finish(struct greeting *g, const struct err *why) {
    greeting_fn *fn = g->fn;
    void *arg = g->arg;
    int sock = -1;
    if (!why) {
        loop_remove(take(g->readable));
        sock = take_fd(g->sock);
    }
    greeting_free(g);
    fn(sock, why, arg);
}

// Ours comes after theirs: a shim that fails and ends with something unread would turn its last
// words into a reset connection.
static int answer_hello(const struct greeting *g, const struct wire_packet *packet,
                        struct err *err) {
    if (packet->id != WIRE_HELLO) return wire_packet_failure(packet, err);
    struct arena *arena auto_arena = arena_new(4096);
    struct wire_hello hello;
    int rc = wire_decode_hello(packet->payload, arena, &hello, err);
    if (rc == 0 && !str_same(hello.role, "shim"))
        rc = err_set(err, ERR_INTERNAL, 0, g->who, "expected a shim, met a %s", hello.role);
    struct wire_hello ours = {.build = TRINE_VERSION, .role = "agent", .pid = (uint32_t)getpid()};
    return rc < 0 ? rc : wire_send(g->sock, 0, WIRE_HELLO, &ours, NULL, 0, err);
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct greeting *g = arg;
    struct wire_packet packet;
    struct err err = {0};
    // Exactly one packet: what may follow is the daemon's.
    int rc = wire_receive(fd, 0, &packet, &err);
    if (rc == 0) {
        rc = answer_hello(g, &packet, &err);
        wire_packet_done(&packet);
    } else if (err.kind == ERR_TIMEOUT) {
        return; // woken for nothing
    } else if (err.kind == ERR_UNAVAILABLE) {
        err_set(&err, ERR_INTERNAL, 0, g->who, "its shim ended without a word");
        err_next(&err, "see the log of the system for a crash of trine-shim");
    }
    finish(g, rc < 0 ? &err : NULL);
}

static void on_limit(void *arg) {
    struct greeting *g = arg;
    struct err err = {0};
    err_set(&err, ERR_TIMEOUT, 0, g->who, "its shim did not answer within %d s",
            (int)(g->limit_ns / SEC_NS));
    err_next(&err, "try again; on a loaded host this can be slow");
    finish(g, &err);
}

int greeting_new(struct agent *agent, int sock, const char *who, int64_t limit_ns, greeting_fn *fn,
                 void *arg, struct greeting **ret, struct err *err) {
    struct greeting *g = mem_new(struct greeting);
    *g =
        (struct greeting){.agent = agent, .sock = sock, .limit_ns = limit_ns, .fn = fn, .arg = arg};
    strncpy(g->who, who, sizeof(g->who) - 1);
    list_init(&g->link);
    list_add_tail(&agent->greetings, &g->link);
    int64_t at = clock_monotonic(loop_clock(agent->loop)) + limit_ns;
    int rc = loop_add_fd(agent->loop, sock, EPOLLIN, on_readable, g, &g->readable, err);
    if (rc == 0) rc = loop_add_timer(agent->loop, at, on_limit, g, &g->timer, err);
    if (rc < 0) {
        greeting_free(g);
        return rc;
    }
    *ret = g;
    return 0;
}
