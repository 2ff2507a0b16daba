// SPDX-License-Identifier: Apache-2.0
// exec and attach: a program's streams on this terminal.
#include "base/mem.h"
#include "cli/families.h"
#include "cli/fields.h"
#include "cli/request.h"
#include "cli/spec.h"
#include "cli/stream.h"
#include "cli/url.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Where the program was not run, its end says why (wire/stream.h).
static int exec_end(const struct cli_call *call, const struct stream *stream, int end,
                    struct err *err) {
    const char *instance = call->args->words.items[0];
    if (end < 0) return end;
    if (end == STREAM_LOST) {
        err_set(err, ERR_UNAVAILABLE, 0, "daemon", "the connection to it was lost");
        return err_next(err, "see whether %.60s still runs with: trine ps", instance);
    }
    if (end == STREAM_DETACHED) return 0;
    if (*stream->text) {
        auto_str struct str text = {0};
        output_escape(&text, stream->text);
        fprintf(stderr, "trine: %s\n", str_text(&text));
    }
    return stream->exit_code & 0xff;
}

static int exec_target(const struct cli_call *call, struct str *url, struct err *err) {
    static const char *const skip[] = {"env", NULL};
    request_path(call, call->args->words.items[0], url);
    fields_query(call->args, skip, url);
    for (size_t i = 0; i < call->args->flags.len; i++) {
        if (strcmp(call->args->flags.items[i].flag->name, "env") != 0) continue;
        auto_free char *pair = NULL;
        int r = spec_env(call->args->flags.items[i].value, &pair, err);
        if (r < 0) return r;
        url_query(url, "env", pair);
    }
    uint16_t rows, columns;
    char number[16];
    if (!args_has(call->args, "tty") || !terminal_size(&rows, &columns)) return 0;
    snprintf(number, sizeof(number), "%u", rows);
    url_query(url, "rows", number);
    snprintf(number, sizeof(number), "%u", columns);
    url_query(url, "columns", number);
    return 0;
}

int exec_main(const struct cli_call *call, struct err *err) {
    struct stream stream = {
        .input = args_has(call->args, "interactive"),
        .terminal = args_has(call->args, "tty"),
        .signal_fd = -1,
    };
    if (stream.terminal && stream.input && !isatty(STDIN_FILENO)) {
        err_set(err, ERR_INVALID, 0, "flag --tty", "standard input is not a terminal");
        return err_next(err, "leave -t out");
    }
    auto_str struct str url = {0};
    int r = exec_target(call, &url, err);
    if (r < 0) return r;
    // On a terminal, keys go to the program as bytes; what remains is the size of the window.
    auto_close int signal_fd = -1;
    r = stream_watch_signals(false, stream.terminal, &signal_fd, err);
    if (r < 0) return r;
    stream.signal_fd = signal_fd;
    auto_socket struct socket *socket = NULL;
    r = socket_open(call->client, str_text(&url), &socket, err);
    if (r < 0) return r;
    stream.socket = socket;
    r = stream_prepare(&stream, err);
    if (r < 0) return r;
    r = stream_run(&stream, err);
    return exec_end(call, &stream, r, err);
}

int attach_main(const struct cli_call *call, struct err *err) {
    auto_str struct str url = {0};
    json_t *instance = NULL;
    request_path(call, call->args->words.items[0], &url);
    url.len -= strlen("/attach"); // the instance itself: has it a terminal?
    url.data[url.len] = '\0';
    int r = client_get(call->client, str_text(&url), &instance, err);
    if (r < 0) return r;
    bool stdin_open = json_is_true(json_object_get(instance, "stdin_open"));
    struct foreground what = {
        .id = json_string_value(json_object_get(instance, "id")),
        .name = json_string_value(json_object_get(instance, "name")),
        .input = stdin_open && !args_has(call->args, "no-stdin"),
        .terminal = json_is_true(json_object_get(instance, "terminal")),
        .replay = args_has(call->args, "replay"),
        .detach_keys = args_value(call->args, "detach-keys"),
    };
    if (!what.id || !what.name)
        r = err_set(err, ERR_CORRUPT, 0, "daemon", "its answer names no instance");
    else
        r = run_foreground(call, &what, err);
    json_decref(instance);
    return r;
}
