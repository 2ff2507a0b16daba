// SPDX-License-Identifier: Apache-2.0
// The store's directory: descriptors, locks, temporary names, and the batch that makes an import
// visible at once. The layout and its invariants stand in image.h.
#ifndef TRINE_IMAGE_STORE_H
#define TRINE_IMAGE_STORE_H

#include "base/vec.h"
#include "execution/container/image/digest.h"
#include "execution/container/image/image.h"

#define STORE_NAME_SIZE 80 // of any file in the store's directories

struct image_store {
    char *path;
    enum image_mode mode; // not AUTO
    bool keep_owners;     // files get the owners that their layer gives them
    struct image_limits limits;
    struct image_report *report;
    int dir_fd, blobs_fd, layers_fd, images_fd, tmp_fd;
    int lock_fd; // -1 until the first write
    int run_fd;  // tmp/<run>, -1 until the first write
    char run[STORE_NAME_SIZE];
    unsigned next_temp;
};

// Take the shared lock, sweep litter if alone, and make tmp/<run>. Idempotent.
int store_begin_write(struct image_store *store, struct err *err);
// The lock for removing: ERR_STATE while anybody writes. Litter is swept.
int store_begin_sweep(struct image_store *store, struct err *err);

// A new file or directory in tmp/<run>; its name goes to `ret_name`.
int store_temp_file(struct image_store *store, char ret_name[STORE_NAME_SIZE], int *ret_fd,
                    struct err *err);
int store_temp_dir(struct image_store *store, char ret_name[STORE_NAME_SIZE], int *ret_fd,
                   struct err *err);
int store_temp_data(struct image_store *store, const void *data, size_t size,
                    char ret_name[STORE_NAME_SIZE], struct err *err);
void store_temp_remove(struct image_store *store, const char *name); // file or directory

int store_open_blob(struct image_store *store, const struct digest *digest, int *ret_fd,
                    struct err *err);
bool store_has_blob(struct image_store *store, const struct digest *digest);
int store_read_blob(struct image_store *store, const struct digest *digest, size_t max,
                    char **ret_data, size_t *ret_size, struct err *err);

void store_layer_dir(const struct digest *chain_id, char ret[LAYER_DIR_LEN + 1]);
struct layer_info {
    struct digest diff_id, chain_id;
    struct digest blob; // that it was unpacked from
    uint64_t size_bytes, entries;
    uint64_t redirects; // entries that stand elsewhere than the archive says (layer.h)
};
// 1 and *ret when the store has the layer, 0 when not; ERR_CORRUPT when its file is damaged.
int store_find_layer(struct image_store *store, const struct digest *chain_id,
                     struct layer_info *ret, struct err *err);
char *layer_info_json(const struct layer_info *info); // NULL: no memory

// What an import wants to show, in the order in which it appears: each from tmp/<run>/`temp` to
// `name` in its directory.
enum store_place { STORE_BLOB, STORE_LAYER_FILE, STORE_LAYER, STORE_IMAGE };
struct store_move {
    enum store_place place;
    char temp[STORE_NAME_SIZE], name[STORE_NAME_SIZE];
};
struct store_batch {
    VEC(struct store_move) moves;
};
int batch_add(struct store_batch *batch, enum store_place place, const char *temp, const char *name,
              struct err *err);
bool batch_has(const struct store_batch *batch, enum store_place place, const char *name);
// Sync what was written, show all but the records, sync, show the records, sync.
int batch_commit(struct image_store *store, struct store_batch *batch, struct err *err);
void batch_free(struct store_batch *batch);

// Whatever no record reaches goes: blobs, layers, halves of layers. Needs the sweep's lock.
struct store_sweep {
    uint64_t freed_bytes, images, layers, blobs;
};
int store_remove_unreached(struct image_store *store, struct store_sweep *ret, struct err *err);

#endif
