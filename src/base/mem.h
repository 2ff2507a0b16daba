// SPDX-License-Identifier: Apache-2.0
// Memory: who allocates, who frees, and what may fail.
//
// mem_new/mem_dup abort when memory is gone: for small sizes that only our own code decides.
// mem_try* return NULL and must be checked: for every size that a user, client, image or guest can
// influence. A destructor accepts NULL and half-built objects.
#ifndef TRINE_BASE_MEM_H
#define TRINE_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *mem_zalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *mem_try_zalloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *mem_try_array(size_t count, size_t item)
    __attribute__((malloc, alloc_size(1, 2)));            // zeroed; NULL on overflow
void *mem_try_resize(void *p, size_t count, size_t item); // p stays valid on NULL
char *mem_strdup(const char *s) __attribute__((malloc, nonnull, returns_nonnull));
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, nonnull, returns_nonnull));
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
void *mem_try_dup(const void *p,
                  size_t size); // NULL when out of memory; one byte more than size, set to 0

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))
#define mem_try(type) ((type *)mem_try_zalloc(sizeof(type)))

// Fault tests: the n-th mem_try* from now on (1 = the next) fails once; 0 switches it off.
void mem_fail_nth(unsigned long n);

// Hand the value over and forget it: return take(p);
#define take(p) \
    ({ \
        __typeof__(p) take_value_ = (p); \
        (p) = NULL; \
        take_value_; \
    })

// Scope-bound clean-up. auto_free for anything that free() takes; auto_close for descriptors (-1 is
// nothing).
void mem_autofree(void *pp);
void mem_autoclose(int *fd);
#define auto_free __attribute__((cleanup(mem_autofree)))
#define auto_close __attribute__((cleanup(mem_autoclose)))
#define auto_call(fn) __attribute__((cleanup(fn)))
#define take_fd(fd) \
    ({ \
        int take_fd_ = (fd); \
        (fd) = -1; \
        take_fd_; \
    })

#define array_len(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

// An arena owns what one request or one parse allocates; everything goes at once. Nothing in it is
// freed alone.
struct arena;
struct arena *
arena_new(size_t limit_bytes);        // total bytes it may hand out; arena_alloc fails past that
void arena_free(struct arena *arena); // NULL is fine
void arena_autofree(struct arena **arena);
#define auto_arena __attribute__((cleanup(arena_autofree)))
void *arena_alloc(struct arena *arena,
                  size_t size); // zeroed, 16-byte aligned; NULL at the limit or out of memory
void *arena_array(struct arena *arena, size_t count, size_t item);
char *arena_strdup(struct arena *arena, const char *s);
char *arena_strndup(struct arena *arena, const char *s, size_t n);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
