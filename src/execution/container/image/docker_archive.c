// SPDX-License-Identifier: Apache-2.0
// docker-archive: what `docker save` writes. It has no OCI manifest, so one is made for its
// configuration and its layers as they are.
#include "base/str.h"
#include "execution/container/image/json.h"
#include "execution/container/image/staging.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

static const char *layer_type(const struct staged_file *file) {
    if (memcmp(file->magic, "\x1f\x8b", 2) == 0) return LAYER_TYPE "+gzip";
    if (memcmp(file->magic, "\x28\xb5\x2f\xfd", 4) == 0) return LAYER_TYPE "+zstd";
    return LAYER_TYPE;
}

static json_t *descriptor(const char *type, const struct staged_file *file) {
    return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", file->digest.text, "size",
                     (json_int_t)file->size);
}

static int find(struct staging *staging, const char *path, const struct staged_file **ret,
                struct err *err) {
    char clean[TAR_PATH_MAX + 1];
    *ret = layer_clean_path(path, clean) ? NULL : staging_find(staging, clean);
    if (*ret) return 0;
    return err_set(err, ERR_CORRUPT, 0, "input", "the archive does not hold '%.200s'", path);
}

// "<64 hex>.json": then the digits are the configuration's digest.
static int check_config_name(const char *path, const struct staged_file *file, struct err *err) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t digits = strspn(base, "0123456789abcdef");
    if (digits != DIGEST_HEX_LEN || (base[digits] && strcmp(base + digits, ".json") != 0)) return 0;
    if (strncmp(base, digest_hex(&file->digest), DIGEST_HEX_LEN) == 0) return 0;
    return err_set(err, ERR_CORRUPT, 0, "input", "'%.100s' has the digest %s", path,
                   file->digest.text);
}

static int import_one(struct import *im, struct staging *staging, const struct docker_image *image,
                      struct err *err) {
    const struct staged_file *file;
    auto_json json_t *manifest = NULL;
    json_t *layers = json_array();
    int r = find(staging, image->config, &file, err);
    if (r == 0) r = check_config_name(image->config, file, err);
    if (r < 0) {
        json_decref(layers);
        return r;
    }
    manifest =
        json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType",
                  "application/vnd.oci.image.manifest.v1+json", "config",
                  descriptor("application/vnd.oci.image.config.v1+json", file), "layers", layers);
    for (size_t i = 0; i < image->layers.len; i++) {
        r = find(staging, image->layers.items[i], &file, err);
        if (r < 0) return r;
        json_array_append_new(layers, descriptor(layer_type(file), file));
    }
    auto_free char *text = manifest ? json_line(manifest) : NULL;
    if (!text) return err_os(err, ENOMEM, "input", "no memory for its manifest");
    return import_image(im, &staging_layout(staging)->source, text, strlen(text), &image->names,
                        err);
}

int import_docker(struct import *im, struct staging *staging, struct err *err) {
    const struct staged_file *file = staging_find(staging, "manifest.json");
    if (!file) {
        err_set(
            err, ERR_CORRUPT, 0, "input",
            "it is neither an OCI layout nor a docker archive: no index.json, no manifest.json");
        return err_next(err, "a root file system is imported with --type rootfs");
    }
    auto_free char *data = NULL;
    size_t size;
    struct docker_manifest manifest;
    int r = staging_read_file(staging, file, MANIFEST_SIZE_MAX, &data, &size, err);
    if (r == 0) r = docker_manifest_parse(data, size, "manifest.json", &manifest, err);
    if (r < 0) return r;
    if (manifest.images.len == 0)
        r = err_set(err, ERR_CORRUPT, 0, "input", "its manifest.json names no image");
    for (size_t i = 0; r == 0 && i < manifest.images.len; i++)
        r = import_one(im, staging, &manifest.images.items[i], err);
    docker_manifest_free(&manifest);
    return r;
}
