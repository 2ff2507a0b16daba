// SPDX-License-Identifier: Apache-2.0
// A channel on the event loop: queued sends, answers matched to calls by sequence number.
//
// Invariants: (1) a waiting call is answered exactly once, by its answer, by the loss of the
// connection, or never after wire_channel_forget/free; (2) after on_closed the channel sends
// nothing and waits for wire_channel_free; (3) callbacks may free the channel: while one runs
// (`busy`) the memory stays, and `freed` tells the code that called it.
#include "wire/channel.h"

#include "base/list.h"
#include "wire/channel_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX (4u << 20)

struct queued {
    struct list link;
    struct writer packet;
    int fds[FD_PASS_MAX];
    size_t n_fds;
};

struct waiting {
    struct list link;
    uint32_t seq;
    wire_answer_fn *fn;
    void *arg;
};

struct wire_channel {
    struct loop *loop;
    struct loop_source *source;
    int sock;
    wire_packet_fn *on_packet;
    wire_closed_fn *on_closed;
    void *arg;
    uint32_t next_seq;
    struct list queue, waiting;
    size_t queued_bytes;
    bool closed;
    unsigned busy; // functions that touch the channel after a callback
    bool freed;
};

static void queued_free(struct queued *q) {
    for (size_t i = 0; i < q->n_fds; i++) close(q->fds[i]);
    writer_free(&q->packet);
    free(q);
}

static void channel_leave(struct wire_channel *ch) {
    if (--ch->busy == 0 && ch->freed) free(ch);
}

void wire_channel_free(struct wire_channel *ch) {
    if (!ch) return;
    loop_remove(take(ch->source));
    if (ch->sock >= 0) close(take_fd(ch->sock));
    struct queued *q;
    list_each (&ch->queue, q, struct queued, link) queued_free(q);
    struct waiting *w;
    list_each (&ch->waiting, w, struct waiting, link) free(w);
    list_init(&ch->queue);
    list_init(&ch->waiting);
    ch->closed = ch->freed = true;
    if (ch->busy == 0) free(ch);
}

// The connection is lost: every waiting call hears it, then the owner. The caller is busy.
static void channel_lost(struct wire_channel *ch, const struct err *why) {
    if (ch->closed) return;
    ch->closed = true;
    loop_remove(take(ch->source));
    close(take_fd(ch->sock));
    while (!list_empty(&ch->waiting)) {
        struct waiting *w = container_of(ch->waiting.next, struct waiting, link);
        list_remove(&w->link);
        w->fn(NULL, why, w->arg);
        free(w);
    }
    if (!ch->freed && ch->on_closed) ch->on_closed(ch, ch->arg);
}

static void flush(struct wire_channel *ch) {
    struct queued *q;
    list_each (&ch->queue, q, struct queued, link) {
        ssize_t n = fd_send(ch->sock, q->packet.data, q->packet.size, q->fds, q->n_fds,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n == -EAGAIN) break;
        // A peer that has gone shows as end of file on the reading side too: leave the ending to
        // that.
        ch->queued_bytes -= q->packet.size;
        list_remove(&q->link);
        queued_free(q);
    }
    loop_set_events(ch->source, list_empty(&ch->queue) ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static struct waiting *find_waiting(struct wire_channel *ch, uint32_t seq) {
    struct waiting *w;
    list_each (&ch->waiting, w, struct waiting, link) {
        if (w->seq == seq) return w;
    }
    return NULL;
}

// Requests of both sides share the wire: an answer is what carries a number that we wait for.
static void dispatch(struct wire_channel *ch, struct wire_packet *packet) {
    struct waiting *w = packet->seq ? find_waiting(ch, packet->seq) : NULL;
    if (!w) {
        if (ch->on_packet) ch->on_packet(ch, packet, ch->arg);
        return;
    }
    if (packet->id == WIRE_IMAGE_PROGRESS) {
        w->fn(packet, NULL, w->arg);
        return;
    }
    list_remove(&w->link);
    struct err err = {0};
    if (packet->id == WIRE_FAILURE) {
        wire_packet_failure(packet, &err);
        w->fn(NULL, &err, w->arg);
    } else {
        w->fn(packet, NULL, w->arg);
    }
    free(w);
}

static void on_ready(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct wire_channel *ch = arg;
    if (events & EPOLLOUT) flush(ch);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ch->busy++;
    while (!ch->closed) {
        struct wire_packet packet;
        struct err err = {0};
        int rc = wire_packet_read(ch->sock, &packet, &err);
        if (rc == -EAGAIN && err.kind == ERR_NONE) break;
        if (rc < 0) {
            channel_lost(ch, &err);
            break;
        }
        dispatch(ch, &packet);
        wire_packet_done(&packet);
    }
    channel_leave(ch);
}

int wire_channel_new(struct loop *loop, int sock, wire_packet_fn *on_packet,
                     wire_closed_fn *on_closed, void *arg, struct wire_channel **ret,
                     struct err *err) {
    struct wire_channel *ch = mem_new(struct wire_channel);
    *ch = (struct wire_channel){.loop = loop,
                                .sock = sock,
                                .on_packet = on_packet,
                                .on_closed = on_closed,
                                .arg = arg,
                                .next_seq = 1};
    list_init(&ch->queue);
    list_init(&ch->waiting);
    int rc = fd_set_nonblock(sock, true);
    if (rc < 0) err_os(err, -rc, "connection", "cannot make it non-blocking");
    if (rc == 0) rc = loop_add_fd(loop, sock, EPOLLIN, on_ready, ch, &ch->source, err);
    if (rc < 0) {
        wire_channel_free(ch);
        return rc;
    }
    *ret = ch;
    return 0;
}

int wire_channel_send(struct wire_channel *ch, uint32_t seq, enum wire_id id, const void *message,
                      const int *fds, size_t n_fds, struct err *err) {
    if (ch->closed) return err_set(err, ERR_UNAVAILABLE, 0, "connection", "the partner has gone");
    struct queued *q = mem_new(struct queued);
    int rc = wire_packet_build(seq, id, message, &q->packet, err);
    if (rc < 0) {
        free(q);
        return rc;
    }
    for (; rc == 0 && q->n_fds < n_fds; q->n_fds++) {
        int copy = fcntl(fds[q->n_fds], F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            rc = err_os(err, errno, "connection", "cannot pass a descriptor");
            break;
        }
        q->fds[q->n_fds] = copy;
    }
    if (rc == 0 && ch->queued_bytes + q->packet.size > QUEUE_MAX)
        rc = err_set(err, ERR_LIMIT, 0, "connection", "the partner does not read: %zu bytes wait",
                     ch->queued_bytes);
    if (rc < 0) {
        queued_free(q);
        return rc;
    }
    ch->queued_bytes += q->packet.size;
    list_add_tail(&ch->queue, &q->link);
    flush(ch);
    return 0;
}

int wire_channel_fail(struct wire_channel *ch, uint32_t seq, const struct err *why) {
    struct wire_failure f = wire_failure_of(why);
    return wire_channel_send(ch, seq, WIRE_FAILURE, &f, NULL, 0, NULL);
}

int wire_channel_call(struct wire_channel *ch, enum wire_id id, const void *message, const int *fds,
                      size_t n_fds, wire_answer_fn *fn, void *arg, uint32_t *ret_seq,
                      struct err *err) {
    uint32_t seq = ch->next_seq;
    int rc = wire_channel_send(ch, seq, id, message, fds, n_fds, err);
    if (rc < 0) return rc;
    ch->next_seq = seq == UINT32_MAX ? 1 : seq + 1;
    if (ret_seq) *ret_seq = seq;
    if (!fn) return 0;
    struct waiting *w = mem_new(struct waiting);
    *w = (struct waiting){.seq = seq, .fn = fn, .arg = arg};
    list_add_tail(&ch->waiting, &w->link);
    return 0;
}

void wire_channel_forget(struct wire_channel *ch, uint32_t seq) {
    struct waiting *w = find_waiting(ch, seq);
    if (!w) return;
    list_remove(&w->link);
    free(w);
}

int wire_channel_fd(const struct wire_channel *ch) {
    return ch->sock;
}
