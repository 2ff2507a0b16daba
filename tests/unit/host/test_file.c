// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

static void atomic_write_and_bounded_read(void **state) {
    int before = open_fds();
    char *data;
    size_t size;
    mode_t old_mask = umask(0077);
    assert_int_equal(file_write_atomic(scratch_fd, "a", "hello", 5, 0644, NULL), 0);
    umask(old_mask);
    struct stat st;
    assert_int_equal(fstatat(scratch_fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(file_read(scratch_fd, "a", 5, &data, &size, NULL), 0);
    assert_int_equal(size, 5);
    assert_string_equal(data, "hello");
    free(data);
    struct err err = {0};
    assert_true(file_read(scratch_fd, "a", 4, &data, &size, &err) < 0);
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_int_equal(file_write_atomic(scratch_fd, "a", "", 0, 0600, NULL), 0);
    assert_int_equal(file_read(scratch_fd, "a", 0, &data, NULL, NULL), 0);
    assert_string_equal(data, "");
    free(data);
    assert_int_equal(open_fds(), before);
}

static int only_wanted(int dirfd, const char *name, void *arg) {
    return strcmp(name, arg) == 0 ? 0 : -EEXIST;
}

static void a_failed_write_leaves_nothing(void **state) {
    struct err err = {0};
    assert_int_equal(mkdirat(scratch_fd, "folder", 0755), 0);
    assert_int_equal(file_write_atomic(scratch_fd, "folder", "x", 1, 0644, &err), -EISDIR);
    assert_int_equal(file_write_atomic(scratch_fd, "none/x", "x", 1, 0644, &err), -ENOENT);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(dir_each(scratch_fd, ".", only_wanted, (void *)(uintptr_t) "folder"), 0);
}

static void a_link_is_replaced_and_not_followed(void **state) {
    scratch_write("target", "old");
    assert_int_equal(symlinkat("target", scratch_fd, "link"), 0);
    scratch_write("link", "new");
    char *data;
    assert_int_equal(file_read(scratch_fd, "target", 100, &data, NULL, NULL), 0);
    assert_string_equal(data, "old");
    free(data);
}

static void reading_what_is_no_plain_file(void **state) {
    char *data;
    size_t size;
    struct err err = {0};
    assert_int_equal(file_read(scratch_fd, "none", 10, &data, &size, &err), -ENOENT);
    assert_string_equal(err.object, "none");
    assert_int_equal(file_read(scratch_fd, ".", 10, &data, &size, &err), -EISDIR);
    assert_int_equal(mkfifoat(scratch_fd, "fifo", 0600), 0);
    assert_int_equal(file_read(scratch_fd, "fifo", 10, &data, &size, NULL), 0); // does not hang
    assert_int_equal(size, 0);
    free(data);
    assert_int_equal(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &data, &size, NULL), 0);
    assert_int_equal(strlen(data), size);
    assert_true(size > 0);
    free(data);
}

static void no_memory_is_an_error(void **state) {
    char *data;
    scratch_write("a", "hello");
    mem_fail_nth(1);
    assert_int_equal(file_read(scratch_fd, "a", 10, &data, NULL, NULL), -ENOMEM);
}

static void plain_text_write_needs_the_file(void **state) {
    assert_int_equal(file_write_text(scratch_fd, "a", "1"), -ENOENT);
    scratch_write("a", "100");
    assert_int_equal(file_write_text(scratch_fd, "a", "7"), 0);
    char *data;
    assert_int_equal(file_read(scratch_fd, "a", 10, &data, NULL, NULL), 0);
    assert_string_equal(data, "7");
    free(data);
}

static void folders_are_made_like_mkdir_p(void **state) {
    assert_int_equal(dir_make(scratch_fd, "a/b//c/", 0755, NULL), 0);
    assert_int_equal(dir_make(scratch_fd, "a/b/c", 0755, NULL), 0);
    assert_true(scratch_has("a/b/c"));
    scratch_write("file", "");
    struct err err = {0};
    assert_int_equal(dir_make(scratch_fd, "file/x", 0755, &err), -ENOTDIR);
    assert_int_equal(dir_make(scratch_fd, "file", 0755, &err), -ENOTDIR);
    assert_int_equal(dir_make(scratch_fd, "", 0755, &err), -ENOENT);
    int fd;
    assert_int_equal(dir_open(scratch_fd, "a/b", &fd, &err), 0);
    close(fd);
    assert_int_equal(dir_open(scratch_fd, "file", &fd, &err), -ENOTDIR);
    char absolute[128];
    snprintf(absolute, sizeof(absolute), "%s/x/y", scratch_path);
    assert_int_equal(dir_make(AT_FDCWD, absolute, 0755, NULL), 0);
    assert_true(scratch_has("x/y"));
}

static int stop_at_second(int dirfd, const char *name, void *arg) {
    return ++*(int *)arg == 2 ? -ECANCELED : 0;
}

static void walking_can_be_stopped(void **state) {
    scratch_write("a", "");
    scratch_write("b", "");
    scratch_write("c", "");
    int n = 0;
    assert_int_equal(dir_each(scratch_fd, ".", stop_at_second, &n), -ECANCELED);
    assert_int_equal(n, 2);
    assert_int_equal(dir_each(scratch_fd, "none", stop_at_second, &n), -ENOENT);
}

static void a_lock_names_its_holder(void **state) {
    int fd, other;
    struct err err = {0};
    char expect[64];
    assert_int_equal(file_lock(scratch_fd, "lock", &fd, NULL), 0);
    assert_int_equal(file_lock(scratch_fd, "lock", &other, &err), -EBUSY);
    assert_int_equal(err.kind, ERR_STATE);
    snprintf(expect, sizeof(expect), "process %d holds the lock", (int)getpid());
    assert_string_equal(err.cause, expect);
    close(fd);
    assert_int_equal(file_lock(scratch_fd, "lock", &other, NULL), 0);
    close(other);
}

static void descriptors_pass_through_a_socket(void **state) {
    int pair[2], fds[FD_PASS_MAX], got[FD_PASS_MAX], before = open_fds();
    size_t n;
    char buf[16];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < FD_PASS_MAX; i++) fds[i] = scratch_fd;
    assert_int_equal(fd_send(pair[0], "hi", 2, fds, FD_PASS_MAX, 0), 2);
    assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, &n, 0), 2);
    assert_int_equal(n, FD_PASS_MAX);
    struct stat a, b;
    fstat(scratch_fd, &a);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(fstat(got[i], &b), 0);
        assert_true(a.st_ino == b.st_ino);
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
        close(got[i]);
    }
    assert_int_equal(fd_send(pair[0], "hi", 2, fds, FD_PASS_MAX + 1, 0), -EINVAL);
    // Too long a message, and nobody who wants descriptors: they are closed.
    assert_int_equal(fd_send(pair[0], "too long", 8, fds, 3, 0), 8);
    assert_int_equal(fd_recv(pair[1], buf, 4, got, &n, 0), -EMSGSIZE);
    assert_int_equal(fd_send(pair[0], "x", 1, fds, 3, 0), 1);
    assert_int_equal(fd_recv(pair[1], buf, 4, NULL, NULL, 0), 1);
    assert_int_equal(fd_send(pair[0], "x", 1, NULL, 0, 0), 1);
    assert_int_equal(fd_recv(pair[1], buf, 4, got, &n, 0), 1);
    assert_int_equal(n, 0);
    assert_int_equal(fd_recv(pair[1], buf, 4, got, &n, MSG_DONTWAIT), -EAGAIN);
    close(pair[0]);
    assert_int_equal(fd_recv(pair[1], buf, 4, got, &n, 0), 0);
    assert_int_equal(fd_send(pair[1], "x", 1, NULL, 0, 0), -EPIPE);
    close(pair[1]);
    assert_int_equal(open_fds(), before);
}

static void a_sender_cannot_overrun_the_receiver(void **state) {
    int pair[2], got[FD_PASS_MAX], before = open_fds();
    size_t n;
    char buf[4];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    enum { MANY = FD_PASS_MAX + 5 };
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(MANY * sizeof(int))] = {0};
    struct iovec iov = {buf, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    *cmsg = (struct cmsghdr){CMSG_LEN(MANY * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    for (int i = 0; i < MANY; i++)
        memcpy(CMSG_DATA(cmsg) + (size_t)i * sizeof(int), &scratch_fd, sizeof(int));
    assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
    assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, &n, 0), -EMSGSIZE);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(open_fds(), before);
}

static void memory_files_are_sealed(void **state) {
    int fd;
    char buf[8] = {0};
    assert_int_equal(fd_memory("spec", "hello", 5, &fd), 0);
    assert_int_equal(read(fd, buf, sizeof(buf)), 5);
    assert_string_equal(buf, "hello");
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    char path[FD_PATH_SIZE];
    int again = open(fd_path(fd, path), O_RDONLY | O_CLOEXEC);
    assert_true(again >= 0);
    close(again);
    close(fd);
}

static void flags_of_descriptors(void **state) {
    int fd = open("/dev/null", O_RDONLY);
    assert_int_equal(fd_set_cloexec(fd, true), 0);
    assert_int_equal(fd_set_nonblock(fd, true), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fd_set_cloexec(fd, false), 0);
    assert_int_equal(fd_set_nonblock(fd, false), 0);
    assert_false(fcntl(fd, F_GETFD) & FD_CLOEXEC || fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    assert_int_equal(fd_set_cloexec(fd, true), -EBADF);
    assert_int_equal(file_write_all(fd, "x", 1), -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(atomic_write_and_bounded_read),
        scratch_test(a_failed_write_leaves_nothing),
        scratch_test(a_link_is_replaced_and_not_followed),
        scratch_test(reading_what_is_no_plain_file),
        scratch_test(no_memory_is_an_error),
        scratch_test(plain_text_write_needs_the_file),
        scratch_test(folders_are_made_like_mkdir_p),
        scratch_test(walking_can_be_stopped),
        scratch_test(a_lock_names_its_holder),
        scratch_test(descriptors_pass_through_a_socket),
        scratch_test(a_sender_cannot_overrun_the_receiver),
        scratch_test(memory_files_are_sealed),
        scratch_test(flags_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
