// SPDX-License-Identifier: Apache-2.0
#include "cli/filter.h"

#include "base/str.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

struct filter {
    char key[64];
    const char *value; // NULL: none was given
};

static bool filter_parse(const char *text, struct filter *ret) {
    size_t n = strcspn(text, "=");
    if (n == 0 || n >= sizeof(ret->key) || !text[n]) return false;
    memcpy(ret->key, text, n);
    ret->key[n] = '\0';
    ret->value = text + n + 1;
    return true;
}

static const char *last_word(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

// The path that a key means; NULL when the listing does not know it.
static const char *key_path(const struct listing *listing, const char *key) {
    for (size_t i = 0; i < listing->n_columns; i++) {
        const char *path = listing->columns[i].path;
        if (strcmp(path, key) == 0 || strcmp(last_word(path), key) == 0) return path;
    }
    if (strcmp(key, "name") == 0 && strcmp(listing->quiet, "names") == 0) return "names";
    return strcmp(key, "id") == 0 || strcmp(key, "name") == 0 || strchr(key, '.') ? key : NULL;
}

int filter_check(const struct args *args, const struct listing *listing, struct err *err) {
    for (size_t i = 0; i < args->flags.len; i++) {
        if (strcmp(args->flags.items[i].flag->name, "filter") != 0) continue;
        const char *text = args->flags.items[i].value;
        struct filter filter;
        if (!filter_parse(text, &filter)) {
            err_set(err, ERR_INVALID, 0, "flag --filter", "\"%.60s\" is not of the form KEY=VALUE",
                    text);
            return err_next(err, "write it as --filter state=running");
        }
        if (strcmp(filter.key, "label") == 0 || key_path(listing, filter.key)) continue;
        auto_str struct str keys = {0};
        for (size_t k = 0; k < listing->n_columns; k++)
            str_printf(&keys, "%s, ", last_word(listing->columns[k].path));
        err_set(err, ERR_INVALID, 0, "flag --filter", "there is no \"%s\" in this list",
                filter.key);
        return err_next(err, "use one of %slabel", str_text(&keys));
    }
    return 0;
}

static bool match_value(const char *pattern, const json_t *value) {
    size_t i;
    json_t *item;
    char number[40];
    if (json_is_array(value)) {
        json_array_foreach(value, i, item) if (match_value(pattern, item)) return true;
        return false;
    }
    const char *text = "";
    if (json_is_string(value))
        text = json_string_value(value);
    else if (json_is_boolean(value))
        text = json_is_true(value) ? "true" : "false";
    else if (json_is_integer(value))
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value)),
            text = number;
    else if (json_is_real(value))
        snprintf(number, sizeof(number), "%g", json_real_value(value)), text = number;
    return fnmatch(pattern, text, 0) == 0;
}

static bool match_label(const char *text, const json_t *labels) {
    const char *equals = strchr(text, '='), *key;
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    json_t *value;
    json_object_foreach((json_t *)labels, key, value) {
        if (strlen(key) != n || memcmp(key, text, n) != 0) continue;
        return !equals || match_value(equals + 1, value);
    }
    return false;
}

bool filter_match(const struct args *args, const struct listing *listing, const json_t *object) {
    for (size_t i = 0; i < args->flags.len; i++) {
        struct filter filter;
        if (strcmp(args->flags.items[i].flag->name, "filter") != 0) continue;
        if (!filter_parse(args->flags.items[i].value, &filter)) return false;
        if (strcmp(filter.key, "label") == 0) {
            if (!match_label(filter.value, json_object_get(object, "labels"))) return false;
            continue;
        }
        const char *path = key_path(listing, filter.key);
        if (!path || !match_value(filter.value, output_lookup(object, path))) return false;
    }
    return true;
}

void filter_apply(const struct args *args, const struct listing *listing, json_t *items) {
    for (size_t i = json_array_size(items); i-- > 0;)
        if (!filter_match(args, listing, json_array_get(items, i))) json_array_remove(items, i);
}
