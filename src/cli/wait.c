// SPDX-License-Identifier: Apache-2.0
#include "cli/wait.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/problem.h"
#include "cli/progress.h"
#include "cli/url.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

// How long one question waits for the end before it tells of the progress.
#define ROUND_SECONDS "1"
#define CANCEL_SECONDS "30"

void interrupt_begin(struct interrupt *interrupt) {
    sigset_t set, *old = mem_new(sigset_t);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, old);
    interrupt->old = old;
    interrupt->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void interrupt_end(struct interrupt *interrupt) {
    if (!interrupt->old) return;
    struct signalfd_siginfo info;
    if (interrupt->fd >= 0) {
        while (read(interrupt->fd, &info, sizeof(info)) == sizeof(info)) {
        }
        close(interrupt->fd);
    }
    sigprocmask(SIG_SETMASK, interrupt->old, NULL);
    free(interrupt->old);
    interrupt->old = NULL;
}

static const char *text_of(const json_t *object, const char *path) {
    const char *text = json_string_value(output_lookup(object, path));
    return text ? text : "";
}

bool wait_is_operation(const json_t *answer) {
    return strcmp(text_of(answer, "kind"), "operation") == 0;
}

static bool is_over(const json_t *operation) {
    const char *state = text_of(operation, "state");
    return strcmp(state, "pending") != 0 && strcmp(state, "running") != 0;
}

static void show(struct progress *progress, const json_t *operation) {
    const json_t *done = output_lookup(operation, "progress.done");
    const json_t *total = output_lookup(operation, "progress.total");
    const char *step = text_of(operation, "progress.step");
    // Figures past this are bytes: nothing else that Trine counts comes to so many.
    bool bytes = json_integer_value(total) >= 4096 || json_integer_value(done) >= 4096;
    if (*step)
        progress_update(progress, step, (uint64_t)json_integer_value(done),
                        (uint64_t)json_integer_value(total), bytes);
}

static int outcome(const json_t *operation, json_t **ret, struct err *err) {
    const char *state = text_of(operation, "state"), *verb = text_of(operation, "verb");
    if (strcmp(state, "done") == 0) {
        json_t *result = json_object_get(operation, "result");
        if (ret) *ret = json_is_null(result) ? NULL : json_incref(result);
        return 0;
    }
    if (strcmp(state, "cancelled") == 0) {
        err_set(err, ERR_CANCELLED, 0, "operation", "%s was cancelled", verb);
        return err_code(err);
    }
    const json_t *problem = json_object_get(operation, "error");
    if (json_is_object(problem)) return problem_to_err(problem, 0, err);
    return err_set(err, ERR_INTERNAL, 0, "operation", "%s ended as \"%s\" and gave no reason", verb,
                   state);
}

// The operation once more, when it has ended or `seconds` have passed.
static int ask(struct client *client, const char *method, const char *id, const char *seconds,
               json_t **ret, struct err *err) {
    auto_str struct str url = {0};
    url_path(&url, "/v1/operations/{}", id);
    if (seconds) url_query(&url, "wait", seconds);
    return client_json(client, method, str_text(&url), NULL, ret, err);
}

// Ctrl-C: a second connection, because the first one is in the middle of an answer.
static int cancel(const struct cli_call *call, const char *id, const json_t *last,
                  struct err *err) {
    auto_client struct client *client = client_clone(call->client);
    json_t *end = NULL;
    err_clear(err);
    if (json_is_false(json_object_get(last, "cancellable"))) {
        err_set(err, ERR_CANCELLED, 0, "operation", "%s cannot be cancelled now and goes on",
                text_of(last, "verb"));
        return err_next(err, "wait for it with: trine operation wait %s", id);
    }
    fprintf(stderr, "trine: cancelling %s …\n", text_of(last, "verb"));
    struct err ignored = {0};
    ask(client, "DELETE", id, NULL, NULL, &ignored);
    int r = ask(client, "GET", id, CANCEL_SECONDS, &end, err);
    if (r >= 0 && is_over(end))
        r = outcome(end, NULL, err);
    else if (r >= 0) {
        r = err_set(err, ERR_CANCELLED, 0, "operation", "%s is still being cancelled",
                    text_of(last, "verb"));
        err_next(err, "see: trine operation inspect %s", id);
    }
    json_decref(end);
    return r;
}

static int follow(const struct cli_call *call, struct progress *progress, const char *id,
                  json_t **last, struct err *err) {
    while (!is_over(*last)) {
        json_t *now = NULL;
        show(progress, *last);
        int r = ask(call->client, "GET", id, ROUND_SECONDS, &now, err);
        if (r < 0) return r;
        json_decref(*last);
        *last = now;
    }
    return 0;
}

int wait_operation(const struct cli_call *call, const json_t *operation, json_t **ret,
                   struct err *err) {
    if (ret) *ret = NULL;
    if (is_over(operation)) return outcome(operation, ret, err);
    auto_free char *id = mem_strdup(text_of(operation, "id"));
    json_t *last = json_deep_copy(operation);
    struct err failure = {0};
    struct progress progress;
    progress_init(&progress, clock_system(), call->output.quiet);
    auto_interrupt struct interrupt interrupt = {.fd = -1};
    interrupt_begin(&interrupt);
    client_set_interrupt(call->client, interrupt.fd);
    int r = follow(call, &progress, id, &last, &failure);
    client_set_interrupt(call->client, -1);
    progress_end(&progress);
    if (r >= 0)
        r = outcome(last, ret, &failure);
    else if (failure.kind == ERR_CANCELLED)
        r = cancel(call, id, last, &failure);
    json_decref(last);
    if (r < 0 && err) *err = failure;
    return r;
}
