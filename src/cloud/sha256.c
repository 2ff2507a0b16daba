// SPDX-License-Identifier: Apache-2.0
#include "cloud/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

void sha256_of(const void *data, size_t size, uint8_t ret[SHA256_SIZE]) {
    SHA256(data, size, ret);
}

bool sha256_same(const uint8_t a[SHA256_SIZE], const uint8_t b[SHA256_SIZE]) {
    return CRYPTO_memcmp(a, b, SHA256_SIZE) == 0;
}
