// SPDX-License-Identifier: Apache-2.0
// JSON objects into structs by a table of fields: type and range are checked in this one place, and
// an error names the JSON path ("linux.resources.pids.limit").
#ifndef TRINE_EXECUTION_CONTAINER_SCHEMA_H
#define TRINE_EXECUTION_CONTAINER_SCHEMA_H

#include "base/err.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdbool.h>

enum schema_type {
    SCHEMA_STRING,   // char *
    SCHEMA_BOOL,     // bool
    SCHEMA_FLAG,     // struct oci_flag
    SCHEMA_INT,      // struct oci_int
    SCHEMA_UINT,     // struct oci_uint
    SCHEMA_I64,      // int64_t
    SCHEMA_U64,      // uint64_t
    SCHEMA_U32,      // uint32_t
    SCHEMA_STRINGS,  // struct oci_strings
    SCHEMA_PAIRS,    // struct oci_pairs: an object of strings
    SCHEMA_INLINE,   // a sub-object whose fields are in the struct itself (offset of the inner
                     // struct)
    SCHEMA_OBJECT,   // pointer to a struct
    SCHEMA_LIST,     // OCI_LIST of structs
    SCHEMA_U32_LIST, // OCI_LIST(uint32_t)
};

struct schema;
struct schema_field {
    const char *name;
    enum schema_type type;
    unsigned offset;
    bool required;
    const struct schema *sub;
};
struct schema {
    size_t size; // of the struct
    const struct schema_field *fields;
    size_t n_fields;
};
#define SCHEMA(name, type, ...) \
    static const struct schema_field name##_fields[] = {__VA_ARGS__}; \
    static const struct schema name = {sizeof(type), name##_fields, array_len(name##_fields)}

// Fills the zeroed struct at `into`. path: what the object is called in errors, "" for the whole
// document. file: object of the errors ("config.json").
int schema_fill(struct arena *arena, const char *file, const char *path, const json_t *object,
                const struct schema *schema, void *into, struct err *err);

#endif
