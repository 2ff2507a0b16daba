// SPDX-License-Identifier: Apache-2.0
// Blocks in a chain, the newest first; a request takes the next aligned bytes of the newest block.
// Invariants: (1) blocks are zeroed when they are made and no byte is handed out twice, so what is
// handed out is zeroed; (2) used <= limit, where each request counts as at least one byte.
#include "base/checked.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, BLOCK_MIN = 4096, BLOCK_MAX = 256 * 1024 };

struct block {
    struct block *older;
    size_t at, size; // of data
    _Alignas(ALIGN) char data[];
};

struct arena {
    struct block *newest;
    size_t used, limit, next_block;
};

struct arena *arena_new(size_t limit_bytes) {
    struct arena *arena = mem_new(struct arena);
    arena->limit = limit_bytes;
    arena->next_block = BLOCK_MIN;
    return arena;
}

void arena_free(struct arena *arena) {
    if (!arena) return;
    for (struct block *block = arena->newest, *older; block; block = older) {
        older = block->older;
        free(block);
    }
    free(arena);
}

void arena_autofree(struct arena **arena) {
    arena_free(*arena);
}

// A request larger than a block gets one of its own, put behind the newest so that the rest of
// that one stays in use.
static struct block *add_block(struct arena *arena, size_t size) {
    bool own = size > arena->next_block;
    size_t data_size = own ? size : arena->next_block;
    if (data_size > SIZE_MAX - sizeof(struct block)) return NULL;
    struct block *block = mem_try_zalloc(sizeof(*block) + data_size);
    if (!block) return NULL;
    block->size = data_size;
    if (own && arena->newest) {
        block->older = arena->newest->older;
        arena->newest->older = block;
        return block;
    }
    block->older = arena->newest;
    arena->newest = block;
    if (arena->next_block < BLOCK_MAX) arena->next_block *= 2;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size == 0) size = 1;
    uint64_t aligned;
    if (size > arena->limit - arena->used || !checked_align(size, ALIGN, &aligned)) return NULL;
    struct block *block = arena->newest;
    if (!block || block->size - block->at < aligned) block = add_block(arena, aligned);
    if (!block) return NULL;
    void *p = block->data + block->at;
    block->at += aligned;
    arena->used += size;
    return p;
}

void *arena_array(struct arena *arena, size_t count, size_t item) {
    uint64_t size;
    return checked_mul(count, item, &size) ? arena_alloc(arena, size) : NULL;
}

char *arena_strdup(struct arena *arena, const char *s) {
    return arena_strndup(arena, s, strlen(s));
}

char *arena_strndup(struct arena *arena, const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *copy = arena_alloc(arena, len + 1);
    if (copy) memcpy(copy, s, len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text) vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}
