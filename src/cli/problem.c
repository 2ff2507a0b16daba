// SPDX-License-Identifier: Apache-2.0
#include "cli/problem.h"

static const char *text_of(const json_t *problem, const char *key) {
    const char *text = json_string_value(json_object_get(problem, key));
    return text && *text ? text : NULL;
}

static enum err_kind kind_of_status(int status) {
    for (int kind = ERR_NONE + 1; kind < ERR_KIND_COUNT; kind++)
        if (err_kind_http((enum err_kind)kind) == status) return (enum err_kind)kind;
    return status >= 400 && status < 500 ? ERR_INVALID : ERR_INTERNAL;
}

int problem_to_err(const json_t *problem, int status, struct err *err) {
    const char *word = text_of(problem, "kind"), *object = text_of(problem, "object");
    const char *cause = text_of(problem, "cause"), *next = text_of(problem, "next");
    if (!cause) cause = text_of(problem, "detail");
    if (!cause) cause = text_of(problem, "title");
    enum err_kind kind = word ? err_kind_parse(word) : kind_of_status(status);
    if (!cause) {
        err_set(err, kind, 0, object ? object : "daemon",
                "it answered with status %d and no reason", status);
        return err_next(err, "look into the daemon's log");
    }
    int r = err_set(err, kind, 0, object ? object : "daemon", "%s", cause);
    if (next) err_next(err, "%s", next);
    return r;
}
