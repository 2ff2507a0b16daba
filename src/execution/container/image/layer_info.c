// SPDX-License-Identifier: Apache-2.0
// The file beside each unpacked layer: what it is and what it came from.
#include "execution/container/image/json.h"
#include "execution/container/image/store.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INFO_SIZE_MAX 4096

void store_layer_dir(const struct digest *chain_id, char ret[LAYER_DIR_LEN + 1]) {
    memcpy(ret, digest_hex(chain_id), LAYER_DIR_LEN);
    ret[LAYER_DIR_LEN] = '\0';
}

char *layer_info_json(const struct layer_info *info) {
    auto_json json_t *json =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "diff_id", info->diff_id.text, "chain_id",
                  info->chain_id.text, "blob", info->blob.text, "size_bytes",
                  (json_int_t)info->size_bytes, "entries", (json_int_t)info->entries, "redirects",
                  (json_int_t)info->redirects);
    return json ? json_line(json) : NULL;
}

static int parse_info(const char *data, size_t size, const char *object, struct layer_info *ret,
                      struct err *err) {
    auto_json json_t *json = NULL;
    const char *diff_id = "", *chain_id = "", *blob = "";
    int r = json_parse(data, size, JSON_OBJECT, object, &json, err);
    if (r == 0) r = json_text(json, "diff_id", 80, object, &diff_id, err);
    if (r == 0) r = json_text(json, "chain_id", 80, object, &chain_id, err);
    if (r == 0) r = json_text(json, "blob", 80, object, &blob, err);
    if (r == 0) r = json_count(json, "size_bytes", INT64_MAX, object, &ret->size_bytes, err);
    if (r == 0) r = json_count(json, "entries", INT64_MAX, object, &ret->entries, err);
    if (r == 0) r = json_count(json, "redirects", INT64_MAX, object, &ret->redirects, err);
    if (r < 0) return r;
    if (digest_parse(diff_id, &ret->diff_id) < 0 || digest_parse(chain_id, &ret->chain_id) < 0 ||
        digest_parse(blob, &ret->blob) < 0)
        return err_set(err, ERR_CORRUPT, 0, object, "it holds something that is no digest");
    return 0;
}

int store_find_layer(struct image_store *store, const struct digest *chain_id,
                     struct layer_info *ret, struct err *err) {
    char dir[LAYER_DIR_LEN + 1], file[LAYER_DIR_LEN + 8], object[64];
    store_layer_dir(chain_id, dir);
    snprintf(file, sizeof(file), "%s.json", dir);
    snprintf(object, sizeof(object), "layer %s", dir);
    if (faccessat(store->layers_fd, dir, F_OK, AT_SYMLINK_NOFOLLOW) < 0) return 0;
    auto_free char *data = NULL;
    size_t size;
    int r = file_read(store->layers_fd, file, INFO_SIZE_MAX, &data, &size, err);
    if (r == 0) r = parse_info(data, size, object, ret, err);
    if (r < 0) {
        err_while(err, "reading what is known of layer %s", dir);
        return err_next(err, "run 'trine-image verify'; remove the images that it names and import "
                             "them again");
    }
    if (!digest_same(&ret->chain_id, chain_id))
        return err_set(err, ERR_CORRUPT, 0, object, "it belongs to another chain of layers");
    return 1;
}
