// SPDX-License-Identifier: Apache-2.0
// The daemon's problem+json documents (RFC 9457) as errors.
#ifndef TRINE_CLI_PROBLEM_H
#define TRINE_CLI_PROBLEM_H

#include "base/err.h"

#include <jansson.h>

// problem: a document as the API writes it, or NULL or anything else (then the status alone
// speaks; 0 when there is none). Returns the negative errno of the error.
int problem_to_err(const json_t *problem, int status, struct err *err);

#endif
