// SPDX-License-Identifier: Apache-2.0
#include "cli/request.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/fields.h"
#include "cli/filter.h"
#include "cli/url.h"
#include "cli/wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void request_path(const struct cli_call *call, const char *object, struct str *url) {
    const char *path = call->command->path;
    for (const char *hole; (hole = strchr(path, '{')) != NULL;) {
        str_add_n(url, path, (size_t)(hole - path));
        path = hole + strcspn(hole, "}");
        if (*path) path++;
        // The project of the objects in it, unless the command is about projects themselves.
        bool outer = str_starts(hole, "{project}") && strchr(path, '{');
        bool scoped = str_starts(hole, "{project}") && !object;
        url_path(url, "{}", outer || scoped ? call->project : object);
    }
    str_add(url, path);
}

void request_target(const struct cli_call *call, const char *object, struct str *url) {
    request_path(call, object, url);
    fields_query(call->args, NULL, url);
}

int request_body(const struct cli_call *call, json_t **ret, struct err *err) {
    int r = fields_body(call->args, NULL, ret, err);
    if (r >= 0 && json_object_size(*ret) == 0) {
        json_decref(*ret);
        *ret = NULL;
    }
    return r;
}

int request_each(const struct cli_call *call, request_one_fn *fn, void *arg, struct err *err) {
    int first_failure = 0;
    for (size_t i = 0; i < call->args->words.len; i++) {
        err_clear(err);
        int r = fn(call, call->args->words.items[i], arg, err);
        if (r >= 0) continue;
        if (call->args->words.len == 1) return r;
        err_print(err);
        if (!first_failure) first_failure = err_kind_exit(err->kind);
        // Without a daemon the others fail the same way.
        if (err->kind == ERR_UNAVAILABLE || err->kind == ERR_CANCELLED) break;
    }
    err_clear(err);
    return first_failure;
}

int request_print_list(const struct cli_call *call, const struct listing *listing, json_t *items,
                       struct err *err) {
    filter_apply(call->args, listing, items);
    return output_list(&call->output, listing, items, err);
}

int request_list(const struct cli_call *call, const struct listing *listing, struct err *err) {
    auto_str struct str url = {0};
    json_t *answer = NULL;
    int r = filter_check(call->args, listing, err);
    if (r < 0) return r;
    request_target(call, NULL, &url);
    r = client_get(call->client, str_text(&url), &answer, err);
    if (r < 0) return r;
    r = request_print_list(call, listing, json_object_get(answer, "items"), err);
    json_decref(answer);
    return r;
}

static int inspect_one(const struct cli_call *call, const char *object, void *arg,
                       struct err *err) {
    auto_str struct str url = {0};
    json_t *found = NULL;
    request_target(call, object, &url);
    int r = client_get(call->client, str_text(&url), &found, err);
    if (r >= 0) json_array_append_new(arg, found);
    return r;
}

int request_inspect(const struct cli_call *call, struct err *err) {
    static const struct column name[] = {{"NAME", "name", COLUMN_TEXT}};
    static const struct listing names = {name, array_len(name), "id"};
    json_t *found = json_array();
    int exit_code = request_each(call, inspect_one, found, err), r = 0;
    if (exit_code >= 0 && json_array_size(found)) {
        if (call->output.quiet)
            r = output_list(&call->output, &names, found, err);
        else
            r = output_object(&call->output,
                              call->args->words.len == 1 ? json_array_get(found, 0) : found, err);
    }
    json_decref(found);
    return r < 0 ? r : exit_code;
}

// The word of what was done, for people and scripts.
static int say(const struct cli_call *call, const char *word, struct err *err) {
    auto_str struct str text = {0};
    output_escape(&text, word);
    if (fprintf(call->output.file, "%s\n", str_text(&text)) < 0)
        return err_os(err, EIO, "standard output", "cannot write to it");
    return 0;
}

static bool cancels(const struct cli_call *call) {
    return strcmp(call->command->name, "operation cancel") == 0;
}

static int act_one(const struct cli_call *call, const char *object, void *arg, struct err *err) {
    auto_str struct str url = {0};
    json_t *answer = NULL;
    bool no_wait = args_has(call->args, "no-wait");
    request_target(call, object, &url);
    // Short ones end within the one request; of longer ones the progress is shown.
    if (!no_wait && call->command->waits) url_query(&url, "wait", "1");
    struct client_request request = {.method = call->command->method,
                                     .path = str_text(&url),
                                     .body = arg};
    int r = client_send(call->client, &request, err);
    if (r >= 0) r = client_read_json(call->client, &answer, err);
    if (r >= 0 && no_wait && wait_is_operation(answer))
        r = say(call, json_string_value(json_object_get(answer, "id")), err);
    else if (r >= 0) {
        if (wait_is_operation(answer)) r = wait_operation(call, answer, NULL, err);
        if (r < 0 && err->kind == ERR_CANCELLED && cancels(call)) {
            err_clear(err); // that was the wish
            r = 0;
        }
        if (r >= 0) r = say(call, object, err);
    }
    json_decref(answer);
    return r;
}

int request_act(const struct cli_call *call, struct err *err) {
    json_t *body;
    int r = request_body(call, &body, err);
    if (r < 0) return r;
    r = request_each(call, act_one, body, err);
    json_decref(body);
    return r;
}

int request_print_made(const struct cli_call *call, const json_t *object, struct err *err) {
    if (call->output.chosen && call->output.format != OUTPUT_TABLE && !call->output.quiet)
        return output_object(&call->output, object, err);
    const char *word =
        json_string_value(json_object_get(object, call->output.quiet ? "id" : "name"));
    return say(call, word ? word : "", err);
}

int request_create(const struct cli_call *call, struct err *err) {
    auto_str struct str url = {0};
    json_t *body, *made = NULL;
    int r = fields_body(call->args, NULL, &body, err);
    if (r < 0) return r;
    // PATCH names its object by the first word, POST has it in the body.
    bool patch = strcmp(call->command->method, "PATCH") == 0;
    request_target(call, patch ? call->args->words.items[0] : NULL, &url);
    r = client_json(call->client, call->command->method, str_text(&url), body, &made, err);
    json_decref(body);
    if (r >= 0) r = request_print_made(call, made, err);
    json_decref(made);
    return r;
}
