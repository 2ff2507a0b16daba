// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include "base/mem.h"

#include <endian.h>
#include <stdlib.h>

struct span read_span(struct reader *r, size_t size) {
    if (r->failed || size > r->rest.size) {
        r->failed = true;
        return (struct span){0};
    }
    struct span taken = {r->rest.data, size};
    if (size) r->rest.data += size;
    r->rest.size -= size;
    return taken;
}

void read_skip(struct reader *r, size_t size) {
    read_span(r, size);
}

uint8_t read_u8(struct reader *r) {
    struct span s = read_span(r, 1);
    return s.data ? s.data[0] : 0;
}

#define READ_WRITE(name, type, to_host, from_host) \
    type read_##name(struct reader *r) { \
        type raw = 0; \
        struct span s = read_span(r, sizeof(raw)); \
        if (s.data) memcpy(&raw, s.data, sizeof(raw)); \
        return to_host(raw); \
    } \
    void write_##name(struct writer *w, type v) { \
        type raw = from_host(v); \
        write_bytes(w, &raw, sizeof(raw)); \
    }
READ_WRITE(le16, uint16_t, le16toh, htole16)
READ_WRITE(le32, uint32_t, le32toh, htole32)
READ_WRITE(le64, uint64_t, le64toh, htole64)
READ_WRITE(be16, uint16_t, be16toh, htobe16)
READ_WRITE(be32, uint32_t, be32toh, htobe32)
READ_WRITE(be64, uint64_t, be64toh, htobe64)
#undef READ_WRITE

struct writer writer_on(void *buf, size_t cap) {
    return (struct writer){.data = buf, .cap = cap};
}

struct writer writer_growing(void) {
    return (struct writer){.grow = true};
}

void writer_free(struct writer *w) {
    if (w->grow) free(w->data);
    *w = (struct writer){.grow = w->grow};
}

static bool make_room(struct writer *w, size_t size) {
    if (size <= w->cap - w->size) return true;
    if (!w->grow || size > SIZE_MAX / 2 - w->size) return false;
    size_t cap = w->cap ? w->cap : 64;
    while (cap < w->size + size) cap *= 2;
    uint8_t *data = mem_try_resize(w->data, cap, 1);
    if (!data) return false;
    w->data = data;
    w->cap = cap;
    return true;
}

void write_bytes(struct writer *w, const void *data, size_t size) {
    if (w->failed || size == 0) return;
    if (!make_room(w, size)) {
        w->failed = true;
        return;
    }
    memcpy(w->data + w->size, data, size);
    w->size += size;
}

void write_u8(struct writer *w, uint8_t v) {
    write_bytes(w, &v, 1);
}
