// SPDX-License-Identifier: Apache-2.0
#include "execution/container/schema.h"

#include "execution/container/spec.h"

#include <stdio.h>

// Where we are, for errors: one link per level, spelled out only when one is made.
struct at {
    const struct at *up;
    const char *name; // member, or NULL: element `index`
    size_t index;
};
struct fill {
    struct arena *arena;
    const char *file, *path;
    struct err *err;
};

static size_t at_spell(const struct at *at, const char *path, char *buf, size_t size) {
    if (!at) return (size_t)snprintf(buf, size, "%s", path);
    size_t len = at_spell(at->up, path, buf, size);
    if (len >= size) return len;
    if (!at->name) return len + (size_t)snprintf(buf + len, size - len, "[%zu]", at->index);
    return len + (size_t)snprintf(buf + len, size - len, "%s%s", len ? "." : "", at->name);
}

static const char *json_word(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a fraction";
    case JSON_NULL:
        return "null";
    default:
        return "a truth value";
    }
}

static int bad(const struct fill *f, const struct at *at, const char *want, const json_t *got) {
    char path[256];
    at_spell(at, f->path, path, sizeof(path));
    return err_set(f->err, ERR_INVALID, 0, f->file, "%s is %s, expected %s",
                   path[0] ? path : "the document", json_word(got), want);
}

static int no_memory(const struct fill *f) {
    return err_set(f->err, ERR_NO_SPACE, 0, f->file, "it holds more than fits in memory");
}

static int fill_string(const struct fill *f, const struct at *at, const json_t *value, char **ret) {
    if (!json_is_string(value)) return bad(f, at, "a string", value);
    size_t len = json_string_length(value);
    if (memchr(json_string_value(value), 0, len)) {
        char path[256];
        at_spell(at, f->path, path, sizeof(path));
        return err_set(f->err, ERR_INVALID, 0, f->file, "%s holds a NUL character", path);
    }
    *ret = arena_strndup(f->arena, json_string_value(value), len);
    return *ret ? 0 : no_memory(f);
}

static int fill_strings(const struct fill *f, const struct at *at, const json_t *value,
                        struct oci_strings *ret) {
    if (!json_is_array(value)) return bad(f, at, "a list of strings", value);
    size_t n = json_array_size(value);
    ret->items = arena_array(f->arena, n + 1, sizeof(char *));
    if (!ret->items) return no_memory(f);
    for (ret->len = 0; ret->len < n; ret->len++) {
        struct at element = {.up = at, .index = ret->len};
        int r = fill_string(f, &element, json_array_get(value, ret->len), &ret->items[ret->len]);
        if (r < 0) return r;
    }
    return 0;
}

static int fill_pairs(const struct fill *f, const struct at *at, const json_t *value,
                      struct oci_pairs *ret) {
    if (!json_is_object(value)) return bad(f, at, "an object of strings", value);
    ret->items = arena_array(f->arena, json_object_size(value) + 1, sizeof(*ret->items));
    if (!ret->items) return no_memory(f);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        struct at element = {.up = at, .name = key};
        struct oci_pair *pair = &ret->items[ret->len];
        pair->key = arena_strdup(f->arena, key);
        if (!pair->key) return no_memory(f);
        int r = fill_string(f, &element, item, &pair->value);
        if (r < 0) return r;
        ret->len++;
    }
    return 0;
}

// A whole number between min and max. jansson keeps integers as int64, so values past that arrive
// as reals: 2^64-1, which people write for "unlimited", is taken as such.
static int fill_number(const struct fill *f, const struct at *at, const json_t *value, int64_t min,
                       uint64_t max, uint64_t *ret) {
    if (json_is_real(value) && max == UINT64_MAX && json_real_value(value) >= 9.2e18 &&
        json_real_value(value) <= 18446744073709551616.0) {
        double real = json_real_value(value);
        *ret = real >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)real;
        return 0;
    }
    if (!json_is_integer(value)) return bad(f, at, "a whole number", value);
    int64_t number = json_integer_value(value);
    if (number < min || (number >= 0 && (uint64_t)number > max)) {
        char path[256];
        at_spell(at, f->path, path, sizeof(path));
        return err_set(f->err, ERR_INVALID, 0, f->file, "%s is %lld, expected %lld to %llu", path,
                       (long long)number, (long long)min, (unsigned long long)max);
    }
    *ret = (uint64_t)number;
    return 0;
}

static int fill_object(const struct fill *f, const struct at *at, const json_t *object,
                       const struct schema *schema, char *into);

static int fill_list(const struct fill *f, const struct at *at, const json_t *value,
                     const struct schema *sub, void *into) {
    OCI_LIST(char) *list = into;
    if (!json_is_array(value)) return bad(f, at, "a list", value);
    size_t n = json_array_size(value), item = sub ? sub->size : sizeof(uint32_t);
    list->items = arena_array(f->arena, n + 1, item);
    if (!list->items) return no_memory(f);
    for (list->len = 0; list->len < n; list->len++) {
        struct at element = {.up = at, .index = list->len};
        const json_t *one = json_array_get(value, list->len);
        char *slot = list->items + list->len * item;
        uint64_t number = 0;
        int r = sub ? fill_object(f, &element, one, sub, slot)
                    : fill_number(f, &element, one, 0, UINT32_MAX, &number);
        if (r < 0) return r;
        if (!sub) *(uint32_t *)(void *)slot = (uint32_t)number;
    }
    return 0;
}

static int fill_field(const struct fill *f, const struct at *at, const json_t *value,
                      const struct schema_field *field, void *into) {
    uint64_t number = 0;
    int r;
    switch (field->type) {
    case SCHEMA_STRING:
        return fill_string(f, at, value, into);
    case SCHEMA_BOOL:
        if (!json_is_boolean(value)) return bad(f, at, "true or false", value);
        *(bool *)into = json_is_true(value);
        return 0;
    case SCHEMA_FLAG:
        if (!json_is_boolean(value)) return bad(f, at, "true or false", value);
        *(struct oci_flag *)into = (struct oci_flag){true, json_is_true(value)};
        return 0;
    case SCHEMA_INT:
        if ((r = fill_number(f, at, value, INT64_MIN, INT64_MAX, &number)) < 0) return r;
        *(struct oci_int *)into = (struct oci_int){true, (int64_t)number};
        return 0;
    case SCHEMA_UINT:
        if ((r = fill_number(f, at, value, 0, UINT64_MAX, &number)) < 0) return r;
        *(struct oci_uint *)into = (struct oci_uint){true, number};
        return 0;
    case SCHEMA_I64:
        if ((r = fill_number(f, at, value, INT64_MIN, INT64_MAX, &number)) < 0) return r;
        *(int64_t *)into = (int64_t)number;
        return 0;
    case SCHEMA_U64:
        return fill_number(f, at, value, 0, UINT64_MAX, into);
    case SCHEMA_U32:
        if ((r = fill_number(f, at, value, 0, UINT32_MAX, &number)) < 0) return r;
        *(uint32_t *)into = (uint32_t)number;
        return 0;
    case SCHEMA_STRINGS:
        return fill_strings(f, at, value, into);
    case SCHEMA_PAIRS:
        return fill_pairs(f, at, value, into);
    case SCHEMA_INLINE:
        return fill_object(f, at, value, field->sub, into);
    case SCHEMA_OBJECT: {
        void *object = arena_alloc(f->arena, field->sub->size);
        if (!object) return no_memory(f);
        *(void **)into = object;
        return fill_object(f, at, value, field->sub, object);
    }
    case SCHEMA_LIST:
    case SCHEMA_U32_LIST:
        return fill_list(f, at, value, field->sub, into);
    }
    return 0;
}

static int fill_object(const struct fill *f, const struct at *at, const json_t *object,
                       const struct schema *schema, char *into) {
    if (!json_is_object(object)) return bad(f, at, "an object", object);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *field = &schema->fields[i];
        const json_t *value = json_object_get(object, field->name);
        struct at member = {.up = at, .name = field->name};
        if (!value || json_is_null(value)) {
            if (!field->required) continue;
            char path[256];
            at_spell(&member, f->path, path, sizeof(path));
            return err_set(f->err, ERR_INVALID, 0, f->file, "%s is missing", path);
        }
        int r = fill_field(f, &member, value, field, into + field->offset);
        if (r < 0) return r;
    }
    return 0;
}

int schema_fill(struct arena *arena, const char *file, const char *path, const json_t *object,
                const struct schema *schema, void *into, struct err *err) {
    struct fill f = {.arena = arena, .file = file, .path = path, .err = err};
    return fill_object(&f, NULL, object, schema, into);
}
