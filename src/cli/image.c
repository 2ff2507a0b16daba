// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"
#include "cli/fields.h"
#include "cli/request.h"
#include "cli/url.h"
#include "cli/wait.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "names", COLUMN_TEXT},         {"ID", "id", COLUMN_ID},
    {"SIZE", "size_bytes", COLUMN_SIZE},    {"ARCHITECTURE", "architecture", COLUMN_TEXT},
    {"IMPORTED", "created_at", COLUMN_AGE}, {"BUILT", "built_at", COLUMN_AGE},
};
static const struct listing listing = {columns, array_len(columns), "names"};

int image_ls(const struct cli_call *call, struct err *err) {
    return request_list(call, &listing, err);
}

int image_inspect(const struct cli_call *call, struct err *err) {
    return request_inspect(call, err);
}

static int remove_one(const struct cli_call *call, const char *image, void *arg, struct err *err) {
    auto_str struct str url = {0}, text = {0};
    json_t *removed = NULL, *name;
    size_t i;
    request_target(call, image, &url);
    int r = client_json(call->client, "DELETE", str_text(&url), NULL, &removed, err);
    if (r < 0) return r;
    json_array_foreach(json_object_get(removed, "removed_names"), i, name) {
        str_add(&text, "untagged ");
        output_escape(&text, json_is_string(name) ? json_string_value(name) : "");
        str_add_char(&text, '\n');
    }
    const char *id = json_string_value(json_object_get(removed, "removed_id"));
    if (id) {
        str_add(&text, "removed ");
        output_escape(&text, id);
        str_add_char(&text, '\n');
    }
    if (!call->output.quiet) fputs(str_text(&text), stdout);
    json_decref(removed);
    return 0;
}

int image_rm(const struct cli_call *call, struct err *err) {
    return request_each(call, remove_one, NULL, err);
}

int image_tag(const struct cli_call *call, struct err *err) {
    auto_str struct str url = {0};
    json_t *body = NULL, *image = NULL;
    int r = fields_body(call->args, NULL, &body, err);
    if (r < 0) return r;
    request_target(call, call->args->words.items[0], &url);
    r = client_json(call->client, "POST", str_text(&url), body, &image, err);
    json_decref(body);
    if (r >= 0 && call->output.chosen) r = output_object(&call->output, image, err);
    json_decref(image);
    return r;
}

// The name that was asked for among those of an image, else its first one.
static const char *made_name(const struct cli_call *call, const json_t *image) {
    const char *asked = args_value(call->args, "name");
    const json_t *names = json_object_get(image, "names");
    size_t i, n = asked ? strlen(asked) : 0;
    json_t *name;
    json_array_foreach(names, i, name) {
        const char *text = json_string_value(name);
        bool same = text && asked && strncmp(text, asked, n) == 0;
        if (same && (!text[n] || strcmp(text + n, ":latest") == 0)) return text;
    }
    const char *first = json_string_value(json_array_get(names, 0));
    return first ? first : json_string_value(json_object_get(image, "id"));
}

int image_print_made(const struct cli_call *call, const json_t *result, struct err *err) {
    const json_t *images = json_object_get(result, "images");
    if (call->output.chosen || call->output.quiet)
        return output_list(&call->output, &listing, images, err);
    size_t i;
    json_t *image;
    json_array_foreach(images, i, image) {
        auto_str struct str text = {0};
        const char *name = made_name(call, image);
        output_escape(&text, name ? name : "");
        printf("%s\n", str_text(&text));
    }
    return 0;
}

// Starts an operation and shows how far it is, to its end. The caller owns *ret.
static int make(const struct cli_call *call, const json_t *body, json_t **ret, struct err *err) {
    auto_str struct str url = {0};
    json_t *operation = NULL;
    request_target(call, NULL, &url);
    int r = client_json(call->client, "POST", str_text(&url), body, &operation, err);
    if (r >= 0) r = wait_operation(call, operation, ret, err);
    json_decref(operation);
    return r;
}

int image_build(const struct cli_call *call, struct err *err) {
    const char *suite = args_value(call->args, "from-debian");
    bool busybox = args_has(call->args, "busybox");
    if (!suite == !busybox) {
        err_set(err, ERR_INVALID, 0, "command image build",
                suite ? "--from-debian and --busybox exclude each other"
                      : "it is not said what to build");
        return err_next(err, "name one: --from-debian bookworm, or --busybox");
    }
    json_t *body = NULL;
    int r = fields_body(call->args, NULL, &body, err);
    if (r < 0) return r;
    json_object_set_new(body, "from", json_string(suite ? "debian" : "busybox"));
    client_may_start(call->client); // an image is what people begin with
    json_t *result = NULL;
    r = make(call, body, &result, err);
    if (r >= 0) r = image_print_made(call, result, err);
    json_decref(body);
    json_decref(result);
    return r;
}

int image_prune(const struct cli_call *call, struct err *err) {
    static const struct column freed[] = {
        {"Images", "images", COLUMN_NUMBER},
        {"Layers", "layers", COLUMN_NUMBER},
        {"Blobs", "blobs", COLUMN_NUMBER},
        {"Freed", "freed_bytes", COLUMN_SIZE},
    };
    static const struct listing removed = {freed, array_len(freed), "freed_bytes"};
    json_t *result = NULL;
    int r = make(call, NULL, &result, err);
    if (r >= 0 && result) r = output_card(&call->output, &removed, result, err);
    json_decref(result);
    return r;
}
