// SPDX-License-Identifier: Apache-2.0
#include "api/value_int.h"

#include "api/validate.h"
#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *type_word(enum api_type type) {
    switch (type) {
    case API_OBJECT:
        return "an object";
    case API_ARRAY:
        return "a list";
    case API_STRING:
        return "a string";
    case API_INTEGER:
        return "a whole number";
    case API_NUMBER:
        return "a number";
    case API_BOOLEAN:
        return "true or false";
    case API_NULL:
        return "null";
    }
    return "something";
}

static void add(char *buf, size_t size, const char *text) {
    size_t len = strlen(buf);
    snprintf(buf + len, size - len, "%s", text);
}

static void add_range(char *buf, size_t size, const struct api_schema *schema) {
    char range[80] = "";
    if (isfinite(schema->minimum) && isfinite(schema->maximum))
        snprintf(range, sizeof(range), " from %.17g to %.17g", schema->minimum, schema->maximum);
    else if (isfinite(schema->minimum))
        snprintf(range, sizeof(range), ", %.17g or more", schema->minimum);
    add(buf, size, range);
}

static void add_sizes(char *buf, size_t size, const struct api_schema *schema, const char *unit) {
    char text[80] = "";
    if (schema->min_size && schema->max_size != UINT32_MAX)
        snprintf(text, sizeof(text), " of %" PRIu32 " to %" PRIu32 " %s", schema->min_size,
                 schema->max_size, unit);
    else if (schema->max_size != UINT32_MAX)
        snprintf(text, sizeof(text), " of at most %" PRIu32 " %s", schema->max_size, unit);
    add(buf, size, text);
}

const char *schema_wants(const struct api_schema *schema, char *buf, size_t size) {
    buf[0] = 0;
    if (schema->expected) add(buf, size, schema->expected);
    for (size_t i = 0; schema->words && schema->words[i]; i++) {
        add(buf, size, i ? ", \"" : schema->words[1] ? "one of \"" : "\"");
        add(buf, size, schema->words[i]);
        add(buf, size, "\"");
    }
    if (schema->time) add(buf, size, "a time such as \"2026-11-21T09:44:00Z\"");
    for (unsigned type = API_OBJECT; !buf[0] && type < API_NULL; type <<= 1) {
        if (!(schema->types & type)) continue;
        add(buf, size, type_word((enum api_type)type));
        if (type & (API_INTEGER | API_NUMBER)) add_range(buf, size, schema);
        if (type == API_STRING) add_sizes(buf, size, schema, "bytes");
        if (type == API_ARRAY) add_sizes(buf, size, schema, "items");
        if (type == API_OBJECT) add_sizes(buf, size, schema, "members");
    }
    if (schema->types & API_NULL) add(buf, size, buf[0] ? " or null" : "null");
    return buf;
}

bool value_matches(const struct api_class *pattern, size_t n, const char *text) {
    for (const struct api_class *c = pattern; c < pattern + n; c++) {
        uint32_t count = 0;
        for (; count < c->max && *text; count++, text++) {
            uint8_t byte = (uint8_t)*text;
            if (!(c->bytes[byte >> 5] >> (byte & 31) & 1)) break;
        }
        if (count < c->min) return false;
    }
    return !*text;
}

const char *value_why_not(const struct api_schema *schema, const char *text) {
    size_t len = strlen(text);
    if (schema->words) {
        size_t i = 0;
        while (schema->words[i] && strcmp(schema->words[i], text)) i++;
        return schema->words[i] ? NULL : "is not a word that is known here";
    }
    if (len < schema->min_size) return len ? "is too short" : "is empty";
    if (len > schema->max_size) return "is too long";
    if (schema->pattern && !value_matches(schema->pattern, schema->n_pattern, text))
        return len ? "is not of the right form" : "is empty";
    int64_t time_ns;
    if (schema->time && time_parse(text, &time_ns) < 0) return "is not a time";
    return NULL;
}

const char *api_shown(const char *text, char buf[API_SHOWN_SIZE]) {
    size_t size = strlen(text), max = API_SHOWN_SIZE - sizeof("…");
    bool cut = size > max;
    if (cut) {
        size = max;
        while (size && ((uint8_t)text[size] & 0xc0) == 0x80) size--;
    }
    bool utf8 = text_is_utf8(text, size);
    for (size_t i = 0; i < size; i++) buf[i] = !utf8 && (uint8_t)text[i] >= 0x80 ? '?' : text[i];
    strcpy(buf + size, cut ? "…" : "");
    return buf;
}

int api_parse_bool(const char *text) {
    if (!strcmp(text, "true") || !strcmp(text, "1")) return 1;
    return !strcmp(text, "false") || !strcmp(text, "0") ? 0 : -1;
}

// Optional minus, digits, nothing else; out of int64 counts as too large or too small.
static const char *integer_why_not(const struct api_schema *schema, const char *text) {
    bool negative = *text == '-';
    const char *digits = text + negative;
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return "is not a whole number";
    double value = 0;
    for (const char *p = digits; *p; p++) value = value * 10 + (*p - '0');
    if (negative) value = -value;
    if (value < schema->minimum || value < -0x1p63) return "is too small";
    return value > schema->maximum || value >= 0x1p63 ? "is too large" : NULL;
}

int api_validate_text(const char *where, const struct api_parameter *parameter, const char *text,
                      struct err *err) {
    const struct api_schema *schema = parameter->schema;
    if (schema->types & API_ARRAY) schema = schema->items;
    const char *why = NULL;
    if (schema->types & API_STRING)
        why = value_why_not(schema, text);
    else if (schema->types & API_BOOLEAN)
        why = api_parse_bool(text) < 0 ? "is neither true nor false" : NULL;
    else if (schema->types & API_INTEGER)
        why = integer_why_not(schema, text);
    if (!why) return 0;
    char object[128], next[256], shown[API_SHOWN_SIZE];
    snprintf(object, sizeof(object), "%s %s", where, parameter->name);
    err_set(err, ERR_INVALID, 0, object, "the value \"%s\" %s", api_shown(text, shown), why);
    return err_next(err, "give %s", schema_wants(schema, next, sizeof(next)));
}
