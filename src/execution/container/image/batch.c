// SPDX-License-Identifier: Apache-2.0
// Showing an import: everything was written in tmp/, is synced once, and renamed into place.
#include "execution/container/image/store.h"
#include "host/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int batch_add(struct store_batch *batch, enum store_place place, const char *temp, const char *name,
              struct err *err) {
    struct store_move move = {.place = place};
    snprintf(move.temp, sizeof(move.temp), "%s", temp);
    snprintf(move.name, sizeof(move.name), "%s", name);
    return vec_try_add(&batch->moves, move) ? 0 : err_os(err, ENOMEM, name, "no memory");
}

bool batch_has(const struct store_batch *batch, enum store_place place, const char *name) {
    for (size_t i = 0; i < batch->moves.len; i++)
        if (batch->moves.items[i].place == place && strcmp(batch->moves.items[i].name, name) == 0)
            return true;
    return false;
}

void batch_free(struct store_batch *batch) {
    vec_free(&batch->moves);
}

static int place_fd(const struct image_store *store, enum store_place place) {
    switch (place) {
    case STORE_BLOB:
        return store->blobs_fd;
    case STORE_LAYER_FILE:
    case STORE_LAYER:
        return store->layers_fd;
    case STORE_IMAGE:
        return store->images_fd;
    }
    return -1;
}

// What stands there already was put there by another import and is the same by its name.
static int show(struct image_store *store, const struct store_move *move, struct err *err) {
    if (renameat(store->run_fd, move->temp, place_fd(store, move->place), move->name) == 0)
        return 0;
    if (move->place == STORE_LAYER && (errno == EEXIST || errno == ENOTEMPTY)) return 0;
    return err_os(err, errno, store->path, "cannot move %s into place", move->name);
}

static int sync_dir(struct image_store *store, int fd, struct err *err) {
    return fsync(fd) < 0 ? err_os(err, errno, store->path, "cannot sync the image store") : 0;
}

int batch_commit(struct image_store *store, struct store_batch *batch, struct err *err) {
    if (batch->moves.len == 0) return 0;
    if (syncfs(store->dir_fd) < 0)
        return err_os(err, errno, store->path, "cannot sync the image store");
    int r = 0;
    for (size_t i = 0; r == 0 && i < batch->moves.len; i++)
        if (batch->moves.items[i].place != STORE_IMAGE)
            r = show(store, &batch->moves.items[i], err);
    if (r == 0) r = sync_dir(store, store->blobs_fd, err);
    if (r == 0) r = sync_dir(store, store->layers_fd, err);
    for (size_t i = 0; r == 0 && i < batch->moves.len; i++)
        if (batch->moves.items[i].place == STORE_IMAGE)
            r = show(store, &batch->moves.items[i], err);
    return r < 0 ? r : sync_dir(store, store->images_fd, err);
}
