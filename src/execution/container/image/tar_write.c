// SPDX-License-Identifier: Apache-2.0
// Writing tar headers: ustar where it fits, else a pax record for what does not.
#include "base/str.h"
#include "execution/container/image/tar_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OCTAL_SIZE_MAX UINT64_C(077777777777)
#define OCTAL_ID_MAX 07777777u

static void put_octal(char *field, size_t size, uint64_t value) {
    char text[24];
    snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
    memcpy(field, text, size);
}

static void put_name(char *field, size_t size, const char *name) {
    size_t len = strlen(name);
    memcpy(field, name, len < size ? len : size);
}

// "LENGTH KEY=VALUE\n": the length counts its own digits.
static void add_record(struct str *s, const char *key, const char *value) {
    size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
    for (size_t digits = 1, limit = 10; len >= limit; limit *= 10) len = rest + ++digits;
    str_printf(s, "%zu %s=%s\n", len, key, value);
}

static void fill(struct tar_header *h, const struct tar_entry *e, char type) {
    *h = (struct tar_header){0};
    put_name(h->name, sizeof(h->name), e->path);
    put_octal(h->mode, sizeof(h->mode), e->mode & 07777);
    put_octal(h->uid, sizeof(h->uid), e->uid > OCTAL_ID_MAX ? 0 : e->uid);
    put_octal(h->gid, sizeof(h->gid), e->gid > OCTAL_ID_MAX ? 0 : e->gid);
    put_octal(h->size, sizeof(h->size), e->size > OCTAL_SIZE_MAX ? 0 : e->size);
    put_octal(h->mtime, sizeof(h->mtime), e->mtime_s < 0 ? 0 : (uint64_t)e->mtime_s);
    memset(h->checksum, ' ', sizeof(h->checksum));
    h->type = type;
    if (e->link) put_name(h->link, sizeof(h->link), e->link);
    memcpy(h->magic, "ustar\00000", 8);
    put_octal(h->dev_major, sizeof(h->dev_major), e->dev_major);
    put_octal(h->dev_minor, sizeof(h->dev_minor), e->dev_minor);
    uint32_t sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) sum += ((const uint8_t *)h)[i];
    snprintf(h->checksum, sizeof(h->checksum), "%06o", sum);
    h->checksum[7] = ' ';
}

static int put_pax(const struct str *records, tar_put_fn *put, void *arg, struct err *err) {
    struct tar_entry e = {.path = "pax", .mode = 0644, .size = records->len};
    struct tar_header h;
    fill(&h, &e, 'x');
    int r = put(arg, &h, sizeof(h), err);
    if (r == 0) r = put(arg, records->data, records->len, err);
    return r < 0 ? r : tar_write_pad(records->len, put, arg, err);
}

int tar_write_header(const struct tar_entry *e, tar_put_fn *put, void *arg, struct err *err) {
    struct tar_header h;
    auto_str struct str records = {0};
    char number[24];
    if (strlen(e->path) > sizeof(h.name)) add_record(&records, "path", e->path);
    if (e->link && strlen(e->link) > sizeof(h.link)) add_record(&records, "linkpath", e->link);
    if (e->size > OCTAL_SIZE_MAX) {
        snprintf(number, sizeof(number), "%llu", (unsigned long long)e->size);
        add_record(&records, "size", number);
    }
    if (records.failed) return err_os(err, ENOMEM, e->path, "no memory to write its header");
    if (records.len > 0) {
        int r = put_pax(&records, put, arg, err);
        if (r < 0) return r;
    }
    fill(&h, e, (char)e->type);
    return put(arg, &h, sizeof(h), err);
}

int tar_write_pad(uint64_t size, tar_put_fn *put, void *arg, struct err *err) {
    static const char zero[TAR_BLOCK];
    size_t pad = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
    return pad > 0 ? put(arg, zero, pad, err) : 0;
}

int tar_write_end(tar_put_fn *put, void *arg, struct err *err) {
    static const char zero[2 * TAR_BLOCK];
    return put(arg, zero, sizeof(zero), err);
}
