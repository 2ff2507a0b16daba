// SPDX-License-Identifier: Apache-2.0
// An image's configuration document (image-spec config.md), into the record's form.
#include "base/str.h"
#include "execution/container/image/json.h"
#include "execution/container/image/record.h"
#include "host/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS_MAX 4096
#define STRING_MAX 131072 // the kernel's limit for one argument or variable
#define LABELS_MAX 1024
#define RUN_SIZE_MAX ((size_t)64 << 10) // of the record's "config"; a record travels as one message
#define HISTORY_MAX 128
#define HISTORY_TEXT_MAX 256

void config_free(struct image_config *config) {
    json_decref(config->config);
    json_decref(config->history);
    vec_free(&config->diff_ids);
    config->config = config->history = NULL;
}

static int too_long(const char *key, const char *object, struct err *err) {
    return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its configuration is too long", key);
}

// A list of strings, [] when absent.
static int copy_strings(json_t *from, const char *key, json_t *to, const char *to_key,
                        const char *object, struct err *err) {
    json_t *list, *copy = json_array();
    json_object_set_new(to, to_key, copy);
    int r = json_member(from, key, JSON_ARRAY, false, object, &list, err);
    if (r < 0) return r;
    if (json_array_size(list) > STRINGS_MAX) return too_long(key, object, err);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if (!json_is_string(item))
            return err_set(err, ERR_CORRUPT, 0, object,
                           "'%s' in its configuration holds more than "
                           "strings",
                           key);
        if (json_string_length(item) > STRING_MAX) return too_long(key, object, err);
        json_array_append(copy, item);
    }
    return 0;
}

// "K=V" with a name; a name alone is an empty variable, as other tools take it.
static int copy_env(json_t *from, json_t *to, const char *object, struct err *err) {
    int r = copy_strings(from, "Env", to, "env", object, err);
    json_t *list = json_object_get(to, "env");
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (*text == '=' || *text == '\0')
            return err_set(err, ERR_CORRUPT, 0, object,
                           "'Env' in its configuration holds a "
                           "variable without a name");
        if (strchr(text, '=')) continue;
        auto_free char *pair = mem_printf("%s=", text);
        json_array_set_new(list, i, json_string(pair));
    }
    return r;
}

// The member names of an object (ports, volumes), sorted by jansson's insertion order.
static int copy_keys(json_t *from, const char *key, json_t *to, const char *to_key,
                     const char *object, struct err *err) {
    json_t *set, *value, *copy = json_array();
    const char *name;
    json_object_set_new(to, to_key, copy);
    int r = json_member(from, key, JSON_OBJECT, false, object, &set, err);
    if (r < 0 || !set) return r;
    if (json_object_size(set) > LABELS_MAX) return too_long(key, object, err);
    json_object_foreach(set, name, value) {
        if (strlen(name) > 4095) return too_long(key, object, err);
        json_array_append_new(copy, json_string(name));
    }
    return 0;
}

static int copy_labels(json_t *from, json_t *to, const char *object, struct err *err) {
    json_t *labels, *value, *copy = json_object();
    const char *name;
    json_object_set_new(to, "labels", copy);
    int r = json_member(from, "Labels", JSON_OBJECT, false, object, &labels, err);
    if (r < 0 || !labels) return r;
    if (json_object_size(labels) > LABELS_MAX) return too_long("Labels", object, err);
    json_object_foreach(labels, name, value) {
        if (!json_is_string(value))
            return err_set(err, ERR_CORRUPT, 0, object,
                           "'Labels' in its configuration holds more "
                           "than strings");
        if (strlen(name) > 4095 || json_string_length(value) > STRING_MAX)
            return too_long("Labels", object, err);
        json_object_set(copy, name, value);
    }
    return 0;
}

static int copy_working_dir(json_t *from, json_t *to, const char *object, struct err *err) {
    const char *dir;
    int r = json_text(from, "WorkingDir", 4095, object, &dir, err);
    if (r < 0) return r;
    auto_free char *absolute = mem_printf("%s%s", *dir == '/' ? "" : "/", dir);
    json_object_set_new(to, "working_dir", json_string(absolute));
    return 0;
}

// The name without SIG. Real-time signals stay as written: "RTMIN+3" stops systemd.
static int copy_stop_signal(json_t *from, json_t *to, const char *object, struct err *err) {
    const char *text;
    int signo, r = json_text(from, "StopSignal", 32, object, &text, err);
    if (r < 0) return r;
    const char *name = str_starts(text, "SIG") ? text + 3 : text;
    bool real_time = (str_starts(name, "RTMIN+") || str_starts(name, "RTMAX-")) && name[6] >= '0' &&
                     name[6] <= '9' && strlen(name) <= 8 &&
                     strspn(name + 6, "0123456789") == strlen(name + 6);
    if (*text == '\0') {
        name = "TERM";
    } else if (!real_time) {
        if (process_signal_parse(text, &signo) < 0)
            return err_set(err, ERR_CORRUPT, 0, object,
                           "'StopSignal' in its configuration is no "
                           "signal");
        const char *known = process_signal_name(signo);
        if (known) name = known;
    }
    json_object_set_new(to, "stop_signal", json_string(name));
    return 0;
}

static int parse_run(json_t *root, const char *object, json_t **ret, struct err *err) {
    auto_json json_t *to = json_object(), *none = json_object();
    json_t *from;
    const char *user;
    int r = json_member(root, "config", JSON_OBJECT, false, object, &from, err);
    if (r < 0) return r;
    if (!from) from = none;
    r = copy_strings(from, "Entrypoint", to, "entrypoint", object, err);
    if (r == 0) r = copy_strings(from, "Cmd", to, "cmd", object, err);
    if (r == 0) r = copy_env(from, to, object, err);
    if (r == 0) r = copy_working_dir(from, to, object, err);
    if (r == 0) r = json_text(from, "User", 255, object, &user, err);
    if (r == 0) json_object_set_new(to, "user", json_string(user));
    if (r == 0) r = copy_labels(from, to, object, err);
    if (r == 0) r = copy_keys(from, "ExposedPorts", to, "exposed_ports", object, err);
    if (r == 0) r = copy_keys(from, "Volumes", to, "volumes", object, err);
    if (r == 0) r = copy_stop_signal(from, to, object, err);
    if (r == 0 && json_dumpb(to, NULL, 0, JSON_COMPACT) > RUN_SIZE_MAX)
        r = too_long("config", object, err);
    if (r == 0) *ret = json_incref(to);
    return r;
}

static void normal_time(const char *text, char ret[TIME_TEXT_SIZE]) {
    int64_t ns = 0;
    if (time_parse(text, &ns) < 0) ns = 0;
    time_format(ns, ret);
}

// Cut to whole UTF-8 characters: jansson refuses halves.
static json_t *short_text(const char *text) {
    size_t n = strlen(text);
    if (n > HISTORY_TEXT_MAX)
        for (n = HISTORY_TEXT_MAX; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;) n--;
    return json_stringn(text, n);
}

static int parse_history(json_t *root, const char *object, json_t **ret, struct err *err) {
    json_t *list;
    auto_json json_t *to = json_array();
    int r = json_member(root, "history", JSON_ARRAY, false, object, &list, err);
    if (r < 0) return r;
    size_t n = json_array_size(list), first = n > HISTORY_MAX ? n - HISTORY_MAX : 0;
    for (size_t i = first; i < n; i++) {
        json_t *item = json_array_get(list, i), *entry = json_object();
        const char *by = json_string_value(json_object_get(item, "created_by"));
        const char *comment = json_string_value(json_object_get(item, "comment"));
        const char *created = json_string_value(json_object_get(item, "created"));
        char time[TIME_TEXT_SIZE];
        normal_time(created ? created : "", time);
        json_object_set_new(entry, "created", json_string(time));
        json_object_set_new(entry, "created_by", short_text(by ? by : ""));
        json_object_set_new(entry, "comment", short_text(comment ? comment : ""));
        json_object_set_new(entry, "empty_layer",
                            json_boolean(json_is_true(json_object_get(item, "empty_layer"))));
        json_array_append_new(to, entry);
    }
    *ret = json_incref(to);
    return 0;
}

static int parse_diff_ids(json_t *root, const char *object, struct image_config *ret,
                          struct err *err) {
    json_t *rootfs, *list;
    int r = json_member(root, "rootfs", JSON_OBJECT, true, object, &rootfs, err);
    if (r == 0) r = json_member(rootfs, "diff_ids", JSON_ARRAY, true, object, &list, err);
    if (r < 0) return r;
    if (json_array_size(list) > MANIFEST_LAYERS_MAX) return too_long("diff_ids", object, err);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct digest digest;
        if (!text || digest_parse(text, &digest) < 0)
            return err_set(err, ERR_CORRUPT, 0, object,
                           "'diff_ids' in its configuration holds "
                           "something that is no sha256 digest");
        vec_add(&ret->diff_ids, digest);
    }
    return 0;
}

int config_parse(const char *data, size_t size, const char *object, struct image_config *ret,
                 struct err *err) {
    auto_json json_t *root = NULL;
    const char *created, *architecture, *os;
    *ret = (struct image_config){0};
    int r = json_parse(data, size, JSON_OBJECT, object, &root, err);
    if (r == 0) r = json_text(root, "created", 64, object, &created, err);
    if (r == 0) r = json_text(root, "architecture", 63, object, &architecture, err);
    if (r == 0) r = json_text(root, "os", 63, object, &os, err);
    if (r == 0) r = parse_run(root, object, &ret->config, err);
    if (r == 0) r = parse_history(root, object, &ret->history, err);
    if (r == 0) r = parse_diff_ids(root, object, ret, err);
    if (r < 0) {
        config_free(ret);
        return r;
    }
    normal_time(created, ret->created);
    snprintf(ret->architecture, sizeof(ret->architecture), "%s", architecture);
    snprintf(ret->os, sizeof(ret->os), "%s", os);
    return 0;
}
