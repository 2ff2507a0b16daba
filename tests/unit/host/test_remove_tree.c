// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "host/process.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

static void a_tree_goes_and_what_links_name_stays(void **state) {
    assert_int_equal(dir_make(scratch_fd, "outside/in", 0755, NULL), 0);
    scratch_write("outside/in/file", "kept");
    assert_int_equal(dir_make(scratch_fd, "tree/a/b", 0755, NULL), 0);
    scratch_write("tree/a/file", "");
    assert_int_equal(symlinkat("../outside", scratch_fd, "tree/folder-link"), 0);
    assert_int_equal(symlinkat("../../outside/in/file", scratch_fd, "tree/a/file-link"), 0);
    assert_int_equal(symlinkat("/", scratch_fd, "tree/a/b/root-link"), 0);
    assert_int_equal(mkfifoat(scratch_fd, "tree/fifo", 0600), 0);
    int before = open_fds();
    assert_int_equal(dir_remove_tree(scratch_fd, "tree/", NULL), 0);
    assert_int_equal(open_fds(), before);
    assert_false(scratch_has("tree"));
    assert_true(scratch_has("outside/in/file"));
    assert_int_equal(dir_remove_tree(scratch_fd, "tree", NULL), 0); // absent is fine
    assert_int_equal(dir_remove_tree(scratch_fd, "none/tree", NULL), 0);
}

static void the_top_itself_may_be_a_link_or_file(void **state) {
    assert_int_equal(dir_make(scratch_fd, "outside", 0755, NULL), 0);
    scratch_write("outside/file", "kept");
    assert_int_equal(symlinkat("outside", scratch_fd, "link"), 0);
    assert_int_equal(dir_remove_tree(scratch_fd, "link", NULL), 0);
    assert_false(scratch_has("link"));
    assert_true(scratch_has("outside/file"));
    assert_int_equal(dir_remove_tree(scratch_fd, "outside/file", NULL), 0);
    assert_false(scratch_has("outside/file"));
}

static void deep_trees_need_few_descriptors(void **state) {
    enum { DEPTH = 300 };
    int at = dup(scratch_fd);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(mkdirat(at, "d", 0755), 0);
        assert_int_equal(symlinkat("..", at, "up"), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
    assert_int_equal(dir_remove_tree(scratch_fd, "d", NULL), 0);
    assert_false(scratch_has("d"));
}

static void folders_without_rights_go_too(void **state) {
    assert_int_equal(dir_make(scratch_fd, "tree/closed/in", 0755, NULL), 0);
    assert_int_equal(fchmodat(scratch_fd, "tree/closed", 0, 0), 0);
    assert_int_equal(dir_remove_tree(scratch_fd, "tree", NULL), 0);
    assert_false(scratch_has("tree"));
}

static int mounted_body(void) {
    struct err err = {0};
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return 77;
    char path[96];
    snprintf(path, sizeof(path), "%s/tree/in", scratch_path);
    // A bind mount of the same file system counts as well.
    if (mount(scratch_path, path, NULL, MS_BIND, NULL) < 0) return 1;
    if (dir_remove_tree(scratch_fd, "tree", &err) != -EBUSY || err.kind != ERR_STATE) return 2;
    if (!err.next[0] || !scratch_has("kept")) return 3;
    if (dir_remove_tree(scratch_fd, "tree/in", &err) != -EBUSY || !scratch_has("kept")) return 4;
    if (umount2(path, MNT_DETACH) < 0) return 5;
    return dir_remove_tree(scratch_fd, "tree", NULL) == 0 ? 0 : 6;
}

static void mounts_are_not_crossed(void **state) {
    assert_int_equal(dir_make(scratch_fd, "tree/in", 0755, NULL), 0);
    scratch_write("kept", "");
    pid_t pid = fork();
    if (pid == 0) _exit(mounted_body());
    int r = process_wait(pid);
    if (r == 77) skip();
    assert_int_equal(r, 0);
}

static void names_that_are_no_names_are_refused(void **state) {
    static const char *const bad[] = {".", "..", "a/..", "/", "a/.", "./"};
    for (size_t i = 0; i < array_len(bad); i++) {
        struct err err = {0};
        assert_int_equal(dir_remove_tree(scratch_fd, bad[i], &err), -EINVAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(a_tree_goes_and_what_links_name_stays),
        scratch_test(the_top_itself_may_be_a_link_or_file),
        scratch_test(deep_trees_need_few_descriptors),
        scratch_test(folders_without_rights_go_too),
        scratch_test(mounts_are_not_crossed),
        scratch_test(names_that_are_no_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
