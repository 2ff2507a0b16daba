// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/families.h"
#include "cli/request.h"

static const struct column columns[] = {
    {"NAME", "name", COLUMN_TEXT},
    {"DRIVER", "driver", COLUMN_TEXT},
    {"USED BY", "used_by", COLUMN_TEXT},
    {"CREATED", "created_at", COLUMN_AGE},
};
static const struct listing listing = {columns, array_len(columns), "name"};

int volume_ls(const struct cli_call *call, struct err *err) {
    return request_list(call, &listing, err);
}

int volume_create(const struct cli_call *call, struct err *err) {
    return request_create(call, err);
}

int volume_inspect(const struct cli_call *call, struct err *err) {
    return request_inspect(call, err);
}

int volume_rm(const struct cli_call *call, struct err *err) {
    return request_act(call, err);
}
