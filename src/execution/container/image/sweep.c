// SPDX-License-Identifier: Apache-2.0
// Removing what nothing reaches. Records go first, then layers (out of sight by a rename, so that
// nobody sees half of one), then blobs.
#include "base/map.h"
#include "base/str.h"
#include "execution/container/image/json.h"
#include "execution/container/image/query.h"
#include "execution/container/image/usage.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reach {
    struct image_store *store;
    struct map *blobs, *layers; // sets of names
    struct store_sweep done;
    struct err *err;
};

static char present; // any value for a set

static int add(struct map *set, const char *name, struct err *err) {
    return map_put(set, name, &present) ? 0 : err_os(err, ENOMEM, name, "no memory");
}

static int reach_record(const struct image_record *record, void *arg, struct err *err) {
    struct reach *reach = arg;
    int r = add(reach->blobs, digest_hex(&record->id), err);
    if (r == 0) r = add(reach->blobs, digest_hex(&record->manifest), err);
    for (size_t i = 0; r == 0 && i < record->layers.len; i++) {
        r = add(reach->blobs, digest_hex(&record->layers.items[i].digest), err);
        if (r == 0) r = add(reach->layers, record->layers.items[i].dir, err);
    }
    return r;
}

static uint64_t file_bytes(int dirfd, const char *name) {
    struct stat st;
    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static int remove_file(struct reach *reach, int dirfd, const char *name) {
    uint64_t bytes = file_bytes(dirfd, name);
    if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
        return err_os(reach->err, errno, name, "cannot remove it from the image store");
    reach->done.freed_bytes += bytes;
    return 0;
}

static int sweep_blob(int dirfd, const char *name, void *arg) {
    struct reach *reach = arg;
    if (map_get(reach->blobs, name)) return 0;
    reach->done.blobs++;
    return remove_file(reach, dirfd, name);
}

static int remove_layer(struct reach *reach, int dirfd, const char *name) {
    char away[STORE_NAME_SIZE];
    struct usage usage = {0};
    usage_add(dirfd, name, &usage);
    snprintf(away, sizeof(away), "gone-%.60s", name);
    int r = dir_remove_tree(reach->store->tmp_fd, away, reach->err);
    if (r == 0 && renameat(dirfd, name, reach->store->tmp_fd, away) < 0)
        r = err_os(reach->err, errno, name, "cannot remove the layer");
    if (r == 0) r = dir_remove_tree(reach->store->tmp_fd, away, reach->err);
    reach->done.freed_bytes += usage.bytes;
    reach->done.layers++;
    return r;
}

// "<24 hex>" and "<24 hex>.json"; a half without the other goes too.
static int sweep_layer(int dirfd, const char *name, void *arg) {
    struct reach *reach = arg;
    struct stat st;
    char dir[LAYER_DIR_LEN + 1], other[LAYER_DIR_LEN + 8];
    snprintf(dir, sizeof(dir), "%s", name);
    bool is_file = str_ends(name, ".json");
    if (is_file)
        snprintf(other, sizeof(other), "%s", dir);
    else
        snprintf(other, sizeof(other), "%s.json", dir);
    bool whole = fstatat(dirfd, other, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (whole && map_get(reach->layers, dir)) return 0;
    return is_file ? remove_file(reach, dirfd, name) : remove_layer(reach, dirfd, name);
}

int store_remove_unreached(struct image_store *store, struct store_sweep *ret, struct err *err) {
    struct reach reach = {.store = store,
                          .blobs = map_new(NULL),
                          .layers = map_new(NULL),
                          .err = err};
    int r = query_each(store, reach_record, NULL, &reach, err);
    if (r == 0) r = dir_each(store->dir_fd, "layers", sweep_layer, &reach);
    if (r == 0) r = dir_each(store->dir_fd, "blobs/sha256", sweep_blob, &reach);
    map_free(reach.blobs);
    map_free(reach.layers);
    *ret = reach.done;
    return r;
}

struct forget {
    struct image_store *store;
    struct map *keep;
    uint64_t images;
    struct err *err;
};

static int forget_record(int dirfd, const char *name, void *arg) {
    struct forget *forget = arg;
    char digits[DIGEST_HEX_LEN + 1];
    snprintf(digits, sizeof(digits), "%s", name);
    if (map_get(forget->keep, digits)) return 0;
    if (unlinkat(dirfd, name, 0) < 0)
        return err_os(forget->err, errno, name, "cannot remove the image's record");
    forget->images++;
    return 0;
}

static int forget_others(struct image_store *store, const char *const *keep, size_t n_keep,
                         uint64_t *ret_images, struct err *err) {
    struct forget forget = {.store = store, .keep = map_new(NULL), .err = err};
    int r = 0;
    for (size_t i = 0; r == 0 && i < n_keep; i++) {
        struct digest id;
        if (digest_parse(keep[i], &id) < 0 && digest_from_hex(keep[i], &id) < 0)
            r = err_set(err, ERR_INVALID, 0, "list of images to keep", "'%.80s' is not an id",
                        keep[i]);
        else
            r = add(forget.keep, digest_hex(&id), err);
    }
    if (r == 0) r = dir_each(store->dir_fd, "images", forget_record, &forget);
    map_free(forget.keep);
    if (r == 0 && fsync(store->images_fd) < 0)
        r = err_os(err, errno, store->path, "cannot sync the image store");
    *ret_images = forget.images;
    return r;
}

int image_sweep(struct image_store *store, const char *const *keep, size_t n_keep, char **ret_json,
                struct err *err) {
    struct store_sweep done = {0};
    uint64_t images = 0;
    int r = store_begin_sweep(store, err);
    if (r == 0) r = forget_others(store, keep, n_keep, &images, err);
    if (r == 0) r = store_remove_unreached(store, &done, err);
    if (r < 0) return r;
    auto_json json_t *json =
        json_pack("{s:I, s:I, s:I, s:I}", "freed_bytes", (json_int_t)done.freed_bytes, "images",
                  (json_int_t)images, "layers", (json_int_t)done.layers, "blobs",
                  (json_int_t)done.blobs);
    *ret_json = json ? json_line(json) : NULL;
    return *ret_json ? 0 : err_os(err, ENOMEM, "result", "no memory to write it");
}
