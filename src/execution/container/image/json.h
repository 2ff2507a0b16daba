// SPDX-License-Identifier: Apache-2.0
// Taking members out of untrusted JSON: each call says what was expected where.
#ifndef TRINE_IMAGE_JSON_H
#define TRINE_IMAGE_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

void json_autofree(json_t **json);
#define auto_json __attribute__((cleanup(json_autofree)))

// The whole text as one object or array; duplicate members, NULs and trailing bytes are refused.
int json_parse(const char *data, size_t size, json_type want, const char *object, json_t **ret,
               struct err *err);
// A member of the wanted type; absent or null: *ret is NULL, which is an error when `required`.
// Borrowed.
int json_member(json_t *of, const char *key, json_type want, bool required, const char *object,
                json_t **ret, struct err *err);
// A string member of at most `max` bytes without control characters; absent: "". Borrowed.
int json_text(json_t *of, const char *key, size_t max, const char *object, const char **ret,
              struct err *err);
// A whole number from 0 to `max`.
int json_count(json_t *of, const char *key, uint64_t max, const char *object, uint64_t *ret,
               struct err *err);
char *json_line(const json_t *json); // compact, keys sorted; the caller's; NULL: no memory

#endif
