// SPDX-License-Identifier: Apache-2.0
// What the image tests share: a scratch folder and small tar streams.
#ifndef TRINE_TESTS_UNIT_IMAGE_TEST_H
#define TRINE_TESTS_UNIT_IMAGE_TEST_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "execution/container/image/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>

struct scratch {
    char path[64];
    int fd;
};
int scratch_set_up(void **state);    // *state: struct scratch *
int scratch_tear_down(void **state); // removes it
void scratch_expect(const struct scratch *scratch, const char *path, const char *content);
bool scratch_has(const struct scratch *scratch, const char *path);

// Appends one entry to a tar in memory; its content is terminated text or NULL.
void tar_add(struct str *tar, enum tar_type type, const char *path, uint32_t mode, const char *link,
             const char *content);
void tar_add_record(struct str *tar, const char *key, const char *value); // a pax header of one
void tar_finish(struct str *tar);

#endif
