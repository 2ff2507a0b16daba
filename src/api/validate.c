// SPDX-License-Identifier: Apache-2.0
#include "api/validate.h"

#include "api/value_int.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

// Where the check stands: a chain on the stack, written out only when something is wrong.
struct place {
    const struct place *outer;
    const char *member; // NULL: item `index`
    size_t index;
    unsigned depth;
};

static void place_write(const struct place *at, struct str *out) {
    if (!at) return;
    place_write(at->outer, out);
    if (at->member)
        str_printf(out, "%s%s", out->len ? "." : "", at->member);
    else
        str_printf(out, "[%zu]", at->index);
}

static const char *place_text(const struct place *at, struct str *out) {
    place_write(at, out);
    if (!out->len) str_add(out, "request body");
    return str_text(out);
}

// Returns from the calling check with an error about `at`.
#define refuse(at, schema, err, ...) \
    do { \
        struct str text_ auto_str = {0}; \
        err_set((err), ERR_INVALID, 0, place_text((at), &text_), __VA_ARGS__); \
        char next_[256]; \
        return err_next((err), "give %s", schema_wants((schema), next_, sizeof(next_))); \
    } while (0)

static enum api_type type_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return API_OBJECT;
    case JSON_ARRAY:
        return API_ARRAY;
    case JSON_STRING:
        return API_STRING;
    case JSON_INTEGER:
        return API_INTEGER;
    case JSON_REAL:
        return API_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return API_BOOLEAN;
    case JSON_NULL:
        break;
    }
    return API_NULL;
}

static const struct api_property *find(const struct api_schema *schema, const char *name) {
    for (size_t i = 0; i < schema->n_properties; i++)
        if (!strcmp(schema->properties[i].name, name)) return &schema->properties[i];
    return NULL;
}

static int check(const struct api_schema *schema, json_t *value, const struct place *at,
                 struct err *err);

// "did you mean" is left to the reader: the known members are listed, as many as fit.
static int refuse_member(const struct api_schema *schema, const struct place *at, struct err *err) {
    struct str text auto_str = {0}, known auto_str = {0};
    err_set(err, ERR_INVALID, 0, place_text(at, &text), "no such member is known here");
    for (size_t i = 0; i < schema->n_properties; i++)
        str_printf(&known, "%s%s", i ? ", " : "", schema->properties[i].name);
    if (!known.len) return err_next(err, "leave it out; nothing is taken here");
    return err_next(err, "leave it out, or use one of: %.330s", str_text(&known));
}

static int check_object(const struct api_schema *schema, json_t *value, const struct place *outer,
                        unsigned depth, struct err *err) {
    size_t size = json_object_size(value);
    if (size < schema->min_size || size > schema->max_size)
        refuse(outer, schema, err, "%zu members are too %s", size,
               size < schema->min_size ? "few" : "many");
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member) {
        struct place at = {.outer = outer, .member = name, .depth = depth};
        const struct api_property *property = find(schema, name);
        if (!property && !schema->rest) return refuse_member(schema, &at, err);
        const char *why = schema->names ? value_why_not(schema->names, name) : NULL;
        if (why) refuse(&at, schema->names, err, "the member's name %s", why);
        int r = check(property ? property->schema : schema->rest, member, &at, err);
        if (r < 0) return r;
    }
    for (size_t i = 0; i < schema->n_properties; i++) {
        const struct api_property *p = &schema->properties[i];
        if (!p->required || json_object_get(value, p->name)) continue;
        struct place at = {.outer = outer, .member = p->name, .depth = depth};
        refuse(&at, p->schema, err, "it is missing");
    }
    return 0;
}

static int check_array(const struct api_schema *schema, json_t *value, const struct place *outer,
                       unsigned depth, struct err *err) {
    size_t size = json_array_size(value);
    if (size < schema->min_size || size > schema->max_size)
        refuse(outer, schema, err, "%zu items are too %s", size,
               size < schema->min_size ? "few" : "many");
    for (size_t i = 0; i < size; i++) {
        struct place at = {.outer = outer, .index = i, .depth = depth};
        int r = check(schema->items, json_array_get(value, i), &at, err);
        if (r < 0) return r;
    }
    return 0;
}

static int check(const struct api_schema *schema, json_t *value, const struct place *at,
                 struct err *err) {
    unsigned depth = at ? at->depth + 1 : 1;
    if (depth > API_DEPTH_MAX) refuse(at, schema, err, "it is nested too deeply");
    enum api_type type = type_of(value);
    if (!(schema->types & type) && !(type == API_INTEGER && schema->types & API_NUMBER))
        refuse(at, schema, err, "it is %s", type_word(type));
    const char *why = NULL;
    switch (type) {
    case API_OBJECT:
        return check_object(schema, value, at, depth, err);
    case API_ARRAY:
        return schema->items ? check_array(schema, value, at, depth, err) : 0;
    case API_STRING:
        why = value_why_not(schema, json_string_value(value));
        break;
    case API_INTEGER:
    case API_NUMBER:
        if (json_number_value(value) < schema->minimum) why = "is too small";
        if (json_number_value(value) > schema->maximum) why = "is too large";
        break;
    case API_BOOLEAN:
    case API_NULL:
        break;
    }
    if (why) refuse(at, schema, err, "the value %s", why);
    return 0;
}

int api_validate(const struct api_schema *schema, json_t *value, struct err *err) {
    if (!value) refuse(NULL, schema, err, "it is missing");
    return check(schema, value, NULL, err);
}
