// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/manifest.h"

#include "base/str.h"
#include "execution/container/image/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define BLOB_SIZE_MAX (UINT64_C(1) << 42) // 4 TiB
#define MEDIA_TYPE_MAX 255

#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

#define NAME_ANNOTATION "org.opencontainers.image.ref.name"
#define FULL_NAME_ANNOTATION "io.containerd.image.name"

bool image_name_ok(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._/:@-";
    size_t len = strlen(name);
    return len > 0 && len <= IMAGE_NAME_MAX && strspn(name, allowed) == len && name[0] != '/' &&
           name[0] != '.' && name[0] != '-' && !strstr(name, "..");
}

const char *image_architecture(void) {
    static const char *const words[][2] = {
        {"x86_64", "amd64"},    {"aarch64", "arm64"},       {"riscv64", "riscv64"},
        {"ppc64le", "ppc64le"}, {"s390x", "s390x"},         {"i686", "386"},
        {"armv7l", "arm"},      {"loongarch64", "loong64"},
    };
    struct utsname host;
    if (uname(&host) < 0) return "unknown";
    for (size_t i = 0; i < array_len(words); i++)
        if (strcmp(host.machine, words[i][0]) == 0) return words[i][1];
    return "unknown";
}

static int parse_blob(json_t *json, const char *object, struct manifest_blob *ret,
                      struct err *err) {
    const char *text;
    if (!json_is_object(json))
        return err_set(err, ERR_CORRUPT, 0, object, "a descriptor in its JSON is not an object");
    int r = json_text(json, "digest", 256, object, &text, err);
    if (r < 0) return r;
    r = digest_parse(text, &ret->digest);
    if (r == -EOPNOTSUPP)
        return err_set(err, ERR_UNSUPPORTED, 0, object, "it uses digests other than sha256");
    if (r < 0) return err_set(err, ERR_CORRUPT, 0, object, "'digest' in its JSON is not a digest");
    return json_count(json, "size", BLOB_SIZE_MAX, object, &ret->size, err);
}

void manifest_free(struct manifest *manifest) {
    vec_free(&manifest->layers);
}

static int check_schema(json_t *json, const char *object, struct err *err) {
    uint64_t version;
    int r = json_count(json, "schemaVersion", 2, object, &version, err);
    if (r == 0 && version != 2)
        return err_set(err, ERR_UNSUPPORTED, 0, object,
                       "its manifest has the old schema version 1");
    return r;
}

int manifest_parse(const char *data, size_t size, const char *object, struct manifest *ret,
                   struct err *err) {
    auto_json json_t *json = NULL;
    json_t *config, *layers;
    *ret = (struct manifest){0};
    int r = json_parse(data, size, JSON_OBJECT, object, &json, err);
    if (r == 0) r = check_schema(json, object, err);
    if (r == 0) r = json_member(json, "config", JSON_OBJECT, true, object, &config, err);
    if (r == 0) r = json_member(json, "layers", JSON_ARRAY, true, object, &layers, err);
    if (r == 0) r = parse_blob(config, object, &ret->config, err);
    if (r < 0) return r;
    if (json_array_size(layers) > MANIFEST_LAYERS_MAX)
        return err_set(err, ERR_CORRUPT, 0, object, "it has more than %d layers",
                       MANIFEST_LAYERS_MAX);
    for (size_t i = 0; r == 0 && i < json_array_size(layers); i++) {
        struct manifest_blob blob;
        r = parse_blob(json_array_get(layers, i), object, &blob, err);
        if (r == 0) vec_add(&ret->layers, blob);
    }
    if (r < 0) manifest_free(ret);
    return r;
}

void index_free(struct image_index *index) {
    vec_free(&index->entries);
}

// 1: fits (or does not say), 0: for another machine.
static int platform_fits(json_t *entry, const char *object, bool *ret_said, struct err *err) {
    json_t *platform;
    const char *architecture, *os;
    int r = json_member(entry, "platform", JSON_OBJECT, false, object, &platform, err);
    if (r < 0) return r;
    *ret_said = platform != NULL;
    if (!platform) return 1;
    r = json_text(platform, "architecture", 64, object, &architecture, err);
    if (r == 0) r = json_text(platform, "os", 64, object, &os, err);
    if (r < 0) return r;
    return strcmp(os, "linux") == 0 && strcmp(architecture, image_architecture()) == 0;
}

// The full name where a tool wrote one, else the reference name, which is often only a tag.
static int entry_name(json_t *entry, const char *object, char *ret, struct err *err) {
    json_t *notes;
    const char *name = "", *full = "";
    int r = json_member(entry, "annotations", JSON_OBJECT, false, object, &notes, err);
    if (r == 0 && notes) r = json_text(notes, NAME_ANNOTATION, 4096, object, &name, err);
    if (r == 0 && notes) r = json_text(notes, FULL_NAME_ANNOTATION, 4096, object, &full, err);
    if (*full) name = full;
    snprintf(ret, IMAGE_NAME_MAX + 1, "%s", image_name_ok(name) ? name : "");
    return r;
}

static int parse_entry(json_t *json, const char *object, struct image_index *index,
                       struct err *err) {
    struct index_entry entry = {0};
    const char *type;
    int r = parse_blob(json, object, &entry.blob, err);
    if (r == 0) r = json_text(json, "mediaType", MEDIA_TYPE_MAX, object, &type, err);
    if (r == 0) r = entry_name(json, object, entry.name, err);
    if (r == 0) r = platform_fits(json, object, &entry.has_platform, err);
    if (r < 0) return r;
    entry.is_index = strcmp(type, OCI_INDEX) == 0 || strcmp(type, DOCKER_LIST) == 0;
    bool known = entry.is_index || *type == '\0' || strcmp(type, OCI_MANIFEST) == 0 ||
                 strcmp(type, DOCKER_MANIFEST) == 0;
    if (r == 0 || !known)
        index->n_other++;
    else
        vec_add(&index->entries, entry);
    return 0;
}

int index_parse(const char *data, size_t size, const char *object, struct image_index *ret,
                struct err *err) {
    auto_json json_t *json = NULL;
    json_t *manifests;
    *ret = (struct image_index){0};
    int r = json_parse(data, size, JSON_OBJECT, object, &json, err);
    if (r == 0) r = check_schema(json, object, err);
    if (r == 0) r = json_member(json, "manifests", JSON_ARRAY, true, object, &manifests, err);
    if (r < 0) return r;
    if (json_array_size(manifests) > MANIFEST_ENTRIES_MAX)
        return err_set(err, ERR_CORRUPT, 0, object, "it has more than %d manifests",
                       MANIFEST_ENTRIES_MAX);
    for (size_t i = 0; r == 0 && i < json_array_size(manifests); i++)
        r = parse_entry(json_array_get(manifests, i), object, ret, err);
    if (r < 0) index_free(ret);
    return r;
}

void docker_manifest_free(struct docker_manifest *manifest) {
    for (size_t i = 0; i < manifest->images.len; i++) {
        struct docker_image *image = &manifest->images.items[i];
        free(image->config);
        strv_free(&image->layers);
        strv_free(&image->names);
    }
    vec_free(&manifest->images);
}

// A list of short strings; those that `keep` refuses are passed over.
static int parse_strings(json_t *image, const char *key, bool required, size_t max,
                         bool (*keep)(const char *), const char *object, struct strv *ret,
                         struct err *err) {
    json_t *list;
    int r = json_member(image, key, JSON_ARRAY, required, object, &list, err);
    if (r < 0 || !list) return r;
    if (json_array_size(list) > max)
        return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON is too long", key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || strlen(text) > 4095)
            return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON holds no proper strings",
                           key);
        if (!keep || keep(text)) strv_add(ret, text);
    }
    return 0;
}

int docker_manifest_parse(const char *data, size_t size, const char *object,
                          struct docker_manifest *ret, struct err *err) {
    auto_json json_t *json = NULL;
    *ret = (struct docker_manifest){0};
    int r = json_parse(data, size, JSON_ARRAY, object, &json, err);
    if (r < 0) return r;
    if (json_array_size(json) > MANIFEST_ENTRIES_MAX)
        return err_set(err, ERR_CORRUPT, 0, object, "it has more than %d images",
                       MANIFEST_ENTRIES_MAX);
    for (size_t i = 0; r == 0 && i < json_array_size(json); i++) {
        json_t *item = json_array_get(json, i);
        struct docker_image image = {0};
        const char *config;
        if (!json_is_object(item)) {
            r = err_set(err, ERR_CORRUPT, 0, object, "its JSON is not a list of objects");
            break;
        }
        r = json_text(item, "Config", 4095, object, &config, err);
        if (r < 0) break;
        image.config = mem_strdup(config);
        r = parse_strings(item, "Layers", true, MANIFEST_LAYERS_MAX, NULL, object, &image.layers,
                          err);
        if (r == 0)
            r = parse_strings(item, "RepoTags", false, 64, image_name_ok, object, &image.names,
                              err);
        vec_add(&ret->images, image);
    }
    if (r < 0) docker_manifest_free(ret);
    return r;
}
