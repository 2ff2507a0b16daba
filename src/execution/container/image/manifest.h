// SPDX-License-Identifier: Apache-2.0
// The JSON documents of images, from untrusted text to bounded structures: OCI image index,
// manifest and configuration (image-spec 1.1), their Docker twins, and docker-archive's
// manifest.json.
//
// Strict: wrong types, missing members, impossible digests and sizes are refused with the member's
// name; what the specification lets a reader ignore is ignored.
#ifndef TRINE_IMAGE_MANIFEST_H
#define TRINE_IMAGE_MANIFEST_H

#include "base/vec.h"
#include "execution/container/image/digest.h"

#include <stdint.h>

#define MANIFEST_SIZE_MAX ((size_t)4 << 20) // of any one of the documents
#define MANIFEST_LAYERS_MAX 128
#define MANIFEST_ENTRIES_MAX 1024
#define IMAGE_NAME_MAX 255

struct manifest_blob {
    struct digest digest;
    uint64_t size;
};

struct manifest {
    struct manifest_blob config;
    VEC(struct manifest_blob) layers; // bottom first
};
int manifest_parse(const char *data, size_t size, const char *object, struct manifest *ret,
                   struct err *err);
void manifest_free(struct manifest *manifest);

// An image index (also index.json of a layout): the manifests that fit this machine, or that do
// not say what they fit.
struct index_entry {
    struct manifest_blob blob;
    bool is_index;                 // points to a further index
    bool has_platform;             // it says linux on this architecture
    char name[IMAGE_NAME_MAX + 1]; // "" when there is none
};
struct image_index {
    VEC(struct index_entry) entries;
    size_t n_other; // for other machines, left out
};
int index_parse(const char *data, size_t size, const char *object, struct image_index *ret,
                struct err *err);
void index_free(struct image_index *index);

// docker-archive's manifest.json: paths inside the archive.
struct docker_image {
    char *config;
    struct strv layers, names;
};
struct docker_manifest {
    VEC(struct docker_image) images;
};
int docker_manifest_parse(const char *data, size_t size, const char *object,
                          struct docker_manifest *ret, struct err *err);
void docker_manifest_free(struct docker_manifest *manifest);

// A name of an image as registries take it: 1 to IMAGE_NAME_MAX of [a-zA-Z0-9._/:@-], no "..".
bool image_name_ok(const char *name);
const char *image_architecture(void); // this machine's, in Go's words: "amd64"

#endif
