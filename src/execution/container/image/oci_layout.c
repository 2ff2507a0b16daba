// SPDX-License-Identifier: Apache-2.0
// OCI image layouts (image-spec image-layout.md), as a directory or out of a tar archive.
#include "base/str.h"
#include "execution/container/image/import.h"
#include "execution/container/image/json.h"
#include "execution/container/image/layer_int.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INDEX_DEPTH_MAX 4

struct dir_layout {
    struct layout layout;
    int dir_fd;
};

static int dir_read(struct layout *layout, const char *path, size_t max, char **ret,
                    size_t *ret_size, struct err *err) {
    struct dir_layout *d = container_of(layout, struct dir_layout, layout);
    char text[FD_PATH_SIZE];
    auto_close int fd = unpack_open_beneath(d->dir_fd, path, O_RDONLY | O_NONBLOCK);
    if (fd < 0) return err_os(err, -fd, "input", "cannot open %s of the layout", path);
    int r = file_read(AT_FDCWD, fd_path(fd, text), max, ret, ret_size, err);
    return r < 0 ? err_while(err, "reading %s of the layout", path) : 0;
}

static int dir_open_blob(struct blob_source *source, const struct digest *digest, int *ret_fd,
                         char ret_temp[STORE_NAME_SIZE], struct err *err) {
    struct dir_layout *d = container_of(source, struct dir_layout, layout.source);
    char path[96];
    struct stat st;
    snprintf(path, sizeof(path), "blobs/sha256/%s", digest_hex(digest));
    auto_close int fd = unpack_open_beneath(d->dir_fd, path, O_RDONLY | O_NONBLOCK);
    if (fd == -ENOENT)
        return err_set(err, ERR_CORRUPT, 0, digest->text, "the layout does not hold this blob");
    if (fd < 0) return err_os(err, -fd, digest->text, "cannot open the blob");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, 0, digest->text, "the blob is not a file");
    ret_temp[0] = '\0';
    *ret_fd = take_fd(fd);
    return 0;
}

int import_oci_dir(struct import *im, int dir_fd, struct err *err) {
    struct dir_layout d = {.layout = {.source = {.open_blob = dir_open_blob}, .read = dir_read},
                           .dir_fd = dir_fd};
    return import_oci(im, &d.layout, err);
}

static int check_version(struct layout *layout, struct err *err) {
    auto_free char *data = NULL;
    auto_json json_t *json = NULL;
    const char *version;
    size_t size;
    int r = layout->read(layout, "oci-layout", 4096, &data, &size, err);
    if (r == -ENOENT) {
        err_set(err, ERR_CORRUPT, 0, "input", "it is not an OCI layout: no file oci-layout");
        return err_next(err, "say what it is with --type oci, docker or rootfs");
    }
    if (r == 0) r = json_parse(data, size, JSON_OBJECT, "oci-layout", &json, err);
    if (r == 0) r = json_text(json, "imageLayoutVersion", 32, "oci-layout", &version, err);
    if (r == 0 && !str_starts(version, "1."))
        r = err_set(err, ERR_UNSUPPORTED, 0, "oci-layout", "version '%s' is not known", version);
    return r;
}

struct oci_import {
    struct import *im;
    struct layout *layout;
    size_t n_taken, n_other;
};

static int take_index(struct oci_import *o, const char *data, size_t size, const char *object,
                      const char *name, int depth, struct err *err);

static int take_entry(struct oci_import *o, const struct index_entry *entry, const char *name,
                      int depth, struct err *err) {
    auto_free char *data = NULL;
    size_t size;
    if (entry->name[0]) name = entry->name;
    int r = import_read_blob(o->im, &o->layout->source, &entry->blob, MANIFEST_SIZE_MAX, &data,
                             &size, err);
    if (r < 0) return r;
    if (entry->is_index)
        return take_index(o, data, size, entry->blob.digest.text, name, depth + 1, err);
    auto_strv struct strv names = {0};
    if (*name) strv_add(&names, name);
    o->n_taken++;
    return import_image(o->im, &o->layout->source, data, size, &names, err);
}

// Everything in a layout's own index is an image; a nested index is one image for many machines, of
// which the first that fits is taken.
static int take_index(struct oci_import *o, const char *data, size_t size, const char *object,
                      const char *name, int depth, struct err *err) {
    struct image_index index;
    if (depth > INDEX_DEPTH_MAX)
        return err_set(err, ERR_CORRUPT, 0, object, "its indexes are nested too deeply");
    int r = index_parse(data, size, object, &index, err);
    if (r < 0) return r;
    o->n_other += index.n_other;
    const struct index_entry *best = index.entries.len > 0 ? &index.entries.items[0] : NULL;
    for (size_t i = 0; i < index.entries.len; i++) {
        const struct index_entry *entry = &index.entries.items[i];
        if (entry->has_platform && !best->has_platform) best = entry;
        if (depth == 0 && r == 0) r = take_entry(o, entry, name, depth, err);
    }
    if (depth > 0 && best) r = take_entry(o, best, name, depth, err);
    index_free(&index);
    return r;
}

int import_oci(struct import *im, struct layout *layout, struct err *err) {
    struct oci_import o = {.im = im, .layout = layout};
    auto_free char *data = NULL;
    size_t size;
    int r = check_version(layout, err);
    if (r == 0) r = layout->read(layout, "index.json", MANIFEST_SIZE_MAX, &data, &size, err);
    if (r == 0) r = take_index(&o, data, size, "index.json", "", 0, err);
    if (r < 0 || o.n_taken > 0) return r;
    return err_set(err, ERR_UNSUPPORTED, 0, "input",
                   "it holds no image for linux/%s (%zu for other machines)", image_architecture(),
                   o.n_other);
}
