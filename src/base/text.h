// SPDX-License-Identifier: Apache-2.0
// What people type: names, sizes, durations, numbers, identifiers. Each parser says what it would
// have taken.
#ifndef TRINE_BASE_TEXT_H
#define TRINE_BASE_TEXT_H

#include "base/err.h"

#include <stdint.h>

// A name of an object: 1 to 63 of [a-zA-Z0-9._-], first one a letter or digit. No '/', no "..", no
// control characters.
#define NAME_MAX_LEN 63
int text_check_name(const char *what, const char *name,
                    struct err *err); // what: "instance", "volume", …

// "512M", "1.5G", "1048576", units K M G T (powers of 1024, an optional "i" and "B" after them).
// what names the flag.
int text_parse_size(const char *what, const char *text, uint64_t *ret_bytes, struct err *err);
// "10s", "1m30s", "250ms", "2h", "7d"; a bare number is seconds.
int text_parse_duration(const char *what, const char *text, int64_t *ret_ns, struct err *err);
int text_parse_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
                   struct err *err);
// Decimal fraction with up to 9 digits ("1.5" CPUs), into units of 10^-9.
int text_parse_nano(const char *what, const char *text, uint64_t *ret_nano, struct err *err);

#define SIZE_TEXT_SIZE 16
const char *text_format_size(uint64_t bytes, char buf[SIZE_TEXT_SIZE]); // "1.5 GiB"
#define AGE_TEXT_SIZE 16
const char *text_format_age(int64_t ns, char buf[AGE_TEXT_SIZE]); // "3 s", "12 min", "4 h", "9 d"

// 128 random bits with the time in front (UUIDv7 layout) as 32 lower-case hex digits: sorts by age.
#define ID_TEXT_SIZE 33
void text_new_id(int64_t realtime_ns, char buf[ID_TEXT_SIZE]);
int text_check_id(const char *what, const char *id, struct err *err);

// Standard UTF-8 (no surrogates, no overlong forms); true when all `size` bytes are.
int text_is_utf8(const char *bytes, size_t size);

#endif
