// SPDX-License-Identifier: Apache-2.0
// A folder of its own for each test: group or test set-up and tear-down functions for cmocka. The
// test finds the path in `scratch_path`, its descriptor in `scratch_fd`.
#ifndef TRINE_TESTS_HOST_SCRATCH_H
#define TRINE_TESTS_HOST_SCRATCH_H

#include "../base/cmocka_test.h"
#include "host/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_path[64];
static int scratch_fd = -1;

static inline int scratch_setup(void **state) {
    const char *top = getenv("TMPDIR");
    snprintf(scratch_path, sizeof(scratch_path), "%.40s/trine-XXXXXX", top ? top : "/tmp");
    if (!mkdtemp(scratch_path)) return -1;
    scratch_fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return scratch_fd < 0 ? -1 : 0;
}

static inline int scratch_teardown(void **state) {
    close(scratch_fd);
    return dir_remove_tree(AT_FDCWD, scratch_path, NULL);
}

static inline bool scratch_has(const char *path) {
    return faccessat(scratch_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void scratch_write(const char *path, const char *text) {
    assert_int_equal(file_write_atomic(scratch_fd, path, text, strlen(text), 0644, NULL), 0);
}

// Number of this process's open descriptors: a test that leaks one can tell.
static inline int count_one(int dirfd, const char *name, void *arg) {
    ++*(int *)arg;
    return 0;
}
static inline int open_fds(void) {
    int n = 0;
    assert_int_equal(dir_each(AT_FDCWD, "/proc/self/fd", count_one, &n), 0);
    return n;
}

#define scratch_test(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

#endif
