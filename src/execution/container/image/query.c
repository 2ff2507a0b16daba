// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/query.h"

#include "base/str.h"
#include "execution/container/image/json.h"
#include "host/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_ID_MIN 12

static bool is_record_name(const char *name) {
    return strlen(name) == DIGEST_HEX_LEN + 5 &&
           strspn(name, "0123456789abcdef") == DIGEST_HEX_LEN &&
           strcmp(name + DIGEST_HEX_LEN, ".json") == 0;
}

static int add_name(int dirfd, const char *name, void *arg) {
    if (is_record_name(name)) strv_add(arg, name);
    return 0;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int record_names(struct image_store *store, struct strv *ret, struct err *err) {
    int r = dir_each(store->dir_fd, "images", add_name, ret);
    if (r < 0) return err_os(err, -r, store->path, "cannot list its images");
    if (ret->len > 1) qsort(ret->items, ret->len, sizeof(char *), compare);
    return 0;
}

static int read_record(struct image_store *store, const char *name, struct image_record *ret,
                       struct err *err) {
    char object[DIGEST_HEX_LEN + 16];
    auto_free char *data = NULL;
    size_t size;
    snprintf(object, sizeof(object), "image sha256:%.12s", name);
    int r = file_read(store->images_fd, name, RECORD_SIZE_MAX, &data, &size, err);
    if (r == 0) r = record_parse(data, size, object, ret, err);
    if (r < 0) {
        err_while(err, "reading its record");
        return err_next(err, "import the image again; 'trine-image verify' lists all damage");
    }
    if (strncmp(digest_hex(&ret->id), name, DIGEST_HEX_LEN) == 0) return 0;
    record_free(ret);
    return err_set(err, ERR_CORRUPT, 0, object, "its record belongs to another image");
}

int query_each(struct image_store *store, query_fn *fn,
               int (*damaged)(const char *name, const struct err *why, void *arg), void *arg,
               struct err *err) {
    auto_strv struct strv names = {0};
    int r = record_names(store, &names, err);
    for (size_t i = 0; r == 0 && i < names.len; i++) {
        struct image_record record;
        struct err why = {0};
        r = read_record(store, names.items[i], &record, &why);
        if (r < 0 && damaged) {
            r = damaged(names.items[i], &why, arg);
            continue;
        }
        if (r < 0) {
            if (err) *err = why;
            return r;
        }
        r = fn(&record, arg, err);
        record_free(&record);
    }
    return r;
}

static int find_short(struct image_store *store, const char *digits, char ret[STORE_NAME_SIZE],
                      struct err *err) {
    auto_strv struct strv names = {0};
    size_t found = 0;
    int r = record_names(store, &names, err);
    if (r < 0) return r;
    for (size_t i = 0; i < names.len; i++)
        if (str_starts(names.items[i], digits)) {
            snprintf(ret, STORE_NAME_SIZE, "%s", names.items[i]);
            found++;
        }
    if (found == 1) return 0;
    char object[96];
    snprintf(object, sizeof(object), "image %.64s", digits);
    if (found > 1) {
        err_set(err, ERR_INVALID, 0, object, "%zu images begin with these digits", found);
        return err_next(err, "give more digits of the id");
    }
    err_set(err, ERR_NOT_FOUND, 0, object, "the store has no such image");
    return err_next(err, "'trine-image ls' shows what there is");
}

int query_record(struct image_store *store, const char *id, struct image_record *ret,
                 struct err *err) {
    char name[STORE_NAME_SIZE];
    const char *digits = str_starts(id, "sha256:") ? id + 7 : id;
    size_t len = strlen(digits);
    if (len < SHORT_ID_MIN || len > DIGEST_HEX_LEN || strspn(digits, "0123456789abcdef") != len) {
        err_set(err, ERR_INVALID, 0, "image id", "'%.80s' is not an image's id", id);
        return err_next(err, "give sha256: and 64 hexadecimal digits, or the first %d of them",
                        SHORT_ID_MIN);
    }
    int r = find_short(store, digits, name, err);
    return r < 0 ? r : read_record(store, name, ret, err);
}

static int add_to_list(const struct image_record *record, void *arg, struct err *err) {
    json_t *json = record_to_json(record);
    return json && json_array_append_new(arg, json) == 0
               ? 0
               : err_os(err, ENOMEM, record->id.text, "no memory to show it");
}

static int finish(json_t *json, char **ret_json, struct err *err) {
    *ret_json = json ? json_line(json) : NULL;
    return *ret_json ? 0 : err_os(err, ENOMEM, "result", "no memory to write it");
}

int image_list(struct image_store *store, char **ret_json, struct err *err) {
    auto_json json_t *root = json_object();
    json_t *list = json_array();
    json_object_set_new(root, "images", list);
    int r = query_each(store, add_to_list, NULL, list, err);
    return r < 0 ? r : finish(root, ret_json, err);
}

int image_inspect(struct image_store *store, const char *id, char **ret_json, struct err *err) {
    struct image_record record;
    int r = query_record(store, id, &record, err);
    if (r < 0) return r;
    auto_json json_t *json = record_to_json(&record);
    record_free(&record);
    return finish(json, ret_json, err);
}
