// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"
#include "cli/request.h"

static const struct column columns[] = {
    {"NAME", "name", COLUMN_TEXT},
    {"DRIVER", "driver", COLUMN_TEXT},
    {"BUILT IN", "builtin", COLUMN_TEXT},
};
static const struct listing listing = {columns, array_len(columns), "name"};

int network_ls(const struct cli_call *call, struct err *err) {
    return request_list(call, &listing, err);
}

int network_create(const struct cli_call *call, struct err *err) {
    return request_create(call, err);
}

int network_inspect(const struct cli_call *call, struct err *err) {
    return request_inspect(call, err);
}
