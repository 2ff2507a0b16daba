// SPDX-License-Identifier: Apache-2.0
// Packets and the blocking half of the channel; channel_async.c is the half on the event loop.
#include "wire/channel.h"

#include "base/str.h"
#include "wire/channel_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void wire_packet_done(struct wire_packet *packet) {
    for (size_t i = 0; i < packet->n_fds; i++) {
        if (packet->fds[i] >= 0) close(packet->fds[i]);
    }
    free(packet->buffer);
    *packet = (struct wire_packet){0};
}

int wire_packet_take_fd(struct wire_packet *packet, size_t index) {
    if (index >= packet->n_fds || packet->fds[index] < 0) return -EBADF;
    return take_fd(packet->fds[index]);
}

int wire_packet_failure(const struct wire_packet *packet, struct err *err) {
    if (packet->id != WIRE_FAILURE)
        return err_set(err, ERR_INTERNAL, 0, "connection", "unexpected answer %s",
                       wire_id_name(packet->id));
    struct arena *arena auto_arena = arena_new(8192);
    struct wire_failure f;
    int rc = wire_decode_failure(packet->payload, arena, &f, err);
    if (rc < 0) return rc;
    err_set(err, err_kind_parse(f.kind), 0, f.object, "%s", f.cause);
    if (err) err->os_errno = f.os_errno;
    if (*f.next) err_next(err, "%s", f.next);
    if (*f.context) err_while(err, "%s", f.context);
    return err_code(err) ? err_code(err) : -EPROTO;
}

struct wire_failure wire_failure_of(const struct err *why) {
    return (struct wire_failure){.kind = err_kind_word(why->kind),
                                 .os_errno = why->os_errno,
                                 .object = why->object,
                                 .cause = why->cause,
                                 .next = why->next,
                                 .context = why->context};
}

int wire_packet_build(uint32_t seq, enum wire_id id, const void *message, struct writer *out,
                      struct err *err) {
    *out = writer_growing();
    write_le32(out, WIRE_MAGIC);
    write_le16(out, WIRE_VERSION);
    write_le16(out, (uint16_t)id);
    write_le32(out, seq);
    write_le32(out, 0);
    int rc = wire_encode(id, message, out, err);
    if (rc == 0 && out->failed)
        rc = err_set(err, ERR_NO_SPACE, ENOMEM, "message", "cannot build %s",
                     wire_id_name((uint16_t)id));
    if (rc == 0 && out->size > WIRE_PACKET_MAX)
        rc = err_set(err, ERR_TOO_LARGE, 0, "message", "%s takes %zu bytes, at most %d fit",
                     wire_id_name((uint16_t)id), out->size, WIRE_PACKET_MAX);
    if (rc < 0) {
        writer_free(out);
        return rc;
    }
    struct writer size_field = writer_on(out->data + 12, 4);
    write_le32(&size_field, (uint32_t)(out->size - WIRE_HEADER_SIZE));
    return 0;
}

int wire_packet_read(int sock, struct wire_packet *ret, struct err *err) {
    *ret = (struct wire_packet){0};
    // The size first, so that a small packet costs a small buffer.
    ssize_t n = recv(sock, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0) n = -errno;
    if (n > WIRE_PACKET_MAX)
        return err_set(err, ERR_TOO_LARGE, 0, "connection", "received a packet of %zd bytes", n);
    if (n > 0) {
        ret->buffer = mem_try_zalloc((size_t)n);
        if (!ret->buffer) return err_set(err, ERR_NO_SPACE, ENOMEM, "connection", "cannot receive");
        n = fd_recv(sock, ret->buffer, (size_t)n, ret->fds, &ret->n_fds, MSG_DONTWAIT);
    }
    if (n <= 0) {
        wire_packet_done(ret);
        if (n == -EAGAIN) return -EAGAIN;
        return n == 0 || n == -ECONNRESET
                   ? err_set(err, ERR_UNAVAILABLE, 0, "connection", "the partner has gone")
                   : err_os(err, (int)-n, "connection", "cannot receive");
    }
    struct reader r = reader_of(ret->buffer, (size_t)n);
    uint32_t magic = read_le32(&r);
    uint16_t version = read_le16(&r);
    ret->id = read_le16(&r);
    ret->seq = read_le32(&r);
    uint32_t size = read_le32(&r);
    if (r.failed || magic != WIRE_MAGIC || size != r.rest.size) {
        wire_packet_done(ret);
        return err_set(err, ERR_CORRUPT, 0, "connection", "received a packet that is not Trine's");
    }
    if (version != WIRE_VERSION) {
        wire_packet_done(ret);
        err_set(err, ERR_VERSION, 0, "connection",
                "the partner speaks protocol %u, this program %u", version, WIRE_VERSION);
        return err_next(err, "restart Trine's daemon so that all roles come from one release");
    }
    ret->payload = r.rest;
    return 0;
}

static int wait_for(int sock, short events, int timeout_ms, struct err *err) {
    struct pollfd p = {.fd = sock, .events = events};
    int n;
    do n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n < 0) return err_os(err, errno, "connection", "cannot wait");
    if (n == 0)
        return err_set(err, ERR_TIMEOUT, 0, "connection", "no answer within %d ms", timeout_ms);
    return 0;
}

int wire_send(int sock, uint32_t seq, enum wire_id id, const void *message, const int *fds,
              size_t n_fds, struct err *err) {
    struct writer w;
    int rc = wire_packet_build(seq, id, message, &w, err);
    if (rc < 0) return rc;
    for (;;) {
        ssize_t n = fd_send(sock, w.data, w.size, fds, n_fds, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) break;
        if (n != -EAGAIN) {
            rc = n == -EPIPE || n == -ECONNRESET
                     ? err_set(err, ERR_UNAVAILABLE, 0, "connection", "the partner has gone")
                     : err_os(err, (int)-n, "connection", "cannot send");
            break;
        }
        rc = wait_for(sock, POLLOUT, -1, err);
        if (rc < 0) break;
    }
    writer_free(&w);
    return rc;
}

int wire_send_failure(int sock, uint32_t seq, const struct err *why) {
    struct wire_failure f = wire_failure_of(why);
    return wire_send(sock, seq, WIRE_FAILURE, &f, NULL, 0, NULL);
}

int wire_receive(int sock, int timeout_ms, struct wire_packet *ret, struct err *err) {
    for (;;) {
        int rc = wire_packet_read(sock, ret, err);
        if (rc != -EAGAIN) return rc;
        rc = wait_for(sock, POLLIN, timeout_ms, err);
        if (rc < 0) return rc;
    }
}

int wire_handshake(int sock, const char *role, const char *want, struct err *err) {
    struct wire_hello mine = {.build = TRINE_VERSION, .role = role, .pid = (uint32_t)getpid()};
    int rc = wire_send(sock, 0, WIRE_HELLO, &mine, NULL, 0, err);
    if (rc < 0) return rc;
    struct wire_packet p;
    rc = wire_receive(sock, 5000, &p, err);
    if (rc < 0) return err_while(err, "greeting %s", want ? want : "the partner");
    struct arena *arena auto_arena = arena_new(4096);
    struct wire_hello theirs = {0};
    rc = p.id == WIRE_HELLO ? wire_decode_hello(p.payload, arena, &theirs, err)
                            : wire_packet_failure(&p, err);
    if (rc == 0 && want && !str_same(theirs.role, want))
        rc = err_set(err, ERR_INTERNAL, 0, "connection", "expected a %s, met a %s", want,
                     theirs.role);
    wire_packet_done(&p);
    return rc;
}

int wire_call(int sock, enum wire_id id, const void *message, const int *fds, size_t n_fds,
              enum wire_id answer, int timeout_ms, struct wire_packet *ret, struct err *err) {
    int rc = wire_send(sock, 1, id, message, fds, n_fds, err);
    while (rc == 0) {
        rc = wire_receive(sock, timeout_ms, ret, err);
        if (rc < 0) break;
        if (ret->seq != 1 || ret->id == WIRE_IMAGE_PROGRESS) {
            wire_packet_done(ret);
            continue;
        }
        if (ret->id == answer) return 0;
        rc = wire_packet_failure(ret, err);
        wire_packet_done(ret);
    }
    return rc;
}
