// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/staging.h"

#include "base/map.h"
#include "base/str.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 100000
#define LINK_HOPS_MAX 8

struct staging {
    struct layout layout;
    struct import *im;
    struct map *by_path;   // owns its struct staged_file
    struct map *by_digest; // borrows them
};

static void staged_free(void *value) {
    struct staged_file *file = value;
    free(file->path);
    free(file->link);
    free(file);
}

void staging_free(struct staging *staging) {
    if (!staging) return;
    map_free(staging->by_digest);
    map_free(staging->by_path);
    free(staging);
}

void staging_autofree(struct staging **staging) {
    staging_free(*staging);
}

static int copy_content(struct staging *s, struct tar_reader *tar, struct staged_file *file,
                        struct err *err) {
    auto_close int fd = -1;
    auto_hasher struct hasher *hasher = hasher_new();
    const uint8_t *data;
    ssize_t n;
    if (!hasher) return err_os(err, ENOMEM, "input", "no memory to hash it");
    int r = store_temp_file(s->im->store, file->temp, &fd, err);
    if (r < 0) return r;
    while ((n = tar_read(tar, &data, err)) > 0) {
        for (size_t i = 0; i < (size_t)n && file->size + i < sizeof(file->magic); i++)
            file->magic[file->size + i] = (char)data[i];
        file->size += (uint64_t)n;
        if (file->size > s->im->budget.limits.max_bytes)
            return err_set(err, ERR_LIMIT, 0, "input", "member %.100s is larger than the limit",
                           file->path);
        r = hasher_add(hasher, data, (size_t)n);
        if (r == 0) r = file_write_all(fd, data, (size_t)n);
        if (r < 0) return err_os(err, -r, "input", "cannot copy %.100s into the store", file->path);
    }
    if (n == 0 && hasher_end(hasher, &file->digest) < 0)
        return err_os(err, ENOMEM, "input", "cannot hash it");
    return (int)n;
}

// The target of a link, as a clean path of the archive; "" when it leads out of it.
static char *link_target(const char *path, const struct tar_entry *entry) {
    char clean[TAR_PATH_MAX + 1];
    auto_str struct str joined = {0};
    if (entry->type == TAR_HARD_LINK) {
        str_add(&joined, entry->link);
    } else {
        const char *to = entry->link, *slash = strrchr(path, '/');
        size_t dir = slash ? (size_t)(slash - path) : 0;
        for (; str_starts(to, "../") && dir > 0; to += 3)
            while (dir > 0 && path[--dir] != '/') continue;
        str_add_n(&joined, path, dir);
        str_printf(&joined, "/%s", to);
    }
    const char *text = str_text(&joined);
    while (*text == '/') text++;
    return mem_strdup(layer_clean_path(text, clean) ? "" : clean);
}

static int take_entry(struct staging *s, struct tar_reader *tar, const struct tar_entry *entry,
                      struct err *err) {
    char path[TAR_PATH_MAX + 1];
    const char *cause = layer_clean_path(entry->path, path);
    if (cause)
        return err_set(err, ERR_CORRUPT, 0, "input", "entry '%.100s' %s", entry->path, cause);
    bool is_link = entry->type == TAR_SYMLINK || entry->type == TAR_HARD_LINK;
    if (!is_link && entry->type != TAR_FILE) return 0;
    if (map_len(s->by_path) >= FILES_MAX)
        return err_set(err, ERR_LIMIT, 0, "input", "it has more than %d members", FILES_MAX);
    if (map_get(s->by_path, path))
        return err_set(err, ERR_CORRUPT, 0, "input", "it has two members named '%.100s'", path);
    struct staged_file *file = mem_new(struct staged_file);
    file->path = mem_strdup(path);
    if (is_link) file->link = link_target(path, entry);
    int r = is_link ? 0 : copy_content(s, tar, file, err);
    if (r == 0 && !map_put(s->by_path, path, file)) r = err_os(err, ENOMEM, "input", "no memory");
    if (r < 0) {
        staged_free(file);
        return r;
    }
    if (!is_link && !map_put(s->by_digest, file->digest.text, file))
        return err_os(err, ENOMEM, "input", "no memory");
    return 0;
}

static int staging_open_blob(struct blob_source *source, const struct digest *digest, int *ret_fd,
                             char ret_temp[STORE_NAME_SIZE], struct err *err) {
    struct staging *s = container_of(source, struct staging, layout.source);
    const struct staged_file *file = map_get(s->by_digest, digest->text);
    if (!file) {
        char path[96];
        snprintf(path, sizeof(path), "blobs/sha256/%s", digest_hex(digest));
        file = staging_find(s, path);
        if (file)
            return err_set(err, ERR_CORRUPT, 0, digest->text, "its bytes have the digest %s",
                           file->digest.text);
        return err_set(err, ERR_CORRUPT, 0, digest->text, "the archive does not hold this blob");
    }
    *ret_fd = openat(s->im->store->run_fd, file->temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (*ret_fd < 0) return err_os(err, errno, digest->text, "cannot open the blob");
    snprintf(ret_temp, STORE_NAME_SIZE, "%s", file->temp);
    return 0;
}

static int staging_read_path(struct layout *layout, const char *path, size_t max, char **ret,
                             size_t *ret_size, struct err *err) {
    struct staging *s = container_of(layout, struct staging, layout);
    const struct staged_file *file = staging_find(s, path);
    if (!file) return err_set(err, ERR_NOT_FOUND, 0, "input", "it holds no %s", path);
    return staging_read_file(s, file, max, ret, ret_size, err);
}

int staging_read(struct import *im, struct stream *in, struct staging **ret, struct err *err) {
    auto_staging struct staging *s = mem_new(struct staging);
    s->im = im;
    s->by_path = map_new(staged_free);
    s->by_digest = map_new(NULL);
    s->layout.source.open_blob = staging_open_blob;
    s->layout.read = staging_read_path;
    auto_tar struct tar_reader *tar = tar_reader_new(in, "input");
    if (!tar) return err_os(err, ENOMEM, "input", "no memory to read it");
    struct tar_entry *entry;
    int r;
    while ((r = tar_next(tar, &entry, err)) > 0) {
        r = take_entry(s, tar, entry, err);
        if (r < 0) return r;
    }
    if (r == 0 && !tar_end_marked(tar))
        r = err_set(err, ERR_CORRUPT, 0, "input",
                    "the archive ends in the middle: it has no mark "
                    "of its end");
    if (r == 0) r = stream_drain(in, err);
    if (r == 0) *ret = take(s);
    return r;
}

const struct staged_file *staging_find(const struct staging *staging, const char *path) {
    const struct staged_file *file = NULL;
    for (int i = 0; i < LINK_HOPS_MAX && path; i++) {
        file = map_get(staging->by_path, path);
        if (!file || !file->link) return file;
        path = file->link;
    }
    return NULL;
}

bool staging_has(const struct staging *staging, const char *path) {
    return staging_find(staging, path) != NULL;
}

int staging_read_file(struct staging *staging, const struct staged_file *file, size_t max,
                      char **ret, size_t *ret_size, struct err *err) {
    int r = file_read(staging->im->store->run_fd, file->temp, max, ret, ret_size, err);
    return r < 0 ? err_while(err, "reading %s of the archive", file->path) : 0;
}

struct layout *staging_layout(struct staging *staging) {
    return &staging->layout;
}
