// SPDX-License-Identifier: Apache-2.0
// trine run: create, attach, start, stay until the program ends. Three requests and the stream.
//
// Exit codes: the program's; 125 when Trine itself failed, 126 when the program cannot be run, 127
// when it is not there (as shells say it).
#include "base/mem.h"
#include "cli/families.h"
#include "cli/fields.h"
#include "cli/request.h"
#include "cli/spec.h"
#include "cli/stream.h"
#include "cli/url.h"
#include "cli/wait.h"
#include "host/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The client's own failures and the daemon's end a foreground run this way.
#define EXIT_OWN 125
#define EXIT_DETACHED 0

struct running {
    const struct cli_call *call;
    const struct foreground *what;
    struct client *control; // a connection beside the stream
};

static void instance_url(const struct cli_call *call, const char *id, const char *verb,
                         struct str *url) {
    url_path(url, "/v1/projects/{}/instances/{}", call->project, id);
    str_add(url, verb);
}

static void forward(int signo, void *arg) {
    struct running *running = arg;
    auto_str struct str url = {0};
    const char *name = process_signal_name(signo);
    json_t *body = json_pack("{s:s}", "signal", name ? name : "TERM");
    struct err err = {0};
    instance_url(running->call, running->what->id, "/kill", &url);
    client_json(running->control, "POST", str_text(&url), body, NULL, &err);
    // A program that ended in the meantime needs no signal any more.
    if (err.kind && err.kind != ERR_STATE && err.kind != ERR_NOT_FOUND) err_print(&err);
    json_decref(body);
}

static int start(const struct running *running, struct err *err) {
    auto_str struct str url = {0};
    json_t *operation = NULL;
    auto_interrupt struct interrupt interrupt = {.fd = -1};
    instance_url(running->call, running->what->id, "/start?wait=60", &url);
    interrupt_begin(&interrupt);
    client_set_interrupt(running->control, interrupt.fd);
    int r = client_json(running->control, "POST", str_text(&url), NULL, &operation, err);
    client_set_interrupt(running->control, -1);
    if (r >= 0) r = wait_operation(running->call, operation, NULL, err);
    json_decref(operation);
    return r;
}

// A failed start leaves an instance that never ran: with --rm nobody wants it.
static int start_failed(const struct running *running, struct err *err) {
    if (running->what->forget) {
        auto_str struct str url = {0};
        instance_url(running->call, running->what->id, "?force=true&wait=10", &url);
        client_json(running->control, "DELETE", str_text(&url), NULL, NULL, NULL);
    }
    int code = err_program_exit(err);
    if (code == EXIT_OWN) return err_code(err);
    err_print(err);
    return code;
}

// With --rm the name and the volumes are free again when the command returns. Gone already is fine too.
static void await_removal(const struct running *running) {
    auto_str struct str url = {0};
    instance_url(running->call, running->what->id, "/wait?condition=removed", &url);
    client_json(running->control, "POST", str_text(&url), NULL, NULL, NULL);
}

static int lost(const struct foreground *what, struct err *err) {
    err_set(err, ERR_UNAVAILABLE, 0, "daemon",
            "the connection to it was lost; the instance %s goes on without it", what->name);
    return err_next(err, "come back to it with: trine attach %s", what->name);
}

static int finish(const struct foreground *what, const struct stream *stream, int end,
                  struct err *err) {
    switch (end) {
    case STREAM_ENDED:
        if (*stream->text) {
            auto_str struct str text = {0};
            output_escape(&text, stream->text);
            fprintf(stderr, "trine: %s\n", str_text(&text));
        }
        return stream->exit_code & 0xff;
    case STREAM_DETACHED:
        fprintf(stderr, "\r\ntrine: detached; %s goes on, come back with: trine attach %s\n",
                what->name, what->name);
        return EXIT_DETACHED;
    case STREAM_LOST:
        return lost(what, err);
    default:
        return end;
    }
}

int run_foreground(const struct cli_call *call, const struct foreground *what, struct err *err) {
    struct stream stream = {.input = what->input, .terminal = what->terminal, .on_signal = forward};
    if (what->terminal && what->input && !isatty(STDIN_FILENO)) {
        err_set(err, ERR_INVALID, 0, "flag --tty", "standard input is not a terminal");
        return err_next(err, "leave -t out, or -i");
    }
    int r = detach_keys_parse(what->detach_keys, &stream.keys, err);
    if (r < 0) return r;
    auto_close int signal_fd = -1;
    r = stream_watch_signals(true, what->terminal, &signal_fd, err);
    if (r < 0) return r;

    auto_str struct str url = {0};
    instance_url(call, what->id, "/attach?output=true", &url);
    url_query_bool(&url, "input", what->input);
    url_query_bool(&url, "replay", what->replay);
    auto_client struct client *control = client_clone(call->client);
    auto_socket struct socket *socket = NULL;
    struct running running = {.call = call, .what = what, .control = control};
    stream.signal_fd = signal_fd;
    stream.arg = &running;
    if (!control) return err_set(err, ERR_NO_SPACE, 0, "command", "no memory for it");
    r = socket_open(call->client, str_text(&url), &socket, err);
    if (r < 0) return r;
    stream.socket = socket;
    r = stream_prepare(&stream, err);
    if (r < 0) return r;
    if (what->start) {
        r = start(&running, err);
        if (r < 0) {
            terminal_restore();
            return start_failed(&running, err);
        }
    }
    r = stream_run(&stream, err);
    if (r == STREAM_ENDED && what->forget) await_removal(&running);
    return finish(what, &stream, r, err);
}

static int run_detached(const struct cli_call *call, const struct foreground *what,
                        struct err *err) {
    struct running running = {.call = call, .what = what, .control = call->client};
    int r = start(&running, err);
    if (r < 0) return start_failed(&running, err);
    printf("%s\n", what->id);
    return 0;
}

static int create(const struct cli_call *call, json_t **ret, struct err *err) {
    auto_str struct str url = {0};
    json_t *body = NULL;
    int r = spec_body(call->args, &body, err);
    if (r < 0) return r;
    client_may_start(call->client);
    url_path(&url, "/v1/projects/{}/instances", call->project);
    r = client_json(call->client, "POST", str_text(&url), body, ret, err);
    json_decref(body);
    return r;
}

int run_main(const struct cli_call *call, struct err *err) {
    json_t *instance = NULL;
    const struct args *args = call->args;
    struct detach_keys keys;
    int r = detach_keys_parse(args_value(args, "detach-keys"), &keys, err);
    if (r < 0) return r; // before anything is made
    if (args_has(args, "tty") && args_has(args, "interactive") && !args_has(args, "detach") &&
        !isatty(STDIN_FILENO)) {
        err_set(err, ERR_INVALID, 0, "flag --tty", "standard input is not a terminal");
        return err_next(err, "leave -t out, or run it with -d");
    }
    r = create(call, &instance, err);
    if (r < 0) return r;
    struct foreground what = {
        .id = json_string_value(json_object_get(instance, "id")),
        .name = json_string_value(json_object_get(instance, "name")),
        .input = args_has(args, "interactive"),
        .terminal = args_has(args, "tty"),
        .start = true,
        .forget = args_has(args, "rm"),
        .detach_keys = args_value(args, "detach-keys"),
    };
    if (!what.id || !what.name)
        r = err_set(err, ERR_CORRUPT, 0, "daemon", "its answer names no instance");
    else
        r = args_has(args, "detach") ? run_detached(call, &what, err)
                                     : run_foreground(call, &what, err);
    json_decref(instance);
    return r;
}
