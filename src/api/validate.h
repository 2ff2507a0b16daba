// SPDX-License-Identifier: Apache-2.0
// Checks JSON and parameters against the tables of schema.h. An error names the place
// ("limits.memory_bytes", "mounts[2].type"), says what is wrong there and what would have been
// taken.
#ifndef TRINE_API_VALIDATE_H
#define TRINE_API_VALIDATE_H

#include "api/operation.h"
#include "base/err.h"

#include <jansson.h>

// Nesting is bounded by the schema and by API_DEPTH_MAX. value may be NULL: then it is missing.
#define API_DEPTH_MAX 32
int api_validate(const struct api_schema *schema, json_t *value, struct err *err);

// One value of a path or query parameter, as text (decoded, UTF-8): of an array, one item. where:
// "query parameter" or "path parameter".
int api_validate_text(const char *where, const struct api_parameter *parameter, const char *text,
                      struct err *err);

// What somebody sent, fit to be shown in an error: cut at a character's end, never half of one.
#define API_SHOWN_SIZE 104
const char *api_shown(const char *text, char buf[API_SHOWN_SIZE]); // returns buf

// "true" and "1", "false" and "0"; -1 for anything else.
int api_parse_bool(const char *text);

#endif
