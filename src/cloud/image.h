// SPDX-License-Identifier: Apache-2.0
// Images as objects: records that the image role made, names that point at them, jobs of the role as operations.
//
// Invariants: (1) a name belongs to one image: its key /image-names/<name> and the image's `names` change in one
// transaction; (2) an image that an instance names is not removed; (3) content is swept only while no job brings new
// content in.
#ifndef TRINE_CLOUD_IMAGE_H
#define TRINE_CLOUD_IMAGE_H

#include "cloud/object.h"

#define IMAGE_NAME_MAX 255
#define IMAGE_NAMES_MAX 64 // of one image

// "debian" -> "debian:latest"; checks the form: lower-case path parts, an optional registry, an optional tag.
int image_name_normalise(const char *name, char buf[IMAGE_NAME_MAX + 1], struct err *err);
// By name, id, or the beginning of an id.
int image_resolve(struct cloud *cloud, const char *word, struct object **ret, struct err *err);

http_handler_fn image_handle_list, image_handle_get, image_handle_import, image_handle_build,
    image_handle_tag, image_handle_delete, image_handle_export, image_handle_prune;

#endif
