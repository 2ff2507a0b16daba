// SPDX-License-Identifier: Apache-2.0
// One image: manifest, configuration and layers from a blob source, every digest and size checked.
#include "execution/container/image/import.h"
#include "execution/container/image/report.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int import_add_blob(struct import *im, const struct digest *digest, const void *data, size_t size,
                    struct err *err) {
    char temp[STORE_NAME_SIZE];
    if (store_has_blob(im->store, digest) || batch_has(&im->batch, STORE_BLOB, digest_hex(digest)))
        return 0;
    int r = store_temp_data(im->store, data, size, temp, err);
    return r < 0 ? r : batch_add(&im->batch, STORE_BLOB, temp, digest_hex(digest), err);
}

static int lying_size(const char *object, uint64_t is, uint64_t said, struct err *err) {
    return err_set(err, ERR_CORRUPT, 0, object, "it has %llu bytes where its manifest says %llu",
                   (unsigned long long)is, (unsigned long long)said);
}

static int lying_digest(const char *object, const struct digest *is, struct err *err) {
    return err_set(err, ERR_CORRUPT, 0, object, "its bytes have the digest %s", is->text);
}

int import_read_blob(struct import *im, struct blob_source *source,
                     const struct manifest_blob *blob, size_t max, char **ret, size_t *ret_size,
                     struct err *err) {
    char temp[STORE_NAME_SIZE], object[96], path[FD_PATH_SIZE];
    auto_close int fd = -1;
    snprintf(object, sizeof(object), "blob %s", blob->digest.text);
    if (blob->size > max)
        return err_set(err, ERR_TOO_LARGE, 0, object, "a document of %llu bytes is too large",
                       (unsigned long long)blob->size);
    int r = source->open_blob(source, &blob->digest, &fd, temp, err);
    if (r < 0) return r;
    auto_free char *data = NULL;
    r = file_read(AT_FDCWD, fd_path(fd, path), max, &data, ret_size, err);
    if (r < 0) return err_while(err, "reading %s", object);
    struct digest is;
    if (*ret_size != blob->size) return lying_size(object, *ret_size, blob->size, err);
    if (digest_of(data, *ret_size, &is) < 0) return err_os(err, ENOMEM, object, "cannot hash it");
    if (!digest_same(&is, &blob->digest)) return lying_digest(object, &is, err);
    *ret = take(data);
    return 0;
}

// One layer on its way in.
struct layer_job {
    struct import *im;
    struct blob_source *source;
    const struct manifest_blob *blob;
    const struct digest *diff_id;
    struct digest chain_id;
    const int *lower_fds;
    size_t n_lowers;
    char object[96], step[64];
    bool have_blob, have_layer;
    char blob_temp[STORE_NAME_SIZE]; // its bytes are there and checked
    char copy_temp[STORE_NAME_SIZE]; // they are copied there now
    struct layer_info info;
};

static const struct import_layer *find_own_layer(const struct import *im,
                                                 const struct digest *chain_id) {
    for (size_t i = 0; i < im->layers.len; i++)
        if (digest_same(&im->layers.items[i].info.chain_id, chain_id)) return &im->layers.items[i];
    return NULL;
}

static int look_for_layer(struct layer_job *job, struct err *err) {
    struct import *im = job->im;
    const struct import_layer *own = find_own_layer(im, &job->chain_id);
    job->have_blob = store_has_blob(im->store, &job->blob->digest) ||
                     batch_has(&im->batch, STORE_BLOB, digest_hex(&job->blob->digest));
    if (own) job->info = own->info;
    int r = own ? 1 : store_find_layer(im->store, &job->chain_id, &job->info, err);
    job->have_layer = r > 0;
    return r < 0 ? r : 0;
}

static int open_layer_blob(struct layer_job *job, int *ret_fd, struct err *err) {
    struct image_store *store = job->im->store;
    job->blob_temp[0] = '\0';
    if (store_has_blob(store, &job->blob->digest))
        return store_open_blob(store, &job->blob->digest, ret_fd, err);
    return job->source->open_blob(job->source, &job->blob->digest, ret_fd, job->blob_temp, err);
}

static int check_content(struct layer_job *job, struct hasher *packed, const struct tap *packed_tap,
                         struct hasher *unpacked, struct err *err) {
    struct digest is;
    if (packed_tap->size != job->blob->size)
        return lying_size(job->object, packed_tap->size, job->blob->size, err);
    if (hasher_end(packed, &is) < 0) return err_os(err, ENOMEM, job->object, "cannot hash it");
    if (packed_tap->hasher && !digest_same(&is, &job->blob->digest))
        return lying_digest(job->object, &is, err);
    if (hasher_end(unpacked, &is) < 0) return err_os(err, ENOMEM, job->object, "cannot hash it");
    if (!digest_same(&is, job->diff_id))
        return err_set(err, ERR_CORRUPT, 0, job->object,
                       "it unpacks to %s where the configuration says %s", is.text,
                       job->diff_id->text);
    return 0;
}

// Read, hash, copy, inflate, hash, unpack: one pass. root_fd -1: only look at it.
static int run_layer(struct layer_job *job, int fd, int copy_fd, int root_fd, struct err *err) {
    struct image_store *store = job->im->store;
    auto_hasher struct hasher *packed = hasher_new(), *unpacked = hasher_new();
    bool checked = job->have_blob || job->blob_temp[0];
    struct tap packed_tap = {.hasher = checked ? NULL : packed,
                             .copy_fd = copy_fd,
                             .object = job->object,
                             .limit = job->blob->size,
                             .limit_cause = "it has more bytes than its manifest says"};
    struct tap unpacked_tap = {.hasher = unpacked, .copy_fd = -1, .object = job->object};
    struct stream *s = stream_fd(fd, job->object, store->report, job->step, job->blob->size);
    s = stream_tap(s, &packed_tap);
    s = stream_inflate(s, job->object, store->limits.max_ratio);
    s = stream_tap(s, &unpacked_tap);
    auto_stream struct stream *tar = stream_ahead(s);
    if (!tar || !packed || !unpacked)
        return err_os(err, ENOMEM, job->object, "no memory to unpack it");
    struct layer_options options = {.object = job->object,
                                    .mode = store->mode,
                                    .keep_owners = store->keep_owners,
                                    .lower_fds = job->lower_fds,
                                    .n_lowers = job->n_lowers,
                                    .budget = &job->im->budget,
                                    .report = store->report};
    struct layer_stats stats = {0};
    int r =
        root_fd < 0 ? stream_drain(tar, err) : layer_unpack(tar, root_fd, &options, &stats, err);
    if (r < 0) return r;
    if (root_fd >= 0)
        job->info = (struct layer_info){.diff_id = *job->diff_id,
                                        .chain_id = job->chain_id,
                                        .blob = job->blob->digest,
                                        .size_bytes = stats.bytes,
                                        .entries = stats.entries,
                                        .redirects = stats.redirects};
    return check_content(job, packed, &packed_tap, unpacked, err);
}

static int keep_layer(struct layer_job *job, const char *dir_temp, struct err *err) {
    struct import *im = job->im;
    char name[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 8], temp[STORE_NAME_SIZE];
    store_layer_dir(&job->chain_id, name);
    snprintf(file, sizeof(file), "%s.json", name);
    auto_free char *json = layer_info_json(&job->info);
    if (!json) return err_os(err, ENOMEM, job->object, "no memory for its record");
    int r = store_temp_data(im->store, json, strlen(json), temp, err);
    if (r == 0) r = batch_add(&im->batch, STORE_LAYER_FILE, temp, file, err);
    if (r == 0) r = batch_add(&im->batch, STORE_LAYER, dir_temp, name, err);
    struct import_layer own = {.info = job->info};
    snprintf(own.temp, sizeof(own.temp), "%s", dir_temp);
    if (r == 0 && !vec_try_add(&im->layers, own)) r = err_os(err, ENOMEM, job->object, "no memory");
    return r;
}

static int take_in_layer(struct layer_job *job, struct err *err) {
    struct import *im = job->im;
    char dir_temp[STORE_NAME_SIZE];
    auto_close int fd = -1, copy_fd = -1, root_fd = -1;
    int r = open_layer_blob(job, &fd, err);
    bool copy = !job->have_blob && !job->blob_temp[0];
    if (r == 0 && copy) r = store_temp_file(im->store, job->copy_temp, &copy_fd, err);
    if (r == 0 && !job->have_layer) r = store_temp_dir(im->store, dir_temp, &root_fd, err);
    if (r == 0) r = run_layer(job, fd, copy_fd, root_fd, err);
    if (r == 0 && !job->have_blob)
        r = batch_add(&im->batch, STORE_BLOB, copy ? job->copy_temp : job->blob_temp,
                      digest_hex(&job->blob->digest), err);
    if (r == 0 && !job->have_layer) r = keep_layer(job, dir_temp, err);
    return r;
}

// The unpacked layer, for what lies on top of it.
static int open_layer_dir(const struct import *im, const struct digest *chain_id, struct err *err) {
    char name[LAYER_DIR_LEN + 1];
    const struct import_layer *own = find_own_layer(im, chain_id);
    store_layer_dir(chain_id, name);
    int fd = openat(own ? im->store->run_fd : im->store->layers_fd, own ? own->temp : name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_os(err, errno, name, "cannot open the layer") : fd;
}

static int import_layers(struct import *im, struct blob_source *source,
                         const struct manifest *manifest, struct image_record *record,
                         int lower_fds[MANIFEST_LAYERS_MAX], struct err *err) {
    struct digest parent = {0};
    for (size_t i = 0; i < manifest->layers.len; i++) {
        struct layer_job job = {.im = im,
                                .source = source,
                                .blob = &manifest->layers.items[i],
                                .diff_id = &record->config.diff_ids.items[i],
                                .lower_fds = lower_fds,
                                .n_lowers = i};
        struct record_layer layer = {.digest = job.blob->digest,
                                     .diff_id = *job.diff_id,
                                     .size_bytes = job.blob->size};
        snprintf(job.object, sizeof(job.object), "layer %s", job.blob->digest.text);
        snprintf(job.step, sizeof(job.step), "layer %zu of %zu", i + 1, manifest->layers.len);
        if (digest_chain(&parent, job.diff_id, &job.chain_id) < 0)
            return err_os(err, ENOMEM, job.object, "cannot hash it");
        int r = look_for_layer(&job, err);
        bool known =
            job.have_blob && job.have_layer && digest_same(&job.info.blob, &job.blob->digest);
        if (r == 0 && !known) r = take_in_layer(&job, err);
        if (r < 0) return r;
        lower_fds[i] = open_layer_dir(im, &job.chain_id, err);
        if (lower_fds[i] < 0) return lower_fds[i];
        store_layer_dir(&job.chain_id, layer.dir);
        vec_add(&record->layers, layer);
        record->size_bytes += job.info.size_bytes;
        parent = job.chain_id;
    }
    return 0;
}

static int import_parsed(struct import *im, struct blob_source *source,
                         const struct manifest *manifest, struct image_record *record,
                         struct err *err) {
    auto_free char *config = NULL;
    size_t config_size;
    int r = import_read_blob(im, source, &manifest->config, MANIFEST_SIZE_MAX, &config,
                             &config_size, err);
    if (r < 0) return err_while(err, "reading the configuration");
    record->id = manifest->config.digest;
    r = config_parse(config, config_size, record->id.text, &record->config, err);
    if (r < 0) return r;
    if (record->config.diff_ids.len != manifest->layers.len)
        return err_set(err, ERR_CORRUPT, 0, record->id.text,
                       "its manifest has %zu layers and its configuration %zu",
                       manifest->layers.len, record->config.diff_ids.len);
    int lower_fds[MANIFEST_LAYERS_MAX];
    for (size_t i = 0; i < MANIFEST_LAYERS_MAX; i++) lower_fds[i] = -1;
    r = import_layers(im, source, manifest, record, lower_fds, err);
    for (size_t i = 0; i < MANIFEST_LAYERS_MAX; i++)
        if (lower_fds[i] >= 0) close(lower_fds[i]);
    return r < 0 ? r : import_add_blob(im, &record->id, config, config_size, err);
}

int import_image(struct import *im, struct blob_source *source, const char *data, size_t size,
                 const struct strv *names, struct err *err) {
    struct image_record record = {0};
    struct manifest manifest;
    if (digest_of(data, size, &record.manifest) < 0)
        return err_os(err, ENOMEM, "manifest", "cannot hash it");
    int r = manifest_parse(data, size, record.manifest.text, &manifest, err);
    if (r < 0) return r;
    r = import_parsed(im, source, &manifest, &record, err);
    if (r == 0) r = import_add_blob(im, &record.manifest, data, size, err);
    manifest_free(&manifest);
    for (size_t i = 0; r == 0 && i < names->len; i++) record_add_name(&record, names->items[i]);
    if (r == 0) return import_add_record(im, &record, err);
    record_free(&record);
    return r;
}
