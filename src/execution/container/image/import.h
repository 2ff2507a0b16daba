// SPDX-License-Identifier: Apache-2.0
// One import: what all kinds of input share. Each kind brings documents and blobs; image by image
// they are checked, unpacked into tmp/, and shown together at the end.
#ifndef TRINE_IMAGE_IMPORT_H
#define TRINE_IMAGE_IMPORT_H

#include "execution/container/image/layer.h"
#include "execution/container/image/record.h"
#include "execution/container/image/store.h"

struct import_layer { // unpacked by this import, not shown yet
    struct layer_info info;
    char temp[STORE_NAME_SIZE];
};

struct import {
    struct image_store *store;
    const struct image_import_options *options;
    struct image_budget budget;
    struct store_batch batch;
    VEC(struct import_layer) layers;
    VEC(struct image_record) records;
};

// Where an input keeps its blobs.
struct blob_source {
    // Opens the blob for reading at offset 0. *ret_temp: its name in tmp/<run> when its bytes were
    // already copied there and found to have this digest; "" when they must be checked and copied.
    int (*open_blob)(struct blob_source *source, const struct digest *digest, int *ret_fd,
                     char ret_temp[STORE_NAME_SIZE], struct err *err);
};

// A layout: documents by path besides blobs by digest.
struct layout {
    struct blob_source source;
    // ERR_NOT_FOUND where there is none.
    int (*read)(struct layout *layout, const char *path, size_t max, char **ret, size_t *ret_size,
                struct err *err);
};

int import_begin(struct import *im, struct image_store *store,
                 const struct image_import_options *options, struct err *err);
// Wait for the gate, show everything, and say so. *ret_json is the caller's.
int import_finish(struct import *im, char **ret_json, struct err *err);
void import_free(struct import *im);

// One image by its manifest document.
int import_image(struct import *im, struct blob_source *source, const char *manifest, size_t size,
                 const struct strv *names, struct err *err);
// A document or blob of at most `max` bytes, checked.
int import_read_blob(struct import *im, struct blob_source *source,
                     const struct manifest_blob *blob, size_t max, char **ret, size_t *ret_size,
                     struct err *err);
int import_add_blob(struct import *im, const struct digest *digest, const void *data, size_t size,
                    struct err *err);
// A record whose blobs and layers are in the batch. Takes it over.
int import_add_record(struct import *im, struct image_record *record, struct err *err);

// The kinds.
int import_oci(struct import *im, struct layout *layout, struct err *err);
int import_oci_dir(struct import *im, int dir_fd, struct err *err);
struct staging;
int import_docker(struct import *im, struct staging *staging, struct err *err);
// A root file system as an uncompressed tar stream, which is taken over.
int import_rootfs(struct import *im, struct stream *tar, struct err *err);

#endif
