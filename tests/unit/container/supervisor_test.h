// SPDX-License-Identifier: Apache-2.0
// What the tests of the supervisor's parts share, beyond a scratch folder.
#ifndef TRINE_TESTS_UNIT_CONTAINER_SUPERVISOR_TEST_H
#define TRINE_TESTS_UNIT_CONTAINER_SUPERVISOR_TEST_H

#include "../host/scratch.h"

#include <string.h>

// Text of a file in the scratch folder; the caller's. NULL when it is not there.
static inline char *scratch_text(const char *name) {
    char *data = NULL;
    size_t size;
    return file_read(scratch_fd, name, 64u << 20, &data, &size, NULL) < 0 ? NULL : data;
}

#endif
