// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/import.h"

#include "base/str.h"
#include "execution/container/image/json.h"
#include "execution/container/image/report.h"
#include "execution/container/image/staging.h"
#include "host/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESULT_MAX ((size_t)128 << 10)

int image_type_parse(const char *word, enum image_type *ret) {
    static const char *const words[] = {"auto", "oci", "docker", "rootfs"};
    for (size_t i = 0; i < array_len(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum image_type)i;
            return 0;
        }
    return -EINVAL;
}

int import_begin(struct import *im, struct image_store *store,
                 const struct image_import_options *options, struct err *err) {
    *im = (struct import){.store = store, .options = options, .budget = {.limits = store->limits}};
    for (size_t i = 0; options->names && options->names[i]; i++) {
        if (image_name_ok(options->names[i])) continue;
        err_set(err, ERR_INVALID, 0, "flag --name", "'%.80s' is not a name for an image",
                options->names[i]);
        return err_next(err, "use letters, digits and . _ / : @ -, at most %d of them",
                        IMAGE_NAME_MAX);
    }
    return store_begin_write(store, err);
}

void import_free(struct import *im) {
    batch_free(&im->batch);
    vec_free(&im->layers);
    for (size_t i = 0; i < im->records.len; i++) record_free(&im->records.items[i]);
    vec_free(&im->records);
}

int import_add_record(struct import *im, struct image_record *record, struct err *err) {
    for (size_t i = 0; im->options->names && im->options->names[i]; i++)
        record_add_name(record, im->options->names[i]);
    for (size_t i = 0; i < im->records.len; i++) {
        struct image_record *other = &im->records.items[i];
        if (!digest_same(&other->id, &record->id)) continue;
        for (size_t n = 0; n < record->names.len; n++)
            record_add_name(other, record->names.items[n]);
        record_free(record);
        return 0;
    }
    if (vec_try_add(&im->records, *record)) return 0;
    record_free(record);
    return err_os(err, ENOMEM, "import", "no memory");
}

static int write_record(struct import *im, const struct image_record *record, json_t *list,
                        struct err *err) {
    char temp[STORE_NAME_SIZE], name[STORE_NAME_SIZE];
    json_t *json = record_to_json(record);
    if (!json || json_array_append_new(list, json) < 0)
        return err_os(err, ENOMEM, record->id.text, "no memory for its record");
    auto_free char *text = json_line(json);
    if (!text) return err_os(err, ENOMEM, record->id.text, "no memory for its record");
    int r = store_temp_data(im->store, text, strlen(text), temp, err);
    if (r < 0) return r;
    snprintf(name, sizeof(name), "%s.json", digest_hex(&record->id));
    return batch_add(&im->batch, STORE_IMAGE, temp, name, err);
}

static int wait_for_gate(struct import *im, struct err *err) {
    char go;
    if (im->options->gate_fd < 0) return 0;
    ssize_t n = file_read_some(im->options->gate_fd, &go, 1);
    return n == 1 ? 0 : err_set(err, ERR_CANCELLED, 0, "import", "its source did not finish");
}

// One message of the wire: where many images make too long a result, it leaves their history out,
// which their records keep.
static char *result_line(const json_t *root, json_t *list) {
    char *text = json_line(root);
    if (!text || strlen(text) <= RESULT_MAX) return text;
    free(text);
    for (size_t i = 0; i < json_array_size(list); i++)
        json_object_del(json_array_get(list, i), "history");
    return json_line(root);
}

int import_finish(struct import *im, char **ret_json, struct err *err) {
    auto_json json_t *root = json_object();
    json_t *list = json_array();
    json_object_set_new(root, "images", list);
    int r = 0;
    for (size_t i = 0; r == 0 && i < im->records.len; i++)
        r = write_record(im, &im->records.items[i], list, err);
    if (r == 0) r = wait_for_gate(im, err);
    if (r < 0) return r;
    auto_free char *text = result_line(root, list);
    if (!text) return err_os(err, ENOMEM, "import", "no memory for its result");
    report_progress(im->store->report, "saving", 0, 0);
    r = batch_commit(im->store, &im->batch, err);
    if (r == 0) *ret_json = take(text);
    return r;
}

// A path that only layouts have: what `oci-layout`, `docker save` and `podman save` write.
static bool is_layout_path(const char *path) {
    static const char *const files[] = {"oci-layout", "index.json", "manifest.json", "repositories",
                                        "blobs"};
    for (size_t i = 0; i < array_len(files); i++)
        if (strcmp(path, files[i]) == 0) return true;
    if (str_starts(path, "blobs/")) return true;
    return strspn(path, "0123456789abcdef") == DIGEST_HEX_LEN;
}

// What kind of archive it is shows in the name of its first entry that is not the root. `first`:
// the beginning of the stream, at least one header.
static enum image_type find_type(const uint8_t *first, size_t size, const char *object) {
    char path[TAR_PATH_MAX + 1];
    enum image_type type = IMAGE_TYPE_ROOTFS;
    struct tar_entry *entry;
    auto_stream struct stream *in = stream_memory(first, size);
    auto_tar struct tar_reader *tar = in ? tar_reader_new(in, object) : NULL;
    while (tar && tar_next(tar, &entry, NULL) > 0) {
        if (layer_clean_path(entry->path, path) != NULL) break;
        if (path[0] == '\0') continue;
        if (is_layout_path(path)) type = IMAGE_TYPE_AUTO; // which one shows when all is read
        break;
    }
    return type;
}

static int import_layout_tar(struct import *im, struct stream *tar, struct err *err) {
    auto_staging struct staging *staging = NULL;
    int r = staging_read(im, tar, &staging, err);
    if (r < 0) return r;
    enum image_type type = im->options->type;
    bool oci = staging_has(staging, "oci-layout") && staging_has(staging, "index.json");
    if (type == IMAGE_TYPE_AUTO) type = oci ? IMAGE_TYPE_OCI : IMAGE_TYPE_DOCKER;
    if (type == IMAGE_TYPE_OCI) return import_oci(im, staging_layout(staging), err);
    return import_docker(im, staging, err);
}

static int import_stream(struct import *im, struct err *err) {
    struct stat st;
    uint64_t total = 0;
    if (fstat(im->options->input_fd, &st) == 0 && S_ISREG(st.st_mode)) total = (uint64_t)st.st_size;
    auto_stream struct stream *in = stream_decode(stream_fd(im->options->input_fd, "input",
                                                            im->store->report, "reading", total),
                                                  "input");
    if (!in) return err_os(err, ENOMEM, "input", "no memory to read it");
    // Enough for a header and the extended ones before it; blocks may be short on a pipe.
    auto_str struct str first = {0};
    enum image_type type = im->options->type;
    while (first.len < 16 * TAR_BLOCK) {
        const uint8_t *data;
        ssize_t n = stream_next(in, &data, err);
        if (n < 0) return (int)n;
        if (n == 0) break;
        str_add_n(&first, (const char *)data, (size_t)n);
    }
    if (first.failed) return err_os(err, ENOMEM, "input", "no memory to read it");
    if (first.len < TAR_BLOCK)
        return err_set(err, ERR_CORRUPT, 0, "input", "it is %s and no archive",
                       first.len == 0 ? "empty" : "too short");
    if (type == IMAGE_TYPE_AUTO) type = find_type((const uint8_t *)first.data, first.len, "input");
    in = stream_prepend(in, (const uint8_t *)first.data, first.len);
    if (!in) return err_os(err, ENOMEM, "input", "no memory to read it");
    if (type == IMAGE_TYPE_ROOTFS) return import_rootfs(im, take(in), err);
    return import_layout_tar(im, in, err);
}

static int import_any(struct import *im, struct err *err) {
    struct stat st;
    if (fstat(im->options->input_fd, &st) < 0) return err_os(err, errno, "input", "cannot read it");
    if (!S_ISDIR(st.st_mode)) return import_stream(im, err);
    if (im->options->type == IMAGE_TYPE_AUTO || im->options->type == IMAGE_TYPE_OCI)
        return import_oci_dir(im, im->options->input_fd, err);
    err_set(err, ERR_INVALID, 0, "input", "only an OCI layout can be imported from a directory");
    return err_next(err, "pack it: tar -C DIR -c . | trine-image … import --type rootfs");
}

int image_import(struct image_store *store, const struct image_import_options *options,
                 char **ret_json, struct err *err) {
    struct import im;
    int r = import_begin(&im, store, options, err);
    if (r < 0) return r;
    r = import_any(&im, err);
    if (r == 0) r = import_finish(&im, ret_json, err);
    import_free(&im);
    return r;
}
