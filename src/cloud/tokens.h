// SPDX-License-Identifier: Apache-2.0
// Bearer tokens of the HTTPS listener: a file with "TOKEN USER" a line. Kept as SHA-256, compared in constant time.
#ifndef TRINE_CLOUD_TOKENS_H
#define TRINE_CLOUD_TOKENS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_MIN_LEN 32

struct tokens;
// ERR_DENIED when others may read the file; ERR_INVALID naming the line that is wrong.
int tokens_read(const char *path, struct tokens **ret, struct err *err);
bool tokens_check(const char *token, void *tokens, char *ret_user,
                  size_t user_size); // an http_authorise_fn
void tokens_free(struct tokens *tokens);

#endif
