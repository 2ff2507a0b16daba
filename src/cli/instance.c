// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"
#include "cli/fields.h"
#include "cli/filter.h"
#include "cli/request.h"
#include "cli/spec.h"
#include "cli/url.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", COLUMN_TEXT},
    {"ID", "id", COLUMN_ID},
    {"IMAGE", "image", COLUMN_TEXT},
    {"LEVEL", "level", COLUMN_TEXT},
    {"STATE", "status.state", COLUMN_TEXT},
    {"EXIT", "status.exit_code", COLUMN_NUMBER},
    {"AGE", "created_at", COLUMN_AGE},
    {"PROJECT", "project", COLUMN_TEXT}, // last: only where it is not always the same
};

static bool filters_by_state(const struct args *args) {
    for (size_t i = 0; i < args->flags.len; i++)
        if (strcmp(args->flags.items[i].flag->name, "filter") == 0 &&
            str_starts(args->flags.items[i].value, "state="))
            return true;
    return false;
}

int instance_ps(const struct cli_call *call, struct err *err) {
    static const char *const alive[] = {"starting", "running", "paused", "stopping"};
    bool all_projects = args_has(call->args, "all-projects");
    bool all_columns = all_projects || call->output.format == OUTPUT_CSV;
    struct listing listing = {columns, array_len(columns) - !all_columns, "id"};
    int r = filter_check(call->args, &listing, err);
    if (r < 0) return r;
    auto_str struct str url = {0};
    if (all_projects)
        str_add(&url, "/v1/instances");
    else
        request_path(call, NULL, &url);
    if (!args_has(call->args, "all") && !filters_by_state(call->args))
        for (size_t i = 0; i < array_len(alive); i++) url_query(&url, "state", alive[i]);
    for (size_t i = 0; i < call->args->flags.len; i++) { // the daemon has labels at hand
        const struct args_flag *given = &call->args->flags.items[i];
        if (strcmp(given->flag->name, "filter") == 0 && str_starts(given->value, "label=") &&
            !strpbrk(given->value, "*?["))
            url_query(&url, "label", given->value + strlen("label="));
    }
    json_t *answer = NULL;
    r = client_get(call->client, str_text(&url), &answer, err);
    if (r >= 0) r = request_print_list(call, &listing, json_object_get(answer, "items"), err);
    json_decref(answer);
    return r;
}

int instance_create(const struct cli_call *call, struct err *err) {
    auto_str struct str url = {0};
    json_t *body = NULL, *made = NULL;
    int r = spec_body(call->args, &body, err);
    if (r < 0) return r;
    client_may_start(call->client);
    url_path(&url, "/v1/projects/{}/instances", call->project);
    r = client_json(call->client, "POST", str_text(&url), body, &made, err);
    json_decref(body);
    if (r >= 0) r = request_print_made(call, made, err);
    json_decref(made);
    return r;
}

int instance_inspect(const struct cli_call *call, struct err *err) {
    return request_inspect(call, err);
}

int instance_act(const struct cli_call *call, struct err *err) {
    return request_act(call, err);
}

// A limit of 0, or an empty one, is taken away: null in a merge patch (RFC 7396).
static void lift_limits(json_t *body) {
    const char *key;
    json_t *limits = json_object_get(body, "limits"), *value;
    void *next;
    json_object_foreach_safe(limits, next, key, value) {
        bool lifted = (json_is_number(value) && json_number_value(value) == 0) ||
                      (json_is_string(value) && !*json_string_value(value));
        if (lifted) json_object_set_new(limits, key, json_null());
    }
}

int instance_update(const struct cli_call *call, struct err *err) {
    auto_str struct str url = {0};
    json_t *body = NULL, *changed = NULL;
    int r = fields_body(call->args, NULL, &body, err);
    if (r < 0) return r;
    if (json_object_size(body) == 0) {
        json_decref(body);
        err_set(err, ERR_INVALID, 0, "command update", "nothing was named that is to change");
        return err_next(err, "see trine update --help");
    }
    lift_limits(body);
    request_target(call, call->args->words.items[0], &url);
    r = client_json(call->client, "PATCH", str_text(&url), body, &changed, err);
    json_decref(body);
    if (r >= 0) r = request_print_made(call, changed, err);
    json_decref(changed);
    return r;
}

int instance_start(const struct cli_call *call, struct err *err) {
    if (!args_has(call->args, "attach")) return request_act(call, err);
    if (call->args->words.len > 1)
        return err_set(err, ERR_INVALID, 0, "flag --attach", "it takes one instance, not %zu",
                       call->args->words.len);
    auto_str struct str url = {0};
    json_t *instance = NULL;
    url_path(&url, "/v1/projects/{}/instances/{}", call->project, call->args->words.items[0]);
    int r = client_get(call->client, str_text(&url), &instance, err);
    if (r < 0) return r;
    struct foreground what = {
        .id = json_string_value(json_object_get(instance, "id")),
        .name = json_string_value(json_object_get(instance, "name")),
        .input = json_is_true(json_object_get(instance, "stdin_open")),
        .terminal = json_is_true(json_object_get(instance, "terminal")),
        .start = true,
    };
    r = run_foreground(call, &what, err);
    json_decref(instance);
    return r;
}

static int wait_one(const struct cli_call *call, const char *object, void *arg, struct err *err) {
    auto_str struct str url = {0};
    json_t *end = NULL;
    request_target(call, object, &url);
    int r = client_json(call->client, "POST", str_text(&url), NULL, &end, err);
    if (r < 0) return r;
    const json_t *code = json_object_get(end, "exit_code");
    if (json_is_integer(code))
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(code));
    else
        printf("-\n");
    fflush(stdout);
    json_decref(end);
    return 0;
}

int instance_wait(const struct cli_call *call, struct err *err) {
    return request_each(call, wait_one, NULL, err);
}

int instance_top(const struct cli_call *call, struct err *err) {
    static const struct column process_columns[] = {
        {"PID", "pid", COLUMN_NUMBER},           {"PPID", "ppid", COLUMN_NUMBER},
        {"USER", "user", COLUMN_TEXT},           {"CPU", "cpu_ns", COLUMN_NANO},
        {"MEMORY", "memory_bytes", COLUMN_SIZE}, {"COMMAND", "command", COLUMN_TEXT},
    };
    static const struct listing processes = {process_columns, array_len(process_columns), "pid"};
    auto_str struct str url = {0};
    json_t *answer = NULL;
    int r = filter_check(call->args, &processes, err);
    if (r < 0) return r;
    request_target(call, call->args->words.items[0], &url);
    r = client_get(call->client, str_text(&url), &answer, err);
    if (r >= 0) r = request_print_list(call, &processes, json_object_get(answer, "pids"), err);
    json_decref(answer);
    return r;
}
