// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include <errno.h>
#include <sys/socket.h>

static char path[512];

static const char *in_scratch(const char *name) {
    snprintf(path, sizeof(path), "%s/%s", scratch_path, name);
    return path;
}

static void talk(const char *at, int type) {
    int server, client;
    mode_t old_mask = umask(0077);
    assert_int_equal(unix_listen(at, type, 0660, &server, NULL), 0);
    umask(old_mask);
    struct stat st;
    assert_int_equal(stat(at, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(accept4(server, NULL, NULL, SOCK_CLOEXEC), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(unix_connect(at, type, &client, NULL), 0);
    assert_false(fcntl(client, F_GETFL) & O_NONBLOCK);
    int conn = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    struct peer peer;
    assert_int_equal(unix_peer(conn, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    char buf[4];
    assert_int_equal(send(client, "abc", 3, 0), 3);
    assert_int_equal(recv(conn, buf, sizeof(buf), 0), 3);
    close(conn);
    close(client);
    close(server);
}

static void both_types_serve(void **state) {
    int before = open_fds();
    talk(in_scratch("stream"), SOCK_STREAM);
    talk(in_scratch("packets"), SOCK_SEQPACKET);
    assert_int_equal(open_fds(), before);
}

static void long_paths_work(void **state) {
    char folder[160];
    memset(folder, 'f', sizeof(folder));
    folder[sizeof(folder) - 1] = '\0';
    assert_int_equal(mkdirat(scratch_fd, folder, 0755), 0);
    char name[200];
    snprintf(name, sizeof(name), "%s/socket", folder);
    talk(in_scratch(name), SOCK_STREAM);
    struct err err = {0};
    int fd;
    assert_int_equal(unix_listen(in_scratch(folder), SOCK_STREAM, 0600, &fd, &err), -ENAMETOOLONG);
}

static void a_stale_socket_gives_way_and_a_served_one_does_not(void **state) {
    int server, second;
    struct err err = {0};
    const char *at = in_scratch("s");
    assert_int_equal(unix_listen(at, SOCK_STREAM, 0600, &server, NULL), 0);
    assert_int_equal(unix_listen(at, SOCK_STREAM, 0600, &second, &err), -EADDRINUSE);
    assert_int_equal(err.kind, ERR_STATE);
    assert_true(err.next[0]);
    close(server); // the file stays behind
    assert_true(scratch_has("s"));
    int client;
    assert_int_equal(unix_connect(at, SOCK_STREAM, &client, &err), -ECONNREFUSED);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_int_equal(unix_listen(at, SOCK_STREAM, 0600, &server, NULL), 0);
    assert_int_equal(unix_connect(at, SOCK_STREAM, &client, NULL), 0);
    close(client);
    close(server);
}

static void a_plain_file_is_never_removed(void **state) {
    int fd;
    struct err err = {0};
    scratch_write("file", "precious");
    assert_int_equal(unix_listen(in_scratch("file"), SOCK_STREAM, 0600, &fd, &err), -EADDRINUSE);
    assert_true(scratch_has("file"));
    assert_int_equal(unix_connect(in_scratch("none"), SOCK_STREAM, &fd, &err), -ENOENT);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_true(unix_listen(in_scratch("none/s"), SOCK_STREAM, 0600, &fd, &err) < 0);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_true(unix_listen(in_scratch(""), SOCK_STREAM, 0600, &fd, &err) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(both_types_serve),
        scratch_test(long_paths_work),
        scratch_test(a_stale_socket_gives_way_and_a_served_one_does_not),
        scratch_test(a_plain_file_is_never_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
