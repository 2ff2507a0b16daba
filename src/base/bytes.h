// SPDX-License-Identifier: Apache-2.0
// Untrusted bytes: a range, and bounds-checked reading and writing of little- and big-endian
// fields.
//
// A reader never leaves its range: a read past the end gives 0 (or an empty range) and sets
// `failed`, which sticks, so a parser reads a whole structure and checks once. A writer behaves the
// same way with its buffer.
#ifndef TRINE_BASE_BYTES_H
#define TRINE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *data;
    size_t size;
};

struct reader {
    struct span rest; // what has not been read
    bool failed;
};

struct writer {
    uint8_t *data;
    size_t size, cap; // cap grows when `grow` is set
    bool grow, failed;
};

static inline struct reader reader_of(const void *data, size_t size) {
    return (struct reader){.rest = {data, size}};
}
struct span read_span(struct reader *r, size_t size); // borrowed; empty when failed
uint8_t read_u8(struct reader *r);
uint16_t read_le16(struct reader *r);
uint32_t read_le32(struct reader *r);
uint64_t read_le64(struct reader *r);
uint16_t read_be16(struct reader *r);
uint32_t read_be32(struct reader *r);
uint64_t read_be64(struct reader *r);
void read_skip(struct reader *r, size_t size);

struct writer writer_on(void *buf, size_t cap); // fixed buffer
struct writer writer_growing(void);             // its data is freed by writer_free
void writer_free(struct writer *w);
void write_bytes(struct writer *w, const void *data, size_t size);
void write_u8(struct writer *w, uint8_t v);
void write_le16(struct writer *w, uint16_t v);
void write_le32(struct writer *w, uint32_t v);
void write_le64(struct writer *w, uint64_t v);
void write_be16(struct writer *w, uint16_t v);
void write_be32(struct writer *w, uint32_t v);
void write_be64(struct writer *w, uint64_t v);

#endif
