// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"
#include "cli/filter.h"
#include "cli/request.h"
#include "cli/sse.h"

#include <errno.h>

static const struct column columns[] = {
    {"SEQUENCE", "sequence", COLUMN_NUMBER}, {"TIME", "time", COLUMN_TEXT},
    {"TYPE", "type", COLUMN_TEXT},           {"PROJECT", "object.project", COLUMN_TEXT},
    {"NAME", "object.name", COLUMN_TEXT},    {"DETAIL", "detail", COLUMN_TEXT},
};
static const struct listing listing = {columns, array_len(columns), "sequence"};

struct follow {
    const struct cli_call *call;
    struct err *err;
    bool any;
};

static int show(const char *event, const char *data, void *arg) {
    struct follow *follow = arg;
    json_t *object = json_loads(data, 0, NULL);
    if (!object)
        return err_set(follow->err, ERR_CORRUPT, 0, "daemon", "an event of its is not JSON");
    int r = 0;
    if (filter_match(follow->call->args, &listing, object)) {
        r = output_row(&follow->call->output, &listing, object, !follow->any, follow->err);
        follow->any = true;
    }
    json_decref(object);
    return r;
}

int events_main(const struct cli_call *call, struct err *err) {
    if (!args_has(call->args, "follow")) return request_list(call, &listing, err);
    int r = filter_check(call->args, &listing, err);
    if (r < 0) return r;
    auto_str struct str url = {0};
    request_target(call, NULL, &url);
    struct client_request request = {.path = str_text(&url), .accept = "text/event-stream"};
    struct follow follow = {.call = call, .err = err};
    auto_sse struct sse sse = {.fn = show, .arg = &follow};
    struct span data;
    r = client_send(call->client, &request, err);
    while (r >= 0 && (r = client_read(call->client, &data, err)) == 1) {
        r = sse_push(&sse, (const char *)data.data, data.size);
        if (r == -EMSGSIZE)
            return err_set(err, ERR_TOO_LARGE, 0, "daemon", "an event is too large");
    }
    return r;
}
