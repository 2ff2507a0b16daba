// SPDX-License-Identifier: Apache-2.0
//   scratch/secret          must never be reached
//   scratch/root/           what the paths may use
#include "scratch.h"

#include <errno.h>

static int root = -1;

static int root_setup(void **state) {
    if (scratch_setup(state) < 0) return -1;
    scratch_write("secret", "outside");
    if (dir_make(scratch_fd, "root/etc", 0755, NULL) < 0) return -1;
    scratch_write("root/etc/passwd", "inside");
    return dir_open(scratch_fd, "root", &root, NULL);
}

static int root_teardown(void **state) {
    close(root);
    return scratch_teardown(state);
}

static void paths_resolve_inside(void **state) {
    static const char *const good[] = {"/etc/passwd",      "etc/passwd",
                                       "../../etc/passwd", "etc/../../../etc/passwd",
                                       "link/passwd",      "abs/passwd"};
    assert_int_equal(symlinkat("../../../etc", root, "link"), 0);
    assert_int_equal(symlinkat("/etc", root, "abs"), 0);
    assert_int_equal(symlinkat("/../secret", root, "escape"), 0);
    for (size_t i = 0; i < array_len(good); i++) {
        char buf[8] = {0};
        int fd = path_open_in_root(root, good[i], O_RDONLY, 0);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, buf, 7), 6);
        assert_string_equal(buf, "inside");
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
    }
    assert_int_equal(path_open_in_root(root, "escape", O_RDONLY, 0), -ENOENT);
    assert_int_equal(path_open_in_root(root, "../secret", O_RDONLY, 0), -ENOENT);
    int fd = path_open_in_root(root, "escape", O_WRONLY | O_CREAT, 0600); // made inside
    assert_true(fd >= 0);
    close(fd);
    assert_true(scratch_has("root/secret"));
}

static void folders_are_made_inside(void **state) {
    assert_int_equal(symlinkat("/var/run", root, "dangling"), 0);
    assert_int_equal(symlinkat("../../../../up/here", root, "relative"), 0);
    assert_int_equal(symlinkat("loop-b", root, "loop-a"), 0);
    assert_int_equal(symlinkat("loop-a", root, "loop-b"), 0);
    static const struct {
        const char *path, *made;
    } cases[] = {{"/a/b/c", "root/a/b/c"},
                 {"/a/b/c/", "root/a/b/c"},
                 {"../../x", "root/x"},
                 {"dangling/y", "root/var/run/y"},
                 {"relative/z", "root/up/here/z"},
                 {"a/../../../q", "root/q"},
                 {"", "root"}};
    for (size_t i = 0; i < array_len(cases); i++) {
        int fd = path_make_dir_in_root(root, cases[i].path, 0755);
        assert_true(fd >= 0);
        assert_true(scratch_has(cases[i].made));
        struct stat a, b;
        assert_int_equal(fstat(fd, &a), 0);
        assert_int_equal(fstatat(scratch_fd, cases[i].made, &b, 0), 0);
        assert_true(a.st_ino == b.st_ino);
        close(fd);
    }
    assert_int_equal(path_make_dir_in_root(root, "loop-a/x", 0755), -ELOOP);
    assert_int_equal(path_make_dir_in_root(root, "etc/passwd", 0755), -ENOTDIR);
    assert_int_equal(path_make_dir_in_root(root, "etc/passwd/x", 0755), -ENOTDIR);
    assert_false(scratch_has("x") || scratch_has("q") || scratch_has("up"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_resolve_inside, root_setup, root_teardown),
        cmocka_unit_test_setup_teardown(folders_are_made_inside, root_setup, root_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
