// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int output_format_parse(const char *word, enum output_format *ret, struct err *err) {
    static const char *const words[] = {"table", "json", "yaml", "csv"};
    for (size_t i = 0; i < array_len(words); i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *ret = (enum output_format)i;
        return 0;
    }
    err_set(err, ERR_INVALID, 0, "flag --format", "\"%.60s\" is not a format", word);
    return err_next(err, "use table, json, yaml or csv");
}

void output_init(struct output *output) {
    *output = (struct output){
        .file = stdout,
        .terminal = isatty(STDOUT_FILENO) == 1,
        .now_ns = clock_realtime(clock_system()),
    };
    struct winsize size;
    if (output->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        output->width = size.ws_col;
}

const json_t *output_lookup(const json_t *object, const char *path) {
    const json_t *at = object;
    while (at) {
        size_t n = strcspn(path, ".");
        char key[64];
        if (n >= sizeof(key)) return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        at = json_object_get(at, key);
        if (!path[n]) return at;
        path += n + 1;
    }
    return NULL;
}

void output_escape(struct str *ret, const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '\n')
            str_add(ret, "\\n");
        else if (*at == '\t')
            str_add(ret, "\\t");
        else if (*at < 0x20 || *at == 0x7f)
            str_printf(ret, "\\x%02x", *at);
        // The C1 controls, U+0080..U+009F, steer terminals too.
        else if (*at == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
            str_printf(ret, "\\x%02x", *++at);
        else
            str_add_char(ret, (char)*at);
    }
}

static void add_plain(struct str *ret, const json_t *value) {
    const char *key;
    json_t *item;
    size_t i;
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        str_add(ret, json_string_value(value));
        break;
    case JSON_INTEGER:
        str_printf(ret, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        str_printf(ret, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        str_add(ret, "true");
        break;
    case JSON_FALSE:
        str_add(ret, "false");
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, item) {
            if (i) str_add(ret, ", ");
            add_plain(ret, item);
        }
        break;
    case JSON_OBJECT:
        json_object_foreach((json_t *)value, key, item) {
            if (ret->len && ret->data[ret->len - 1] != ' ') str_add_char(ret, ' ');
            str_printf(ret, "%s=", key);
            add_plain(ret, item);
        }
        break;
    case JSON_NULL:
        break;
    }
}

// The value for a person; false when the kind does not fit it and it is to be shown as it is.
static bool add_human(const struct output *output, enum column_kind kind, const json_t *value,
                      struct str *ret) {
    char text[SIZE_TEXT_SIZE > AGE_TEXT_SIZE ? SIZE_TEXT_SIZE : AGE_TEXT_SIZE];
    int64_t time_ns;
    if (kind == COLUMN_SIZE && json_is_integer(value)) { // a negative one says that there is none
        json_int_t bytes = json_integer_value(value);
        if (bytes >= 0) str_add(ret, text_format_size((uint64_t)bytes, text));
    } else if (kind == COLUMN_AGE && json_is_string(value) &&
               time_parse(json_string_value(value), &time_ns) == 0) {
        int64_t age = output->now_ns - time_ns;
        str_add(ret, text_format_age(age > 0 ? age : 0, text));
    } else if (kind == COLUMN_NANO && json_is_integer(value)) {
        str_printf(ret, "%.2f s", (double)json_integer_value(value) / 1e9);
    } else if (kind == COLUMN_ID && json_is_string(value)) {
        const char *id = json_string_value(value);
        if (str_starts(id, "sha256:")) id += strlen("sha256:");
        str_add_n(ret, id, strnlen(id, 12));
    } else {
        return false;
    }
    return true;
}

void output_cell(const struct output *output, const struct column *column, const json_t *object,
                 struct str *ret) {
    auto_str struct str text = {0};
    const json_t *value = output_lookup(object, column->path);
    if (!add_human(output, column->kind, value, &text)) add_plain(&text, value);
    if (text.len == 0)
        str_add_char(ret, '-');
    else
        output_escape(ret, str_text(&text));
}

static void add_csv(struct str *ret, const char *text) {
    if (!strpbrk(text, ",\"\r\n") && *text != ' ' && !str_ends(text, " ")) {
        str_add(ret, text);
        return;
    }
    str_add_char(ret, '"');
    for (; *text; text++) {
        if (*text == '"') str_add_char(ret, '"');
        str_add_char(ret, *text);
    }
    str_add_char(ret, '"');
}

void output_csv_header(const struct listing *listing, struct str *ret) {
    for (size_t i = 0; i < listing->n_columns; i++) {
        if (i) str_add_char(ret, ',');
        add_csv(ret, listing->columns[i].path);
    }
    str_add(ret, "\r\n");
}

void output_csv_row(const struct listing *listing, const json_t *object, struct str *ret) {
    for (size_t i = 0; i < listing->n_columns; i++) {
        auto_str struct str text = {0};
        add_plain(&text, output_lookup(object, listing->columns[i].path));
        if (i) str_add_char(ret, ',');
        add_csv(ret, str_text(&text));
    }
    str_add(ret, "\r\n");
}

// Prints what was collected. text is in memory as a whole: a failed list prints nothing of it.
static int print(const struct output *output, struct str *text, struct err *err) {
    if (text->failed) return err_os(err, ENOMEM, "output", "no memory for it");
    if (fwrite(str_text(text), 1, text->len, output->file) != text->len ||
        fflush(output->file) != 0)
        return err_os(err, errno, "output", "cannot write it");
    return 0;
}

// CSV is for machines and carries what there is; on a terminal it is looked at, so it is escaped
// there, line ends of the format apart.
static void escape_lines(struct str *text) {
    auto_str struct str escaped = {0};
    char *at = text->data;
    for (char *end; at && (end = strstr(at, "\r\n")) != NULL; at = end + 2) {
        *end = '\0';
        output_escape(&escaped, at);
        str_add(&escaped, "\r\n");
    }
    str_free(text);
    *text = escaped;
    escaped = (struct str){0};
}

static int add_json(const struct output *output, const json_t *value, size_t flags,
                    struct str *ret) {
    if (output->terminal) flags |= JSON_ENSURE_ASCII;
    auto_free char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
    if (!text) return -ENOMEM;
    str_add(ret, text);
    str_add_char(ret, '\n');
    return 0;
}

int output_object(const struct output *output, const json_t *object, struct err *err) {
    auto_str struct str text = {0};
    if (output->format == OUTPUT_CSV) {
        err_set(err, ERR_INVALID, 0, "flag --format", "one object does not make a CSV table");
        return err_next(err, "use json or yaml here");
    }
    if (output->format == OUTPUT_YAML) {
        int r = output_yaml(object, &text, err);
        if (r < 0) return r;
    } else if (add_json(output, object, JSON_INDENT(2), &text) < 0) {
        return err_os(err, ENOMEM, "output", "no memory for it");
    }
    return print(output, &text, err);
}

static void add_quiet(const struct listing *listing, const json_t *object, struct str *ret) {
    const json_t *value = output_lookup(object, listing->quiet);
    if (json_is_array(value)) value = json_array_get(value, 0);
    if (!value) value = json_object_get(object, "id"); // such as an image without a name
    auto_str struct str text = {0};
    add_plain(&text, value);
    if (text.len) output_escape(ret, str_text(&text)), str_add_char(ret, '\n');
}

int output_list(const struct output *output, const struct listing *listing, const json_t *items,
                struct err *err) {
    auto_str struct str text = {0};
    size_t i;
    json_t *item;
    if (output->quiet) {
        json_array_foreach(items, i, item) add_quiet(listing, item, &text);
    } else if (output->format == OUTPUT_TABLE) {
        output_table(output, listing, items, &text);
    } else if (output->format == OUTPUT_CSV) {
        if (!output->no_header) output_csv_header(listing, &text);
        json_array_foreach(items, i, item) output_csv_row(listing, item, &text);
        if (output->terminal) escape_lines(&text);
    } else {
        return output_object(output, items, err);
    }
    return print(output, &text, err);
}

int output_card(const struct output *output, const struct listing *listing, const json_t *object,
                struct err *err) {
    if (output->quiet || output->format == OUTPUT_CSV) {
        json_t *items = json_pack("[O]", object);
        int r = output_list(output, listing, items, err);
        json_decref(items);
        return r;
    }
    if (output->format != OUTPUT_TABLE) return output_object(output, object, err);
    auto_str struct str text = {0};
    size_t width = 0;
    for (size_t i = 0; i < listing->n_columns; i++) {
        size_t n = output_text_width(listing->columns[i].title);
        if (n > width) width = n;
    }
    for (size_t i = 0; i < listing->n_columns; i++) {
        str_printf(&text, "%-*s  ", (int)width, listing->columns[i].title);
        output_cell(output, &listing->columns[i], object, &text);
        str_add_char(&text, '\n');
    }
    return print(output, &text, err);
}

int output_row(const struct output *output, const struct listing *listing, const json_t *object,
               bool first, struct err *err) {
    auto_str struct str text = {0};
    int r = 0;
    if (output->quiet) {
        add_quiet(listing, object, &text);
    } else if (output->format == OUTPUT_JSON) {
        r = add_json(output, object, JSON_COMPACT, &text);
    } else if (output->format == OUTPUT_YAML) {
        str_add(&text, "---\n");
        r = output_yaml(object, &text, err);
    } else if (output->format == OUTPUT_CSV) {
        if (first && !output->no_header) output_csv_header(listing, &text);
        output_csv_row(listing, object, &text);
        if (output->terminal) escape_lines(&text);
    } else {
        for (size_t i = 0; i < listing->n_columns; i++) {
            if (i) str_add(&text, "  ");
            output_cell(output, &listing->columns[i], object, &text);
        }
        str_add_char(&text, '\n');
    }
    return r < 0 ? r : print(output, &text, err);
}
