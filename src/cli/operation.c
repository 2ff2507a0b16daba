// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"
#include "cli/request.h"
#include "cli/url.h"
#include "cli/wait.h"

#include <stdio.h>

static const struct column columns[] = {
    {"ID", "id", COLUMN_TEXT},
    {"VERB", "verb", COLUMN_TEXT},
    {"OBJECT", "object.name", COLUMN_TEXT},
    {"STATE", "state", COLUMN_TEXT},
    {"STEP", "progress.step", COLUMN_TEXT},
    {"CREATED", "created_at", COLUMN_AGE},
};
static const struct listing listing = {columns, array_len(columns), "id"};

int operation_ls(const struct cli_call *call, struct err *err) {
    return request_list(call, &listing, err);
}

int operation_inspect(const struct cli_call *call, struct err *err) {
    return request_inspect(call, err);
}

static int wait_one(const struct cli_call *call, const char *id, void *arg, struct err *err) {
    auto_str struct str url = {0};
    json_t *operation = NULL;
    url_path(&url, "/v1/operations/{}", id);
    int r = client_get(call->client, str_text(&url), &operation, err);
    if (r >= 0) r = wait_operation(call, operation, NULL, err);
    json_decref(operation);
    if (r >= 0) printf("%s\n", id);
    return r;
}

int operation_wait(const struct cli_call *call, struct err *err) {
    return request_each(call, wait_one, NULL, err);
}

int operation_cancel(const struct cli_call *call, struct err *err) {
    return request_act(call, err);
}
