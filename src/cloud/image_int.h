// SPDX-License-Identifier: Apache-2.0
// Shared by image.c (names, records) and image_job.c (jobs of the image role).
#ifndef TRINE_CLOUD_IMAGE_INT_H
#define TRINE_CLOUD_IMAGE_INT_H

#include "base/text.h"
#include "cloud/image.h"
#include "cloud/operation.h"

struct image_use {
    const char *id;
    char by[NAME_MAX_LEN + 1]; // an instance that uses it
    bool used;
};
bool image_in_use(struct cloud *cloud, const char *id, struct image_use *use);
// Adds to `changes` what it takes that `name` points at the image; `names` is the array in the image's document.
void image_point(struct cloud *cloud, struct changes *changes, const char *name, const char *hex,
                 json_t *names);
// Remove content that no image has any more. op may be NULL (in the background; put off while a job brings content).
void image_sweep(struct cloud *cloud, struct operation *op);

#endif
