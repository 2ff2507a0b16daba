// SPDX-License-Identifier: Apache-2.0
// A growing string. Failure sticks: append freely, ask once at the end.
#ifndef TRINE_BASE_STR_H
#define TRINE_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
    char *data; // terminated when not NULL
    size_t len, cap;
    bool failed; // out of memory or past STR_MAX: everything after is ignored
};

#define STR_MAX ((size_t)1 << 30)

void str_free(struct str *s); // leaves an empty string that can be used again
#define auto_str __attribute__((cleanup(str_free)))
void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *bytes, size_t n);
void str_add_char(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *s, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
void str_add_json(struct str *s, const char *text); // quoted and escaped; not UTF-8 -> U+FFFD
void str_reset(struct str *s);                      // length 0, memory kept
const char *str_text(const struct str *s);          // never NULL
char *str_take(struct str *s); // the caller's to free; NULL if failed; s is empty after

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_same(const char *a, const char *b); // NULL equals NULL only

#endif
