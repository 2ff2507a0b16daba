// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include "base/checked.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_ulong fail_countdown;

void mem_fail_nth(unsigned long n) {
    atomic_store(&fail_countdown, n);
}

// True once, when the counter that a test set runs out.
static bool must_fail(void) {
    unsigned long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0)
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) return left == 1;
    return false;
}

__attribute__((noreturn, cold)) static void out_of_memory(void) {
    static const char text[] = "trine: out of memory\n";
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) abort();
    abort();
}

void *mem_zalloc(size_t size) {
    void *p = calloc(1, size ? size : 1);
    if (!p) out_of_memory();
    return p;
}

void *mem_try_zalloc(size_t size) {
    if (must_fail()) return NULL;
    return calloc(1, size ? size : 1);
}

void *mem_try_array(size_t count, size_t item) {
    uint64_t size;
    if (!checked_mul(count, item, &size)) return NULL;
    return mem_try_zalloc(size);
}

void *mem_try_resize(void *p, size_t count, size_t item) {
    uint64_t size;
    if (!checked_mul(count, item, &size) || must_fail()) return NULL;
    return realloc(p, size ? size : 1);
}

char *mem_strdup(const char *s) {
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n) {
    size_t len = strnlen(s, n);
    char *copy = mem_zalloc(len + 1);
    memcpy(copy, s, len);
    return copy;
}

char *mem_printf(const char *fmt, ...) {
    char *text;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) out_of_memory();
    return text;
}

void *mem_try_dup(const void *p, size_t size) {
    if (size == SIZE_MAX) return NULL;
    char *copy = mem_try_zalloc(size + 1);
    if (copy && size) memcpy(copy, p, size);
    return copy;
}

void mem_autofree(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof(p));
    free(p);
}

// errno is kept: clean-up must not hide why the function failed.
void mem_autoclose(int *fd) {
    if (*fd < 0) return;
    int saved = errno;
    close(*fd);
    errno = saved;
}
