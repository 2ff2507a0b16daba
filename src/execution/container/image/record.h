// SPDX-License-Identifier: Apache-2.0
// The image record: what the rest of Trine knows of an image. Everything in it is validated,
// bounded and in one form, because the daemon stores and shows it as it is.
//
//   {"id":"sha256:…","manifest_digest":"sha256:…","size_bytes":N,"created":"…Z",
//    "architecture":"amd64","os":"linux",
//    "config":{"entrypoint":[],"cmd":[],"env":["K=V"],"working_dir":"/","user":"","labels":{},
//              "exposed_ports":[],"volumes":[],"stop_signal":"TERM"},
//    "layers":[{"digest","diff_id","size_bytes","dir"}],"names":[],
//    "history":[{"created","created_by","comment","empty_layer"}]}
//
// size_bytes of the image is the unpacked content of all its layers, that of a layer the size of
// its blob. Layers stand bottom first; `dir` is the name in layers/.
#ifndef TRINE_IMAGE_RECORD_H
#define TRINE_IMAGE_RECORD_H

#include "base/clock.h"
#include "base/vec.h"
#include "execution/container/image/digest.h"
#include "execution/container/image/manifest.h"

#include <jansson.h>

#define RECORD_SIZE_MAX ((size_t)8 << 20)

// What a configuration document says, normalised.
struct image_config {
    char created[TIME_TEXT_SIZE];
    char architecture[64], os[64];
    json_t *config;  // the record's "config"
    json_t *history; // the record's "history"
    VEC(struct digest) diff_ids;
};
int config_parse(const char *data, size_t size, const char *object, struct image_config *ret,
                 struct err *err);
void config_free(struct image_config *config);

struct record_layer {
    struct digest digest, diff_id;
    uint64_t size_bytes;
    char dir[LAYER_DIR_LEN + 1];
};
struct image_record {
    struct digest id, manifest;
    uint64_t size_bytes;
    struct image_config config; // its diff_ids are not used
    VEC(struct record_layer) layers;
    struct strv names;
};
void record_free(struct image_record *record);
json_t *record_to_json(const struct image_record *record); // NULL: no memory
int record_parse(const char *data, size_t size, const char *object, struct image_record *ret,
                 struct err *err);
bool record_add_name(struct image_record *record, const char *name); // false: it is there, or bad

#endif
