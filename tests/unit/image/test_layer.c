// SPDX-License-Identifier: Apache-2.0
// Unpacking without any rights: names, links, whiteouts, limits. Owners and devices need root and
// are tested with real archives.
#include "execution/container/image/layer.h"

#include "host/file.h"
#include "image_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct limits {
    uint64_t bytes, entries;
};

// Into scratch/`name`, over scratch/`lower` when that is not NULL.
static int unpack(struct scratch *s, const char *name, const char *lower, struct str *tar,
                  struct limits limits, struct err *err) {
    struct layer_stats stats;
    struct image_budget budget = {
        .limits = {.max_bytes = limits.bytes, .max_entries = limits.entries, .max_ratio = 1100}};
    auto_close int lower_fd = lower ? openat(s->fd, lower, O_RDONLY | O_DIRECTORY) : -1;
    const struct layer_options options = {.object = "layer",
                                          .mode = IMAGE_MODE_PLAIN,
                                          .lower_fds = &lower_fd,
                                          .n_lowers = lower ? 1 : 0,
                                          .budget = &budget};
    mkdirat(s->fd, name, 0755);
    auto_close int root = openat(s->fd, name, O_RDONLY | O_DIRECTORY);
    tar_finish(tar);
    auto_stream struct stream *in = stream_memory(tar->data, tar->len);
    return layer_unpack(in, root, &options, &stats, err);
}

static const struct limits ample = {1 << 20, 1000};

static void test_plain(void **state) {
    struct scratch *s = *state;
    auto_str struct str t = {0};
    struct stat a, b;
    tar_add(&t, TAR_DIR, "./", 0755, NULL, NULL);
    tar_add(&t, TAR_DIR, "./d/", 0500, NULL, NULL);
    tar_add(&t, TAR_FILE, "./d/f", 0640, NULL, "hello");
    tar_add(&t, TAR_SYMLINK, "l", 0777, "/anywhere/../at/all", NULL);
    tar_add(&t, TAR_HARD_LINK, "h", 0, "./d/f", NULL);
    tar_add(&t, TAR_FIFO, "p", 0600, NULL, NULL);
    assert_int_equal(unpack(s, "x", NULL, &t, ample, NULL), 0);
    scratch_expect(s, "x/d/f", "hello");
    assert_int_equal(fstatat(s->fd, "x/d/f", &a, 0), 0);
    assert_int_equal(fstatat(s->fd, "x/h", &b, 0), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_mode & 07777, 0640);
    assert_int_equal(a.st_mtim.tv_sec, 1000000000);
    assert_int_equal(fstatat(s->fd, "x/d", &a, 0), 0);
    assert_int_equal(a.st_mtim.tv_sec, 1000000000);
    assert_int_equal(fstatat(s->fd, "x/p", &a, 0), 0);
    assert_true(S_ISFIFO(a.st_mode));
}

static void test_replace(void **state) {
    struct scratch *s = *state;
    auto_str struct str t = {0};
    tar_add(&t, TAR_FILE, "a", 0644, NULL, "first");
    tar_add(&t, TAR_FILE, "a", 0644, NULL, "second");
    tar_add(&t, TAR_FILE, "d/f", 0644, NULL, "x");
    tar_add(&t, TAR_FILE, "d", 0644, NULL, "file now");
    tar_add(&t, TAR_SYMLINK, "l", 0777, "/etc", NULL);
    tar_add(&t, TAR_DIR, "l", 0755, NULL, NULL);
    tar_add(&t, TAR_FILE, "l/f", 0644, NULL, "inside");
    assert_int_equal(unpack(s, "x", NULL, &t, ample, NULL), 0);
    scratch_expect(s, "x/a", "second");
    scratch_expect(s, "x/d", "file now");
    scratch_expect(s, "x/l/f", "inside");
}

// One hostile entry after a link that leads out: refused, and named.
static void test_refused(void **state) {
    struct scratch *s = *state;
    static const struct {
        enum tar_type type;
        const char *path, *link, *cause;
    } table[] = {
        {TAR_FILE, "../f", NULL, "leads out of the image"},
        {TAR_FILE, "a/../../f", NULL, "leads out of the image"},
        {TAR_FILE, "/f", NULL, "absolute name"},
        {TAR_FILE, "out/f", NULL, "symbolic link of the same layer"},
        {TAR_DIR, "out/f", NULL, "symbolic link of the same layer"},
        {TAR_FILE, "out/.wh.f", NULL, "symbolic link of the same layer"},
        {TAR_HARD_LINK, "f", "/etc/passwd", "leads out of the image"},
        {TAR_HARD_LINK, "f", "../canary", "leads out of the image"},
        {TAR_HARD_LINK, "f", "out/canary", "through a symbolic link"},
        {TAR_HARD_LINK, "f", "absent", "not in its layer"},
        {TAR_HARD_LINK, "f", "dir", "to a directory"},
        {TAR_FILE, "dir/.wh...", NULL, "whiteout of its own or its parent"},
        {TAR_FILE, ".wh..", NULL, "whiteout of its own or its parent"},
        {TAR_FILE, ".wh.", NULL, "whiteout of its own or its parent"},
        {TAR_FILE, "file/f", NULL, "no directory"},
        {TAR_FILE, ".", NULL, "the root and no directory"},
    };
    for (size_t i = 0; i < array_len(table); i++) {
        auto_str struct str t = {0};
        struct err err = {0};
        char name[16];
        snprintf(name, sizeof(name), "x%zu", i);
        tar_add(&t, TAR_DIR, "dir", 0755, NULL, NULL);
        tar_add(&t, TAR_FILE, "file", 0644, NULL, NULL);
        tar_add(&t, TAR_SYMLINK, "out", 0777, "..", NULL);
        tar_add(&t, table[i].type, table[i].path, 0644, table[i].link, NULL);
        assert_true(unpack(s, name, NULL, &t, ample, &err) < 0);
        if (!strstr(err.cause, table[i].cause) || !strstr(err.cause, table[i].path))
            fail_msg("%s: said '%s'", table[i].path, err.cause);
        assert_false(scratch_has(s, "f"));
    }
}

static bool is_whiteout(struct scratch *s, const char *path) {
    struct stat st;
    return fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == makedev(0, 0);
}

static bool is_opaque(struct scratch *s, const char *path) {
    char full[160], value[8];
    snprintf(full, sizeof(full), "%s/%s", s->path, path);
    return getxattr(full, "user.overlay.opaque", value, sizeof(value)) == 1 && value[0] == 'y';
}

static void test_whiteouts(void **state) {
    struct scratch *s = *state;
    auto_str struct str lower = {0}, upper = {0};
    tar_add(&lower, TAR_FILE, "d/gone", 0644, NULL, "x");
    tar_add(&lower, TAR_FILE, "again/old", 0644, NULL, "x");
    tar_add(&lower, TAR_FILE, "cleared/old", 0644, NULL, "x");
    tar_add(&lower, TAR_FILE, "own", 0644, NULL, "x");
    assert_int_equal(unpack(s, "lower", NULL, &lower, ample, NULL), 0);
    tar_add(&upper, TAR_FILE, "d/.wh.gone", 0, NULL, NULL);
    tar_add(&upper, TAR_FILE, "d/.wh.never", 0, NULL, NULL);
    tar_add(&upper, TAR_FILE, ".wh.again", 0, NULL, NULL);
    tar_add(&upper, TAR_FILE, "again/new", 0644, NULL, "x");
    tar_add(&upper, TAR_FILE, "cleared/.wh..wh..opq", 0, NULL, NULL);
    tar_add(&upper, TAR_FILE, "cleared/.wh..wh.plnk", 0, NULL, NULL);
    tar_add(&upper, TAR_FILE, "own", 0644, NULL, "mine");
    tar_add(&upper, TAR_FILE, ".wh.own", 0, NULL, NULL);
    struct err err = {0};
    int r = unpack(s, "upper", "lower", &upper, ample, &err);
    if (strstr(err.cause, "opaque")) skip(); // no extended attributes in /tmp
    assert_int_equal(r, 0);
    assert_true(is_whiteout(s, "upper/d/gone"));
    assert_false(scratch_has(s, "upper/d/never"));
    assert_true(is_opaque(s, "upper/again"));
    assert_true(scratch_has(s, "upper/again/new"));
    assert_true(is_opaque(s, "upper/cleared"));
    assert_false(scratch_has(s, "upper/cleared/.wh..wh.plnk"));
    scratch_expect(s, "upper/own", "mine"); // what the layer brings itself stays
}

static void test_lower_links(void **state) {
    struct scratch *s = *state;
    auto_str struct str lower = {0}, upper = {0}, loop = {0};
    struct err err = {0};
    tar_add(&lower, TAR_DIR, "usr/lib", 0750, NULL, NULL);
    tar_add(&lower, TAR_SYMLINK, "lib", 0777, "usr/lib", NULL);
    tar_add(&lower, TAR_SYMLINK, "out", 0777, "../../..", NULL);
    tar_add(&lower, TAR_SYMLINK, "one", 0777, "two", NULL);
    tar_add(&lower, TAR_SYMLINK, "two", 0777, "one", NULL);
    assert_int_equal(unpack(s, "lower", NULL, &lower, ample, NULL), 0);
    tar_add(&upper, TAR_FILE, "lib/x", 0644, NULL, "x");
    tar_add(&upper, TAR_FILE, "out/y", 0644, NULL, "y");
    assert_int_equal(unpack(s, "upper", "lower", &upper, ample, NULL), 0);
    scratch_expect(s, "upper/usr/lib/x", "x");
    scratch_expect(s, "upper/y", "y"); // ".." ends at the root
    struct stat st;
    assert_int_equal(fstatat(s->fd, "upper/usr/lib", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0750); // as the layer below has it
    tar_add(&loop, TAR_FILE, "one/z", 0644, NULL, "z");
    assert_true(unpack(s, "loop", "lower", &loop, ample, &err) < 0);
    assert_non_null(strstr(err.cause, "too many symbolic links"));
}

static void test_limits(void **state) {
    struct scratch *s = *state;
    auto_str struct str t = {0};
    struct err err = {0};
    for (int i = 0; i < 20; i++) { // each end mark that is added later lies behind the first
        char name[16];
        snprintf(name, sizeof(name), "f%d", i);
        tar_add(&t, TAR_FILE, name, 0644, NULL, "0123456789");
    }
    assert_true(unpack(s, "a", NULL, &t, (struct limits){100, 1000}, &err) < 0);
    assert_int_equal(err.kind, ERR_LIMIT);
    err_clear(&err);
    assert_true(unpack(s, "b", NULL, &t, (struct limits){1000, 10}, &err) < 0);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(unpack(s, "c", NULL, &t, (struct limits){200, 20}, NULL), 0);
}

static void test_clean_path(void **state) {
    char to[TAR_PATH_MAX + 1];
    assert_null(layer_clean_path("./a//b/./c/", to));
    assert_string_equal(to, "a/b/c");
    assert_null(layer_clean_path("././", to));
    assert_string_equal(to, "");
    assert_null(layer_clean_path("a/...", to));
    assert_non_null(layer_clean_path("a/..", to));
    assert_non_null(layer_clean_path("/a", to));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, scratch_set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_replace, scratch_set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, scratch_set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_whiteouts, scratch_set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_lower_links, scratch_set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_limits, scratch_set_up, scratch_tear_down),
        cmocka_unit_test(test_clean_path)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
