// SPDX-License-Identifier: Apache-2.0
// What commands print: lists as a table, JSON, YAML or CSV; objects as JSON or YAML.
//
// Tables are for people: human sizes, ages, columns cut to the terminal. The other formats carry
// the API's own values and field names, so that scripts read what the API documents. What comes
// from the daemon never reaches a terminal with control characters in it.
#ifndef TRINE_CLI_OUTPUT_H
#define TRINE_CLI_OUTPUT_H

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_CSV };
int output_format_parse(const char *word, enum output_format *ret, struct err *err);

struct output {
    enum output_format format;
    bool chosen; // --format was given
    bool quiet, no_header;
    FILE *file;
    bool terminal;
    int width;      // of the terminal in columns; 0: unlimited
    int64_t now_ns; // real time, for ages
};
// Standard output as it is: a terminal or not, and how wide.
void output_init(struct output *output);

enum column_kind {
    COLUMN_TEXT,
    COLUMN_ID,   // tables show the first 12 digits
    COLUMN_SIZE, // bytes; tables show "1.5 GiB"
    COLUMN_AGE,  // a time; tables show "3 min"
    COLUMN_NUMBER,
    COLUMN_NANO, // nanoseconds; tables show seconds
};

struct column {
    const char *title; // of the table
    const char *path;  // "status.state": also the headline in CSV
    enum column_kind kind;
};

struct listing {
    const struct column *columns;
    size_t n_columns;
    const char *quiet; // the path that --quiet prints; an array prints its first element
};

// The value at a dotted path, or NULL. Borrowed.
const json_t *output_lookup(const json_t *object, const char *path);

// items: an array of objects. 0, or a negative errno (the output cannot be written).
int output_list(const struct output *output, const struct listing *listing, const json_t *items,
                struct err *err);
// One object or an array of them. Tables of one object do not exist: table means JSON here.
int output_object(const struct output *output, const json_t *object, struct err *err);
// One object as "key: value" lines for people in table format, else as output_object.
int output_card(const struct output *output, const struct listing *listing, const json_t *object,
                struct err *err);
// One document of a stream: JSON on one line, a YAML document; CSV and table rows by `listing`.
int output_row(const struct output *output, const struct listing *listing, const json_t *object,
               bool first, struct err *err);

// Pieces, for the formatters and their tests.
void output_cell(const struct output *output, const struct column *column, const json_t *object,
                 struct str *ret);
void output_escape(struct str *ret, const char *text); // control characters as \x1b, \n …
void output_table(const struct output *output, const struct listing *listing, const json_t *items,
                  struct str *ret);
void output_csv_header(const struct listing *listing, struct str *ret);
void output_csv_row(const struct listing *listing, const json_t *object, struct str *ret);
int output_yaml(const json_t *value, struct str *ret, struct err *err);
// Columns that a text takes on a terminal: its code points, combining marks not counted.
size_t output_text_width(const char *text);

#endif
