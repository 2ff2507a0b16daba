// SPDX-License-Identifier: Apache-2.0
#include "wire/codec_int.h"

#include <string.h>

static int put_counted(struct writer *w, const void *data, size_t size, size_t max,
                       const char *field, struct err *err) {
    if (size > max)
        return err_set(err, ERR_TOO_LARGE, 0, field, "%zu bytes, at most %zu fit", size, max);
    write_le32(w, (uint32_t)size);
    write_bytes(w, data, size);
    return 0;
}

int put_string(struct writer *w, const char *text, size_t max, const char *field, struct err *err) {
    return put_counted(w, text ? text : "", text ? strlen(text) : 0, max, field, err);
}

int put_strings(struct writer *w, struct wire_strings list, size_t max, const char *field,
                struct err *err) {
    if (list.count > max)
        return err_set(err, ERR_TOO_LARGE, 0, field, "%zu entries, at most %zu fit", list.count,
                       max);
    write_le32(w, (uint32_t)list.count);
    for (size_t i = 0; i < list.count; i++) {
        int rc = put_string(w, list.items[i], UINT32_MAX, field, err);
        if (rc < 0) return rc;
    }
    return 0;
}

int put_bytes(struct writer *w, struct span bytes, size_t max, const char *field, struct err *err) {
    return put_counted(w, bytes.data, bytes.size, max, field, err);
}

static struct span get_counted(struct reader *r, size_t max) {
    uint32_t size = read_le32(r);
    if (size > max) r->failed = true;
    if (r->failed) return (struct span){0};
    return read_span(r, size);
}

const char *get_string(struct reader *r, struct arena *arena, size_t max) {
    struct span s = get_counted(r, max);
    if (r->failed || s.size == 0) return "";
    const char *text =
        memchr(s.data, 0, s.size) ? NULL : arena_strndup(arena, (const char *)s.data, s.size);
    if (!text) r->failed = true;
    return text ? text : "";
}

struct wire_strings get_strings(struct reader *r, struct arena *arena, size_t max) {
    uint32_t count = read_le32(r);
    // Each entry takes four bytes at least: a lying count is refused before anything is allocated.
    if (count > max || count > r->rest.size / 4) r->failed = true;
    if (r->failed || count == 0) return (struct wire_strings){0};
    const char **items = arena_array(arena, (size_t)count + 1, sizeof(*items));
    if (!items) r->failed = true;
    for (uint32_t i = 0; !r->failed && i < count; i++) items[i] = get_string(r, arena, UINT32_MAX);
    return r->failed ? (struct wire_strings){0} : (struct wire_strings){items, count};
}

struct span get_bytes(struct reader *r, struct arena *arena, size_t max) {
    struct span s = get_counted(r, max);
    if (r->failed || s.size == 0) return (struct span){0};
    uint8_t *copy = arena_alloc(arena, s.size);
    if (!copy) {
        r->failed = true;
        return (struct span){0};
    }
    memcpy(copy, s.data, s.size);
    return (struct span){copy, s.size};
}

int decode_end(const struct reader *r, const char *message, struct err *err) {
    if (r->failed)
        return err_set(err, ERR_CORRUPT, 0, message,
                       "the message is damaged or longer than its limits");
    if (r->rest.size)
        return err_set(err, ERR_CORRUPT, 0, message, "%zu bytes too many in the message",
                       r->rest.size);
    return 0;
}
