// SPDX-License-Identifier: Apache-2.0
// What a process that an image's bytes took over could still do: root only.
#include "execution/container/image/store.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-narrow.XXXXXX";

// Exit codes: 0 refused as it should be, else the number of the step.
static int try_devices(void) {
    struct image_report report = {0};
    struct image_store *store = NULL;
    struct err err = {0};
    char path[64];
    snprintf(path, sizeof(path), "%s/tmp/null", dir);
    if (image_store_open(dir, NULL, &report, &store, &err) < 0) return 1;
    if (store_begin_write(store, &err) < 0) return 1;
    if (mknodat(store->tmp_fd, "null", S_IFCHR | 0666, makedev(1, 3)) < 0) return 1;
    int old = openat(store->tmp_fd, "null", O_RDWR | O_CLOEXEC);
    if (old < 0) return 2; // the device itself works: or the test would show nothing
    close(old);
    if (image_narrow(store, NULL, &err) < 0) return 3;
    if (mknodat(store->run_fd, "zero", S_IFCHR | 0666, makedev(1, 5)) < 0) return 4;
    if (openat(store->run_fd, "zero", O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES) return 5;
    if (openat(store->tmp_fd, "null", O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES) return 6;
    if (open(path, O_RDWR | O_CLOEXEC) >= 0 || errno != EACCES) return 7;
    auto_close int file = openat(store->run_fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || renameat(store->run_fd, "file", store->layers_fd, "file") < 0) return 8;
    return 0;
}

static void devices_stay_shut(void **state) {
    if (geteuid() != 0) skip();
    assert_non_null(mkdtemp(dir));
    pid_t pid = fork();
    if (pid == 0) _exit(try_devices());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(dir_remove_tree(AT_FDCWD, dir, NULL), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(devices_stay_shut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
