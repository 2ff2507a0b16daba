// SPDX-License-Identifier: Apache-2.0
// From words to a request: the tables say for each flag and argument which field of the operation
// it fills ("body.limits.memory_bytes", "query.force", "path.instance").
#ifndef TRINE_CLI_FIELDS_H
#define TRINE_CLI_FIELDS_H

#include "base/err.h"
#include "base/str.h"
#include "cli/args.h"

#include <jansson.h>

// The members of the body that were given; an empty object when none was. Flags whose names are in
// `skip` (NULL-terminated, or NULL) are left to the caller. The caller owns *ret.
int fields_body(const struct args *args, const char *const *skip, json_t **ret, struct err *err);

// Appends the query parameters that were given to a target.
void fields_query(const struct args *args, const char *const *skip, struct str *target);

// Sets a value at a dotted path inside an object, making the objects on the way; steals value.
int fields_set(json_t *object, const char *path, json_t *value);

// The text of a flag as the JSON value of its type; NULL without memory. The text was checked by
// args_parse.
json_t *fields_value(const struct cli_flag *flag, const char *text);

#endif
