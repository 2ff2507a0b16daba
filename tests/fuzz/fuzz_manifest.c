// SPDX-License-Identifier: Apache-2.0
// The JSON documents of images: the first byte chooses which.
#include "execution/container/image/manifest.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    const char *text = (const char *)data + 1;
    struct err err = {0};
    struct manifest manifest = {0};
    struct image_index index = {0};
    struct docker_manifest docker = {0};
    switch (data[0]) {
    case 'm':
        if (manifest_parse(text, size - 1, "fuzz", &manifest, &err) == 0) manifest_free(&manifest);
        break;
    case 'i':
        if (index_parse(text, size - 1, "fuzz", &index, &err) == 0) index_free(&index);
        break;
    default:
        if (docker_manifest_parse(text, size - 1, "fuzz", &docker, &err) == 0)
            docker_manifest_free(&docker);
    }
    return 0;
}
