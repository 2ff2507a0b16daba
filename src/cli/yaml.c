// SPDX-License-Identifier: Apache-2.0
// YAML 1.1 through libyaml's emitter, which also keeps control characters out of it. Strings that a
// reader could take for something else are quoted.
#include "cli/output.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

static int collect(void *arg, unsigned char *bytes, size_t size) {
    struct str *ret = arg;
    str_add_n(ret, (const char *)bytes, size);
    return !ret->failed;
}

// Words that YAML 1.1 readers take for null, a truth value or a number.
static bool is_reserved(const char *text) {
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on",
                                        "off",  "y",    "n",     "nan", "inf"};
    for (size_t i = 0; i < array_len(words); i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}

static bool is_plain(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/0123456789.-";
    return *text && strchr(letters, *text) && strspn(text, more) == strlen(text) &&
           !is_reserved(text);
}

static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int made) {
    return made && yaml_emitter_emit(emitter, event);
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, bool plain) {
    yaml_event_t event;
    yaml_scalar_style_t style = plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (!plain && strchr(text, '\n') && !strpbrk(text, "\r\t\x1b"))
        style = YAML_LITERAL_SCALAR_STYLE; // libyaml quotes it after all when it has to
    return emit(emitter, &event,
                yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                             (int)strlen(text), 1, 1, style));
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value);

static bool emit_array(yaml_emitter_t *emitter, const json_t *array) {
    yaml_event_t event;
    yaml_sequence_style_t style =
        json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
    if (!emit(emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style)))
        return false;
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) if (!emit_value(emitter, item)) return false;
    return emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool emit_object(yaml_emitter_t *emitter, const json_t *object) {
    yaml_event_t event;
    yaml_mapping_style_t style =
        json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    if (!emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style)))
        return false;
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)object, key, item) {
        if (!emit_scalar(emitter, key, is_plain(key)) || !emit_value(emitter, item)) return false;
    }
    return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value) {
    char number[64];
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return emit_object(emitter, value);
    case JSON_ARRAY:
        return emit_array(emitter, value);
    case JSON_STRING:
        return emit_scalar(emitter, json_string_value(value), is_plain(json_string_value(value)));
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return emit_scalar(emitter, number, true);
    case JSON_REAL:
        snprintf(number, sizeof(number), "%.17g", json_real_value(value));
        // YAML 1.1 knows a float by its point.
        if (!strchr(number, '.')) {
            char *exponent = strchr(number, 'e');
            auto_free char *tail = mem_strdup(exponent ? exponent : "");
            snprintf(exponent ? exponent : number + strlen(number), 40, ".0%s", tail);
        }
        return emit_scalar(emitter, number, true);
    case JSON_TRUE:
        return emit_scalar(emitter, "true", true);
    case JSON_FALSE:
        return emit_scalar(emitter, "false", true);
    case JSON_NULL:
        return emit_scalar(emitter, "null", true);
    }
    return false;
}

int output_yaml(const json_t *value, struct str *ret, struct err *err) {
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter))
        return err_os(err, ENOMEM, "output", "no memory for it");
    yaml_emitter_set_output(&emitter, collect, ret);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    bool good =
        emit(&emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
        emit(&emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
        emit_value(&emitter, value) &&
        emit(&emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
        emit(&emitter, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&emitter);
    return good ? 0 : err_set(err, ERR_NO_SPACE, 0, "output", "cannot be written as YAML");
}
