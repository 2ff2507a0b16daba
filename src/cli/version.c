// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"

static const struct column columns[] = {
    {"trine", "client", COLUMN_TEXT},
    {"daemon", "daemon", COLUMN_TEXT},
    {"API", "api", COLUMN_TEXT},
};

// The command's own version is always there; the daemon's when one answers. That none does is an
// error only in what is asked beyond that: the exit code stays 0.
int version_main(const struct cli_call *call, struct err *err) {
    json_t *versions = json_pack("{s:s, s:n, s:s}", "client", TRINE_VERSION, "daemon", "api", "v1");
    json_t *answer = NULL;
    bool asked = !args_has(call->args, "client");
    struct err unreachable = {0};
    if (asked && client_get(call->client, "/v1/version", &answer, &unreachable) >= 0)
        json_object_set(versions, "daemon", json_object_get(answer, "version"));
    struct listing listing = {columns, asked ? array_len(columns) : 1, "client"};
    int r = output_card(&call->output, &listing, versions, err);
    if (r >= 0 && asked && !answer && !call->output.quiet && unreachable.kind != ERR_UNAVAILABLE)
        err_print(&unreachable);
    json_decref(answer);
    json_decref(versions);
    return r;
}
