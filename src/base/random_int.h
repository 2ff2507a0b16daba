// SPDX-License-Identifier: Apache-2.0
// The kernel's random bytes, for identifiers and hash seeds.
#ifndef TRINE_BASE_RANDOM_INT_H
#define TRINE_BASE_RANDOM_INT_H

#include <stddef.h>

void random_bytes(void *buf, size_t size); // waits for entropy at boot; aborts where there is none
void random_seed(void *buf, size_t size);  // never waits: early in boot less than perfect

#endif
