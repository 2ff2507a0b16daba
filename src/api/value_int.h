// SPDX-License-Identifier: Apache-2.0
// Single values: strings against a schema, and a schema in words.
#ifndef TRINE_API_VALUE_INT_H
#define TRINE_API_VALUE_INT_H

#include "api/schema.h"

#include <stdbool.h>

const char *type_word(enum api_type type); // "a string"

// What the schema takes, for the next step of an error: "a whole number from 1 to 10". Returns buf.
const char *schema_wants(const struct api_schema *schema, char *buf, size_t size);

// NULL when the string is fine; else the end of a sentence: "is too long". Looks at words, length,
// pattern and time.
const char *value_why_not(const struct api_schema *schema, const char *text);

bool value_matches(const struct api_class *pattern, size_t n, const char *text);

#endif
