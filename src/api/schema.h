// SPDX-License-Identifier: Apache-2.0
// What JSON and parameters may look like: tables that api/generate.py makes from api/types, a subset
// of JSON Schema 2020-12. Read by validate.c; all const, nothing to free.
#ifndef TRINE_API_SCHEMA_H
#define TRINE_API_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum api_type {
    API_OBJECT = 1,
    API_ARRAY = 2,
    API_STRING = 4,
    API_INTEGER = 8,
    API_NUMBER = 16, // an integer is a number too
    API_BOOLEAN = 32,
    API_NULL = 64,
};

// A pattern is a row of byte classes, each taken `min` to `max` times, as many as there are (the
// generator refuses patterns where that greed could miss a match).
struct api_class {
    uint32_t bytes[8]; // bit set of the bytes that belong to it
    uint32_t min, max;
};

struct api_schema;

struct api_property {
    const char *name;
    const struct api_schema *schema;
    bool required;
};

struct api_schema {
    const char *expected;            // "a name: 1 to 63 letters…", for errors; may be NULL
    const char *const *words;        // the only strings taken, NULL-terminated; NULL: any
    const struct api_class *pattern; // NULL: any
    const struct api_schema *items;  // of an array
    const struct api_schema *names;  // what the member names must be; NULL: any
    const struct api_schema *rest;   // members that are not in properties; NULL: refused
    const struct api_property *properties;
    double minimum, maximum;     // numbers
    uint32_t min_size, max_size; // bytes of a string, items of an array, members of an object
    uint16_t n_properties;
    uint8_t n_pattern;
    uint8_t types; // enum api_type, or-ed
    bool time;     // the string is an RFC 3339 time
};

#endif
