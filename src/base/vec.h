// SPDX-License-Identifier: Apache-2.0
// A growing array of one type:  VEC(struct mount) mounts = {0};  vec_add(&mounts, m);
// vec_free(&mounts); vec_add aborts when memory is gone; vec_try_add returns false (for counts that
// come from outside).
#ifndef TRINE_BASE_VEC_H
#define TRINE_BASE_VEC_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>

#define VEC(type) \
    struct { \
        type *items; \
        size_t len, cap; \
    }

bool vec_grow(void **items, size_t *cap, size_t want,
              size_t item); // false: out of memory, nothing changed
void vec_grow_or_die(void **items, size_t *cap, size_t want, size_t item);

#define vec_try_add(v, ...) \
    (((v)->len < (v)->cap || \
      vec_grow((void **)&(v)->items, &(v)->cap, (v)->len + 1, sizeof(*(v)->items))) \
         ? ((v)->items[(v)->len++] = (__VA_ARGS__), true) \
         : false)
#define vec_add(v, ...) \
    do { \
        if ((v)->len == (v)->cap) \
            vec_grow_or_die((void **)&(v)->items, &(v)->cap, (v)->len + 1, sizeof(*(v)->items)); \
        (v)->items[(v)->len++] = (__VA_ARGS__); \
    } while (0)
#define vec_remove(v, i) /* order is kept */ \
    (memmove(&(v)->items[i], &(v)->items[(i) + 1], ((v)->len - (i)-1) * sizeof(*(v)->items)), \
     (v)->len--)
#define vec_free(v) (free((v)->items), (v)->items = NULL, (v)->len = (v)->cap = 0)

// A NULL-terminated list of strings that it owns: argv, envp.
struct strv {
    char **items; // NULL while empty; items[len] is NULL
    size_t len, cap;
};
void strv_add(struct strv *v, const char *s); // copies
void strv_add_take(struct strv *v, char *s);  // owns
void strv_printf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_free(struct strv *v);
#define auto_strv __attribute__((cleanup(strv_free)))

#endif
