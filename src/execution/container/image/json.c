// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/json.h"

#include <errno.h>
#include <string.h>

void json_autofree(json_t **json) {
    json_decref(*json);
}

static const char *type_word(json_type type) {
    static const char *const words[] = {"an object", "a list", "a string", "a whole number",
                                        "a number",  "true",   "false",    "null"};
    return words[type];
}

int json_parse(const char *data, size_t size, json_type want, const char *object, json_t **ret,
               struct err *err) {
    json_error_t why;
    auto_json json_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        return err_set(err, ERR_CORRUPT, 0, object, "its JSON is not valid: line %d, column %d: %s",
                       why.line, why.column, why.text);
    if (json_typeof(json) != want)
        return err_set(err, ERR_CORRUPT, 0, object, "its JSON is not %s", type_word(want));
    *ret = json_incref(json);
    return 0;
}

int json_member(json_t *of, const char *key, json_type want, bool required, const char *object,
                json_t **ret, struct err *err) {
    json_t *value = json_object_get(of, key);
    *ret = value && !json_is_null(value) ? value : NULL;
    if (!*ret && required) return err_set(err, ERR_CORRUPT, 0, object, "its JSON lacks '%s'", key);
    if (*ret && json_typeof(value) != want)
        return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON is not %s", key,
                       type_word(want));
    return 0;
}

int json_text(json_t *of, const char *key, size_t max, const char *object, const char **ret,
              struct err *err) {
    json_t *value;
    int r = json_member(of, key, JSON_STRING, false, object, &value, err);
    if (r < 0) return r;
    *ret = value ? json_string_value(value) : "";
    if (strlen(*ret) > max)
        return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON is longer than %zu bytes",
                       key, max);
    for (const char *p = *ret; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON has control characters",
                           key);
    return 0;
}

int json_count(json_t *of, const char *key, uint64_t max, const char *object, uint64_t *ret,
               struct err *err) {
    json_t *value;
    int r = json_member(of, key, JSON_INTEGER, true, object, &value, err);
    if (r < 0) return r;
    json_int_t n = json_integer_value(value);
    if (n < 0 || (uint64_t)n > max)
        return err_set(err, ERR_CORRUPT, 0, object, "'%s' in its JSON is out of range", key);
    *ret = (uint64_t)n;
    return 0;
}

char *json_line(const json_t *json) {
    return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}
