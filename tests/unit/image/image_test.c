// SPDX-License-Identifier: Apache-2.0
#include "image_test.h"

#include "host/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int scratch_set_up(void **state) {
    struct scratch *s = mem_new(struct scratch);
    snprintf(s->path, sizeof(s->path), "/tmp/trine-unit-image.XXXXXX");
    if (!mkdtemp(s->path)) return -1;
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = s;
    return s->fd < 0;
}

int scratch_tear_down(void **state) {
    struct scratch *s = *state;
    close(s->fd);
    int r = dir_remove_tree(AT_FDCWD, s->path, NULL);
    free(s);
    return r;
}

void scratch_expect(const struct scratch *scratch, const char *path, const char *content) {
    auto_free char *data = NULL;
    size_t size;
    assert_int_equal(file_read(scratch->fd, path, 1 << 20, &data, &size, NULL), 0);
    assert_string_equal(data, content);
}

bool scratch_has(const struct scratch *scratch, const char *path) {
    struct stat st;
    return fstatat(scratch->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int put(void *arg, const void *data, size_t size, struct err *err) {
    str_add_n(arg, data, size);
    return 0;
}

void tar_add(struct str *tar, enum tar_type type, const char *path, uint32_t mode, const char *link,
             const char *content) {
    size_t size = content ? strlen(content) : 0;
    struct tar_entry entry = {.type = type,
                              .path = path,
                              .mode = mode,
                              .link = link,
                              .size = size,
                              .uid = getuid(),
                              .gid = getgid(),
                              .mtime_s = 1000000000};
    assert_int_equal(tar_write_header(&entry, put, tar, NULL), 0);
    str_add_n(tar, content ? content : "", size);
    assert_int_equal(tar_write_pad(size, put, tar, NULL), 0);
}

// The header of a file with the record as its content, turned into a describing one.
void tar_add_record(struct str *tar, const char *key, const char *value) {
    size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
    for (size_t digits = 1, limit = 10; len >= limit; limit *= 10) len = rest + ++digits;
    auto_str struct str record = {0};
    str_printf(&record, "%zu %s=%s\n", len, key, value);
    size_t at = tar->len;
    tar_add(tar, TAR_FILE, "pax", 0644, NULL, record.data);
    tar->data[at + 156] = 'x';
    unsigned sum = 0;
    memset(tar->data + at + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++) sum += (uint8_t)tar->data[at + i];
    snprintf(tar->data + at + 148, 7, "%06o", sum);
}

void tar_finish(struct str *tar) {
    tar_write_end(put, tar, NULL);
}
