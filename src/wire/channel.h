// SPDX-License-Identifier: Apache-2.0
// A connection between two of Trine's processes: a SOCK_SEQPACKET socket that carries one message a
// packet.
//
// Packet: le32 magic "TRNE", le16 protocol version, le16 message id, le32 sequence, le32 payload
// bytes, payload. The payload is encoded field by field (generated, wire/messages.h): integers
// little-endian, a string as le32 length and bytes (no 0 inside), a list as le32 count and strings.
// Nothing is a raw struct; every length is checked against the packet and the field's own maximum.
// Requests carry a sequence number > 0 and the answer repeats it; 0 marks announcements.
//
// Threads: one channel, one thread.
#ifndef TRINE_WIRE_CHANNEL_H
#define TRINE_WIRE_CHANNEL_H

#include "base/err.h"
#include "host/file.h"
#include "host/loop.h"
#include "wire/messages.h"

#include <stdbool.h>

#define WIRE_MAGIC UINT32_C(0x454e5254)
#define WIRE_HEADER_SIZE 16
#define WIRE_PACKET_MAX (160 * 1024)

// One received message: header, payload, descriptors. Descriptors not taken are closed by
// wire_packet_done.
struct wire_packet {
    uint16_t id;
    uint32_t seq;
    struct span payload; // inside buffer
    int fds[FD_PASS_MAX];
    size_t n_fds;
    uint8_t *buffer;
};
void wire_packet_done(struct wire_packet *packet);
int wire_packet_take_fd(struct wire_packet *packet, size_t index); // -EBADF when absent
// failure -> the error it carries; any other unexpected id -> internal error. Returns the negative
// errno.
int wire_packet_failure(const struct wire_packet *packet, struct err *err);

// Blocking primitives (they poll when the socket is non-blocking).
int wire_send(int sock, uint32_t seq, enum wire_id id, const void *message, const int *fds,
              size_t n_fds, struct err *err);
int wire_send_failure(int sock, uint32_t seq, const struct err *why);
int wire_receive(int sock, int timeout_ms, struct wire_packet *ret,
                 struct err *err); // peer gone: ERR_UNAVAILABLE
// Send hello, receive and check the partner's. role: who we are; want: who it must be (NULL:
// anybody).
int wire_handshake(int sock, const char *role, const char *want, struct err *err);
// One request and its answer of id `answer`; announcements meanwhile are dropped.
int wire_call(int sock, enum wire_id id, const void *message, const int *fds, size_t n_fds,
              enum wire_id answer, int timeout_ms, struct wire_packet *ret, struct err *err);

// Asynchronous channel on an event loop.
struct wire_channel;
// A packet of the peer. seq 0 or a request (server side). The callee may take descriptors; the
// packet is done after.
typedef void wire_packet_fn(struct wire_channel *channel, struct wire_packet *packet, void *arg);
typedef void wire_closed_fn(struct wire_channel *channel,
                            void *arg); // once; pending answers got ERR_UNAVAILABLE before
// Answer to wire_channel_call. packet is NULL when err is set (connection lost). Called again for
// image_progress, which is no final answer. May free the channel only in the final call.
typedef void wire_answer_fn(struct wire_packet *packet, const struct err *err, void *arg);

// Takes the socket over (also on failure). Sends are queued when the socket is full (at most 4 MiB,
// then it is closed).
int wire_channel_new(struct loop *loop, int sock, wire_packet_fn *on_packet,
                     wire_closed_fn *on_closed, void *arg, struct wire_channel **ret,
                     struct err *err);
void wire_channel_free(struct wire_channel *channel); // pending answers are dropped silently
int wire_channel_send(struct wire_channel *channel, uint32_t seq, enum wire_id id,
                      const void *message, const int *fds, size_t n_fds,
                      struct err *err); // descriptors are duplicated
int wire_channel_fail(struct wire_channel *channel, uint32_t seq, const struct err *why);
// *ret_seq may be NULL. fn NULL: the answer does not matter. On a non-zero return fn is not called.
int wire_channel_call(struct wire_channel *channel, enum wire_id id, const void *message,
                      const int *fds, size_t n_fds, wire_answer_fn *fn, void *arg,
                      uint32_t *ret_seq, struct err *err);
void wire_channel_forget(struct wire_channel *channel, uint32_t seq); // its answer will be dropped
int wire_channel_fd(const struct wire_channel *channel);

#endif
