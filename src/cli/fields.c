// SPDX-License-Identifier: Apache-2.0
#include "cli/fields.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_skipped(const char *const *skip, const char *name) {
    for (; skip && *skip; skip++)
        if (strcmp(*skip, name) == 0) return true;
    return false;
}

json_t *fields_value(const struct cli_flag *flag, const char *text) {
    uint64_t number = 0;
    int64_t duration = 0;
    switch (flag->type) {
    case CLI_BOOL:
        return json_boolean(strcmp(text, "true") == 0);
    case CLI_INT:
        text_parse_u64(flag->name, text, 0, INT64_MAX, &number, NULL);
        return json_integer((json_int_t)number);
    case CLI_NUMBER: {
        text_parse_nano(flag->name, text, &number, NULL);
        return json_real((double)number / 1e9);
    }
    case CLI_SIZE:
        text_parse_size(flag->name, text, &number, NULL);
        return json_integer((json_int_t)(number > INT64_MAX ? INT64_MAX : number));
    case CLI_DURATION:
        text_parse_duration(flag->name, text, &duration, NULL);
        return json_integer(duration / MSEC_NS);
    case CLI_STRING:
    case CLI_LIST:
    case CLI_MAP:
        break;
    }
    return json_string(text);
}

// The object that holds the last part of the path; *ret_key is that part.
static json_t *descend(json_t *object, const char *path, const char **ret_key) {
    const char *dot;
    while ((dot = strchr(path, '.')) != NULL) {
        auto_free char *key = mem_strndup(path, (size_t)(dot - path));
        json_t *inner = json_object_get(object, key);
        if (!inner) {
            inner = json_object();
            if (json_object_set_new(object, key, inner) < 0) return NULL;
        }
        object = inner;
        path = dot + 1;
    }
    *ret_key = path;
    return object;
}

int fields_set(json_t *object, const char *path, json_t *value) {
    const char *key;
    json_t *holder = descend(object, path, &key);
    if (!holder || !value) {
        json_decref(value);
        return -ENOMEM;
    }
    return json_object_set_new(holder, key, value) < 0 ? -ENOMEM : 0;
}

static int append(json_t *object, const char *path, json_t *value) {
    const char *key;
    json_t *holder = descend(object, path, &key), *array = json_object_get(holder, key);
    if (holder && !array) {
        array = json_array();
        if (json_object_set_new(holder, key, array) < 0) array = NULL;
    }
    if (!array || !value) {
        json_decref(value);
        return -ENOMEM;
    }
    return json_array_append_new(array, value) < 0 ? -ENOMEM : 0;
}

// "KEY=VALUE" into the object at path; KEY alone is null, which takes it away (RFC 7396).
static int put_pair(json_t *object, const char *path, const char *text) {
    const char *key;
    json_t *holder = descend(object, path, &key), *map = json_object_get(holder, key);
    if (holder && !map) {
        map = json_object();
        if (json_object_set_new(holder, key, map) < 0) map = NULL;
    }
    const char *equals = strchr(text, '=');
    auto_free char *name = mem_strndup(text, equals ? (size_t)(equals - text) : strlen(text));
    json_t *value = equals ? json_string(equals + 1) : json_null();
    if (!map || !value) {
        json_decref(value);
        return -ENOMEM;
    }
    return json_object_set_new(map, name, value) < 0 ? -ENOMEM : 0;
}

static int add_flags(const struct args *args, const char *const *skip, json_t *body) {
    for (size_t i = 0; i < args->flags.len; i++) {
        const struct cli_flag *flag = args->flags.items[i].flag;
        const char *text = args->flags.items[i].value;
        if (!flag->field || !str_starts(flag->field, "body.") || is_skipped(skip, flag->name))
            continue;
        const char *path = flag->field + strlen("body.");
        int r;
        if (flag->type == CLI_MAP)
            r = put_pair(body, path, text);
        else if (flag->type == CLI_LIST)
            r = append(body, path, fields_value(flag, text));
        else
            r = fields_set(body, path, fields_value(flag, text));
        if (r < 0) return r;
    }
    return 0;
}

static int add_words(const struct args *args, json_t *body) {
    for (size_t i = 0; i < args->command->n_args; i++) {
        const struct cli_arg *arg = &args->command->args[i];
        if (!arg->field || !str_starts(arg->field, "body.")) continue;
        const char *path = arg->field + strlen("body.");
        size_t n;
        const char *const *words = args_words(args, i, &n);
        for (size_t w = 0; w < n; w++) {
            int r = arg->repeat ? append(body, path, json_string(words[w]))
                                : fields_set(body, path, json_string(words[w]));
            if (r < 0) return r;
        }
    }
    return 0;
}

int fields_body(const struct args *args, const char *const *skip, json_t **ret, struct err *err) {
    json_t *body = json_object();
    if (!body || add_flags(args, skip, body) < 0 || add_words(args, body) < 0) {
        json_decref(body);
        // jansson refuses text that is not UTF-8, and says no more than "no".
        return err_set(err, ERR_INVALID, 0, "command line", "an argument is not UTF-8 text");
    }
    *ret = body;
    return 0;
}

static void add_query(struct str *target, const char *field, const struct cli_flag *flag,
                      const char *text) {
    const char *name = field + strlen("query.");
    if (flag && flag->type == CLI_BOOL) {
        url_query_bool(target, name, strcmp(text, "true") == 0);
        return;
    }
    json_t *value = flag ? fields_value(flag, text) : NULL;
    char number[32];
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = number;
    }
    url_query(target, name, text);
    json_decref(value);
}

void fields_query(const struct args *args, const char *const *skip, struct str *target) {
    for (size_t i = 0; i < args->flags.len; i++) {
        const struct cli_flag *flag = args->flags.items[i].flag;
        if (flag->field && str_starts(flag->field, "query.") && !is_skipped(skip, flag->name))
            add_query(target, flag->field, flag, args->flags.items[i].value);
    }
    for (size_t i = 0; i < args->command->n_args; i++) {
        const struct cli_arg *arg = &args->command->args[i];
        if (!arg->field || !str_starts(arg->field, "query.")) continue;
        size_t n;
        const char *const *words = args_words(args, i, &n);
        for (size_t w = 0; w < n; w++) add_query(target, arg->field, NULL, words[w]);
    }
}
