// SPDX-License-Identifier: Apache-2.0
// What most commands do: one request for each object that was named, made from the tables, and its
// answer printed.
#ifndef TRINE_CLI_REQUEST_H
#define TRINE_CLI_REQUEST_H

#include "cli/cli.h"

// The command's target: the path of its operation with the project, and `object` for its last
// parameter (NULL: it has none), then the query parameters that were given.
void request_target(const struct cli_call *call, const char *object, struct str *url);
void request_path(const struct cli_call *call, const char *object, struct str *url); // path alone

// The body that was given, NULL when it is empty. The caller owns it.
int request_body(const struct cli_call *call, json_t **ret, struct err *err);

// fn for each positional word. A failure is printed and the next one is tried: the exit code is
// that of the first failure, 0 when there was none.
typedef int request_one_fn(const struct cli_call *call, const char *object, void *arg,
                           struct err *err);
int request_each(const struct cli_call *call, request_one_fn *fn, void *arg, struct err *err);

// A list: GET, filtered by --filter, printed.
int request_list(const struct cli_call *call, const struct listing *listing, struct err *err);
// The same with a list that is there already; its members are filtered in place.
int request_print_list(const struct cli_call *call, const struct listing *listing, json_t *items,
                       struct err *err);

// GET of each object, printed as JSON or YAML: one as an object, several as an array.
int request_inspect(const struct cli_call *call, struct err *err);

// POST, PATCH or DELETE for each object; its word is printed when it is done. An answer that is an
// operation is waited for, unless --no-wait was given: then its id is printed.
int request_act(const struct cli_call *call, struct err *err);

// POST or PATCH of the body that was given; the new or changed object's name is printed (or the
// whole of it, when --format was given).
int request_create(const struct cli_call *call, struct err *err);
// The object of an answer, as above.
int request_print_made(const struct cli_call *call, const json_t *object, struct err *err);

#endif
