// SPDX-License-Identifier: Apache-2.0
// What every fuzzer defines: take any bytes, never crash, leak, or touch what is not its own.
#ifndef TRINE_TESTS_FUZZ_H
#define TRINE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); // 0

#endif
