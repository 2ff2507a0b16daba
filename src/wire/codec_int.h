// SPDX-License-Identifier: Apache-2.0
// Field encodings shared by the generated encoders and decoders (see wire/channel.h for the
// format).
#ifndef TRINE_WIRE_CODEC_INT_H
#define TRINE_WIRE_CODEC_INT_H

#include "wire/messages.h"

int put_string(struct writer *w, const char *text, size_t max, const char *field, struct err *err);
int put_strings(struct writer *w, struct wire_strings list, size_t max, const char *field,
                struct err *err);
int put_bytes(struct writer *w, struct span bytes, size_t max, const char *field, struct err *err);

// On bad input or an exhausted arena they set r->failed and return "" / an empty list.
const char *get_string(struct reader *r, struct arena *arena, size_t max);
struct wire_strings get_strings(struct reader *r, struct arena *arena, size_t max);
struct span get_bytes(struct reader *r, struct arena *arena, size_t max);

// The payload must have been read exactly to its end.
int decode_end(const struct reader *r, const char *message, struct err *err);

#endif
