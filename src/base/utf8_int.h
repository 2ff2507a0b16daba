// SPDX-License-Identifier: Apache-2.0
// The one decoder of UTF-8 (Unicode 15, table 3-7) that text, str, err and log share.
#ifndef TRINE_BASE_UTF8_INT_H
#define TRINE_BASE_UTF8_INT_H

#include <stddef.h>
#include <stdint.h>

// Length (1..4) of the well-formed sequence at the start of `bytes`, 0 if there is none.
size_t utf8_length(const uint8_t *bytes, size_t size);

// Cuts an unfinished sequence off the end of a terminated text, as truncation leaves it.
void utf8_trim_tail(char *text);

#endif
