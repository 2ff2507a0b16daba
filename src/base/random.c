// SPDX-License-Identifier: Apache-2.0
#include "base/random_int.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

void random_bytes(void *buf, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t n = getrandom((char *)buf + done, size - done, 0);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            abort();
    }
}

void random_seed(void *buf, size_t size) {
    if (getrandom(buf, size, GRND_NONBLOCK) == (ssize_t)size) return;
    // The 16 bytes that the kernel gives every new program, told apart by the address.
    const uint8_t *at_random = (const uint8_t *)getauxval(AT_RANDOM);
    uintptr_t where = (uintptr_t)buf;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buf)[i] =
            (uint8_t)((at_random ? at_random[i % 16] : 0) ^ (where >> (8 * (i % 8))));
}
