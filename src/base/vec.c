// SPDX-License-Identifier: Apache-2.0
#include "base/vec.h"

#include <stdarg.h>
#include <stdio.h>

bool vec_grow(void **items, size_t *cap, size_t want, size_t item) {
    if (want <= *cap) return true;
    size_t grown = *cap < 4 ? 4 : *cap > SIZE_MAX / 2 ? want : *cap * 2;
    if (grown < want) grown = want;
    void *p = mem_try_resize(*items, grown, item);
    if (!p) return false;
    *items = p;
    *cap = grown;
    return true;
}

void vec_grow_or_die(void **items, size_t *cap, size_t want, size_t item) {
    if (want <= *cap) return;
    size_t grown = want < 4 ? 4 : want > SIZE_MAX / 2 / item ? want : want + want / 2;
    if (grown > SIZE_MAX / item) abort();
    void *p = mem_zalloc(grown * item);
    if (*items) memcpy(p, *items, *cap * item);
    free(*items);
    *items = p;
    *cap = grown;
}

void strv_add(struct strv *v, const char *s) {
    strv_add_take(v, mem_strdup(s));
}

void strv_add_take(struct strv *v, char *s) {
    vec_grow_or_die((void **)&v->items, &v->cap, v->len + 2, sizeof(*v->items));
    v->items[v->len++] = s;
    v->items[v->len] = NULL;
}

void strv_printf(struct strv *v, const char *fmt, ...) {
    char *text;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) abort();
    strv_add_take(v, text);
}

void strv_free(struct strv *v) {
    for (size_t i = 0; i < v->len; i++) free(v->items[i]);
    vec_free(v);
}
