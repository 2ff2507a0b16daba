// SPDX-License-Identifier: Apache-2.0
// Arithmetic on sizes that come from outside. Each returns false, and leaves *ret alone, when the
// result does not fit.
#ifndef TRINE_BASE_CHECKED_H
#define TRINE_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#define CHECKED_OP(name, builtin) \
    static inline __attribute__((warn_unused_result)) bool name(uint64_t a, uint64_t b, \
                                                                uint64_t *ret) { \
        uint64_t value; \
        if (builtin(a, b, &value)) return false; \
        *ret = value; \
        return true; \
    }
CHECKED_OP(checked_add, __builtin_add_overflow)
CHECKED_OP(checked_sub, __builtin_sub_overflow)
CHECKED_OP(checked_mul, __builtin_mul_overflow)
#undef CHECKED_OP

// Round up to a power of two `align`.
static inline __attribute__((warn_unused_result)) bool checked_align(uint64_t v, uint64_t align,
                                                                     uint64_t *ret) {
    uint64_t sum;
    if (!checked_add(v, align - 1, &sum)) return false;
    *ret = sum & ~(align - 1);
    return true;
}

#endif
