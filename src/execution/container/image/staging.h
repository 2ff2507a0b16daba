// SPDX-License-Identifier: Apache-2.0
// The members of a layout in a tar archive, copied into tmp/ and hashed as they come by: an archive
// tells only at its end what belongs to which image, and may come from a pipe.
#ifndef TRINE_IMAGE_STAGING_H
#define TRINE_IMAGE_STAGING_H

#include "execution/container/image/import.h"

struct staged_file {
    char *path; // clean
    char *link; // a link's target, clean; NULL: a file
    struct digest digest;
    uint64_t size;
    char temp[STORE_NAME_SIZE];
    char magic[4]; // its first bytes: what it is packed with
};

struct staging;
int staging_read(struct import *im, struct stream *tar, struct staging **ret, struct err *err);
void staging_free(struct staging *staging);
void staging_autofree(struct staging **staging);
#define auto_staging __attribute__((cleanup(staging_autofree)))
bool staging_has(const struct staging *staging, const char *path);
// Follows links inside the archive; NULL when there is no such file.
const struct staged_file *staging_find(const struct staging *staging, const char *path);
int staging_read_file(struct staging *staging, const struct staged_file *file, size_t max,
                      char **ret, size_t *ret_size, struct err *err);
struct layout *staging_layout(struct staging *staging); // lives as long as the staging

#endif
