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

// Starts an operation, shows how far it is, and prints the images that it brought.
static int make(const struct cli_call *call, const json_t *body, struct err *err) {
    auto_str struct str url = {0};
    json_t *operation = NULL, *result = NULL;
    request_target(call, NULL, &url);
    int r = client_json(call->client, "POST", str_text(&url), body, &operation, err);
    if (r >= 0) r = wait_operation(call, operation, &result, err);
    json_decref(operation);
    const json_t *images = json_object_get(result, "images");
    if (r >= 0 && json_is_array(images)) {
        struct output output = call->output;
        if (!output.chosen) output.quiet = true; // names alone
        r = output_list(&output, &listing, images, err);
    } else if (r >= 0 && result) {
        r = output_object(&call->output, result, err);
    }
    json_decref(result);
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
    r = make(call, body, err);
    json_decref(body);
    return r;
}

int image_prune(const struct cli_call *call, struct err *err) {
    return make(call, NULL, err);
}
