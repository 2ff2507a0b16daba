// SPDX-License-Identifier: Apache-2.0
// A root file system becomes an image of one layer: the tar stream is hashed, packed with gzip into
// a blob and unpacked in one pass; configuration and manifest are made for it.
#include "base/clock.h"
#include "execution/container/image/gzip.h"
#include "execution/container/image/import.h"
#include "execution/container/image/json.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN_SIZE ((size_t)1 << 18)
#define OUT_SIZE ((size_t)1 << 18)
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// The blob on its way out. Deflate's output depends on how its input is cut, and a pipe cuts it by
// chance: blocks of one size make the same content the same blob.
struct packer {
    struct gzip *gzip;
    struct hasher *hasher;
    uint64_t size;
    int fd;
    size_t in_size;
    uint8_t in[IN_SIZE], out[OUT_SIZE];
};

static void packer_free(struct packer **packer) {
    if (!*packer) return;
    gzip_free((*packer)->gzip);
    hasher_free((*packer)->hasher);
    free(*packer);
}

static int pack_block(struct packer *p, bool last, struct err *err) {
    struct gzip_io io = {.in = p->in, .in_size = p->in_size};
    p->in_size = 0;
    for (;;) {
        io.out = p->out;
        io.out_size = OUT_SIZE;
        int done = gzip_step(p->gzip, &io, last);
        size_t made = OUT_SIZE - io.out_size;
        if (done < 0) return err_set(err, ERR_INTERNAL, 0, "layer", "gzip failed");
        int r = made > 0 ? hasher_add(p->hasher, p->out, made) : 0;
        if (r == 0) r = file_write_all(p->fd, p->out, made);
        if (r < 0) return err_os(err, -r, "layer", "cannot write its blob");
        p->size += made;
        if (last ? done > 0 : io.in_size == 0 && io.out_size > 0) return 0;
    }
}

static int pack_sink(void *arg, const uint8_t *data, size_t size, struct err *err) {
    struct packer *p = arg;
    while (size > 0) {
        size_t n = size < IN_SIZE - p->in_size ? size : IN_SIZE - p->in_size;
        memcpy(p->in + p->in_size, data, n);
        p->in_size += n;
        data += n;
        size -= n;
        int r = p->in_size == IN_SIZE ? pack_block(p, false, err) : 0;
        if (r < 0) return r;
    }
    return 0;
}

struct rootfs_layer {
    struct layer_info info;
    struct manifest_blob blob;
};

static int pass(struct import *im, struct stream *in, struct packer *packer, int root_fd,
                struct rootfs_layer *ret, struct err *err) {
    auto_hasher struct hasher *hasher = hasher_new();
    struct tap tap = {
        .hasher = hasher, .copy_fd = -1, .object = "layer", .sink = pack_sink, .sink_arg = packer};
    auto_stream struct stream *tar = stream_ahead(stream_tap(in, &tap));
    if (!tar || !hasher) return err_os(err, ENOMEM, "input", "no memory to unpack it");
    struct layer_options options = {.object = "input",
                                    .mode = im->store->mode,
                                    .keep_owners = im->store->keep_owners,
                                    .budget = &im->budget,
                                    .report = im->store->report};
    struct layer_stats stats;
    int r = layer_unpack(tar, root_fd, &options, &stats, err);
    if (r == 0 && stats.entries == 0)
        r = err_set(err, ERR_CORRUPT, 0, "input", "the archive holds no files");
    if (r == 0 && !stats.end_marked)
        r = err_set(err, ERR_CORRUPT, 0, "input",
                    "the archive ends in the middle: it has no mark "
                    "of its end");
    if (r == 0) r = pack_block(packer, true, err);
    if (r == 0) r = hasher_end(hasher, &ret->info.diff_id);
    if (r == 0) r = hasher_end(packer->hasher, &ret->blob.digest);
    ret->blob.size = packer->size;
    ret->info.chain_id = ret->info.diff_id;
    ret->info.blob = ret->blob.digest;
    ret->info.size_bytes = stats.bytes;
    ret->info.entries = stats.entries;
    return r;
}

// The store has the layer from an earlier import: then the blob of that one is the one to name.
static bool use_known_blob(struct import *im, struct rootfs_layer *layer,
                           const struct layer_info *known) {
    struct stat st;
    if (fstatat(im->store->blobs_fd, digest_hex(&known->blob), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    layer->blob.digest = known->blob;
    layer->blob.size = (uint64_t)st.st_size;
    return true;
}

static int keep(struct import *im, struct rootfs_layer *layer, const char *blob_temp,
                const char *dir_temp, struct err *err) {
    char name[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 8], temp[STORE_NAME_SIZE];
    struct layer_info known;
    int found = store_find_layer(im->store, &layer->info.chain_id, &known, err), r = 0;
    if (found < 0) return found;
    if (found > 0 && use_known_blob(im, layer, &known)) return 0;
    if (!store_has_blob(im->store, &layer->blob.digest))
        r = batch_add(&im->batch, STORE_BLOB, blob_temp, digest_hex(&layer->blob.digest), err);
    if (r < 0 || found > 0) return r;
    auto_free char *json = layer_info_json(&layer->info);
    if (!json) return err_os(err, ENOMEM, "layer", "no memory");
    store_layer_dir(&layer->info.chain_id, name);
    snprintf(file, sizeof(file), "%s.json", name);
    r = store_temp_data(im->store, json, strlen(json), temp, err);
    if (r == 0) r = batch_add(&im->batch, STORE_LAYER_FILE, temp, file, err);
    return r < 0 ? r : batch_add(&im->batch, STORE_LAYER, dir_temp, name, err);
}

static char *make_config(const struct import *im, const struct rootfs_layer *layer) {
    const struct image_import_options *o = im->options;
    char created[TIME_TEXT_SIZE];
    json_t *cmd = json_array();
    time_format(o->created_ns, created);
    for (size_t i = 0; o->cmd && o->cmd[i]; i++) json_array_append_new(cmd, json_string(o->cmd[i]));
    auto_json json_t *json =
        json_pack("{s:s, s:s, s:s, s:{s:[s], s:o, s:s}, s:{s:s, s:[s]}, s:[{s:s, s:s, s:s}]}",
                  "created", created, "architecture", image_architecture(), "os", "linux", "config",
                  "Env", DEFAULT_PATH, "Cmd", cmd, "WorkingDir", "/", "rootfs", "type", "layers",
                  "diff_ids", layer->info.diff_id.text, "history", "created", created, "created_by",
                  "trine image", "comment", o->comment ? o->comment : "imported root file system");
    return json ? json_line(json) : NULL;
}

static char *make_manifest(const struct rootfs_layer *layer, const struct digest *config,
                           size_t config_size) {
    auto_json json_t *json =
        json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:[{s:s, s:s, s:I}]}", "schemaVersion", 2,
                  "mediaType", "application/vnd.oci.image.manifest.v1+json", "config", "mediaType",
                  "application/vnd.oci.image.config.v1+json", "digest", config->text, "size",
                  (json_int_t)config_size, "layers", "mediaType",
                  "application/vnd.oci.image.layer.v1.tar+gzip", "digest", layer->blob.digest.text,
                  "size", (json_int_t)layer->blob.size);
    return json ? json_line(json) : NULL;
}

static int record_layer(struct import *im, const struct rootfs_layer *layer, struct err *err) {
    struct image_record record = {.size_bytes = layer->info.size_bytes};
    auto_free char *config = make_config(im, layer);
    if (!config || digest_of(config, strlen(config), &record.id) < 0)
        return err_os(err, ENOMEM, "input", "no memory for its configuration");
    auto_free char *manifest = make_manifest(layer, &record.id, strlen(config));
    if (!manifest || digest_of(manifest, strlen(manifest), &record.manifest) < 0)
        return err_os(err, ENOMEM, "input", "no memory for its manifest");
    int r = config_parse(config, strlen(config), record.id.text, &record.config, err);
    if (r == 0) r = import_add_blob(im, &record.id, config, strlen(config), err);
    if (r == 0) r = import_add_blob(im, &record.manifest, manifest, strlen(manifest), err);
    struct record_layer item = {.digest = layer->blob.digest,
                                .diff_id = layer->info.diff_id,
                                .size_bytes = layer->blob.size};
    store_layer_dir(&layer->info.chain_id, item.dir);
    vec_add(&record.layers, item);
    if (r == 0) return import_add_record(im, &record, err);
    record_free(&record);
    return r;
}

int import_rootfs(struct import *im, struct stream *in, struct err *err) {
    auto_stream struct stream *tar = in;
    char blob_temp[STORE_NAME_SIZE], dir_temp[STORE_NAME_SIZE];
    auto_close int blob_fd = -1, root_fd = -1;
    struct rootfs_layer layer = {0};
    struct packer *packer __attribute__((cleanup(packer_free))) = mem_try(struct packer);
    if (packer) {
        packer->gzip = gzip_new();
        packer->hasher = hasher_new();
    }
    if (!packer || !packer->gzip || !packer->hasher)
        return err_os(err, ENOMEM, "input", "no memory to pack it");
    int r = store_temp_file(im->store, blob_temp, &blob_fd, err);
    if (r == 0) r = store_temp_dir(im->store, dir_temp, &root_fd, err);
    if (r < 0) return r;
    packer->fd = blob_fd;
    r = pass(im, take(tar), packer, root_fd, &layer, err);
    if (r == 0) r = keep(im, &layer, blob_temp, dir_temp, err);
    return r < 0 ? r : record_layer(im, &layer, err);
}
