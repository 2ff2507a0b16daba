// SPDX-License-Identifier: Apache-2.0
// What a directory tree takes on its file system.
#ifndef TRINE_IMAGE_USAGE_H
#define TRINE_IMAGE_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t bytes;   // allocated; a file with several names counts once for each
    uint64_t entries; // below the directory, itself not counted
};
// Adds all below dirfd/name. Never follows links, never crosses a mount. 0 or -errno.
int usage_add(int dirfd, const char *name, struct usage *usage);

#endif
