// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/record.h"

#include "base/str.h"
#include "execution/container/image/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 256

void record_free(struct image_record *record) {
    config_free(&record->config);
    vec_free(&record->layers);
    strv_free(&record->names);
}

bool record_add_name(struct image_record *record, const char *name) {
    if (!image_name_ok(name) || record->names.len >= NAMES_MAX) return false;
    for (size_t i = 0; i < record->names.len; i++)
        if (strcmp(record->names.items[i], name) == 0) return false;
    strv_add(&record->names, name);
    return true;
}

static json_t *layers_to_json(const struct image_record *record) {
    json_t *list = json_array();
    for (size_t i = 0; i < record->layers.len; i++) {
        const struct record_layer *l = &record->layers.items[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "digest", l->digest.text,
                                              "diff_id", l->diff_id.text, "size_bytes",
                                              (json_int_t)l->size_bytes, "dir", l->dir));
    }
    return list;
}

json_t *record_to_json(const struct image_record *record) {
    json_t *names = json_array();
    for (size_t i = 0; i < record->names.len; i++)
        json_array_append_new(names, json_string(record->names.items[i]));
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:O, s:o, s:o, s:O}", "id", record->id.text,
                     "manifest_digest", record->manifest.text, "size_bytes",
                     (json_int_t)record->size_bytes, "created", record->config.created,
                     "architecture", record->config.architecture, "os", record->config.os, "config",
                     record->config.config, "layers", layers_to_json(record), "names", names,
                     "history", record->config.history);
}

static int member_digest(json_t *of, const char *key, const char *object, struct digest *ret,
                         struct err *err) {
    const char *text;
    int r = json_text(of, key, sizeof(ret->text), object, &text, err);
    if (r < 0) return r;
    return digest_parse(text, ret) < 0
               ? err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON is not a digest", key)
               : 0;
}

static int parse_layers(json_t *root, const char *object, struct image_record *ret,
                        struct err *err) {
    json_t *list;
    int r = json_member(root, "layers", JSON_ARRAY, true, object, &list, err);
    if (r == 0 && json_array_size(list) > MANIFEST_LAYERS_MAX)
        return err_set(err, ERR_CORRUPT, 0, object, "it has too many layers");
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        struct record_layer layer = {0};
        const char *dir = "";
        r = member_digest(item, "digest", object, &layer.digest, err);
        if (r == 0) r = member_digest(item, "diff_id", object, &layer.diff_id, err);
        if (r == 0) r = json_count(item, "size_bytes", INT64_MAX, object, &layer.size_bytes, err);
        if (r == 0) r = json_text(item, "dir", LAYER_DIR_LEN, object, &dir, err);
        if (r == 0 && !digest_is_hex(dir, LAYER_DIR_LEN))
            r = err_set(err, ERR_CORRUPT, 0, object, "'dir' of a layer is no directory's name");
        snprintf(layer.dir, sizeof(layer.dir), "%s", dir);
        if (r == 0) vec_add(&ret->layers, layer);
    }
    return r;
}

static int parse_config(json_t *root, const char *object, struct image_config *ret,
                        struct err *err) {
    const char *created, *architecture, *os;
    json_t *config, *history;
    int r = json_text(root, "created", TIME_TEXT_SIZE - 1, object, &created, err);
    if (r == 0) r = json_text(root, "architecture", 63, object, &architecture, err);
    if (r == 0) r = json_text(root, "os", 63, object, &os, err);
    if (r == 0) r = json_member(root, "config", JSON_OBJECT, true, object, &config, err);
    if (r == 0) r = json_member(root, "history", JSON_ARRAY, true, object, &history, err);
    if (r < 0) return r;
    snprintf(ret->created, sizeof(ret->created), "%s", created);
    snprintf(ret->architecture, sizeof(ret->architecture), "%s", architecture);
    snprintf(ret->os, sizeof(ret->os), "%s", os);
    ret->config = json_incref(config);
    ret->history = json_incref(history);
    return 0;
}

int record_parse(const char *data, size_t size, const char *object, struct image_record *ret,
                 struct err *err) {
    auto_json json_t *root = NULL;
    json_t *names;
    *ret = (struct image_record){0};
    int r = json_parse(data, size, JSON_OBJECT, object, &root, err);
    if (r == 0) r = member_digest(root, "id", object, &ret->id, err);
    if (r == 0) r = member_digest(root, "manifest_digest", object, &ret->manifest, err);
    if (r == 0) r = json_count(root, "size_bytes", INT64_MAX, object, &ret->size_bytes, err);
    if (r == 0) r = parse_config(root, object, &ret->config, err);
    if (r == 0) r = parse_layers(root, object, ret, err);
    if (r == 0) r = json_member(root, "names", JSON_ARRAY, true, object, &names, err);
    for (size_t i = 0; r == 0 && i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name) record_add_name(ret, name);
    }
    if (r < 0) record_free(ret);
    return r;
}
