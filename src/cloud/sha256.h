// SPDX-License-Identifier: Apache-2.0
// SHA-256 for secrets, by OpenSSL (whose names collide with base/err.h: nothing else includes its headers here).
#ifndef TRINE_CLOUD_SHA256_H
#define TRINE_CLOUD_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

void sha256_of(const void *data, size_t size, uint8_t ret[SHA256_SIZE]);
bool sha256_same(const uint8_t a[SHA256_SIZE], const uint8_t b[SHA256_SIZE]); // in constant time

#endif
