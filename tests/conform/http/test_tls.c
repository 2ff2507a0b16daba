// SPDX-License-Identifier: Apache-2.0
// HTTPS with tokens. The client is curl, a child of the test.
#include "../../unit/cloud/http_bed.h"

#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Made for this test: for 127.0.0.1, good until 2126.
static const char CERT[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIIBkjCCATigAwIBAgIULOjKlByPDUyUt157taS4F2rISGEwCgYIKoZIzj0EAwIw\n"
                           "FTETMBEGA1UEAwwKdHJpbmUgdGVzdDAgFw0yNjExMjExMTE5NDdaGA8yMTI2MTAy\n"
                           "ODExMTk0N1owFTETMBEGA1UEAwwKdHJpbmUgdGVzdDBZMBMGByqGSM49AgEGCCqG\n"
                           "SM49AwEHA0IABCbblXOynyD2YCaAsXKDBXxvI4kDDQykKCQ1hziso7gd4WA+7JMB\n"
                           "GycotUUanBgkQrDpqqm/tt93gtKuQ937v9SjZDBiMB0GA1UdDgQWBBThGCgYnybG\n"
                           "ZUz5GgaTTtoM+Nl9YDAfBgNVHSMEGDAWgBThGCgYnybGZUz5GgaTTtoM+Nl9YDAP\n"
                           "BgNVHRMBAf8EBTADAQH/MA8GA1UdEQQIMAaHBH8AAAEwCgYIKoZIzj0EAwIDSAAw\n"
                           "RQIgJIqEMzSImIF90ZsleKxa4RAnY3h0pigLwgz6y0b4TLsCIQCpYt0hR46/xIUf\n"
                           "TXbfRzphvqv0iZ5s4Kf1fS2r1ADJ2w==\n"
                           "-----END CERTIFICATE-----\n";
static const char KEY[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdEteUD0wb1b7Jrgt\n"
                          "/UdRBIRyIwZXYxIsTrWLh2G5WQKhRANCAAQm25Vzsp8g9mAmgLFygwV8byOJAw0M\n"
                          "pCgkNYc4rKO4HeFgPuyTARsnKLVFGpwYJEKw6aqpv7bfd4LSrkPd+7/U\n"
                          "-----END PRIVATE KEY-----\n";
static const char OTHER_KEY[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9/gXgjr+i/UPhuaK\n"
                                "qiSp6qINbO+AHxM6QJxq3TEjD8qhRANCAASH97fmEVPqEdBVESJhRfak+08Eql15\n"
                                "412TGweJSIEUAXr12rwEhAEnJRBHXwLMmZkBw+6oyqlMbRG7Nt8p5A65\n"
                                "-----END PRIVATE KEY-----\n";

struct files {
    char dir[32], cert[64], key[64], other_key[64], answer[64];
};

static void write_file(const char *path, const char *text) {
    int fd auto_close = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_return_code(fd, errno);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

static void make_files(struct files *f) {
    *f = (struct files){.dir = "/tmp/trine-tls-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof(f->cert), "%s/cert", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key", f->dir);
    snprintf(f->other_key, sizeof(f->other_key), "%s/other", f->dir);
    snprintf(f->answer, sizeof(f->answer), "%s/answer", f->dir);
    write_file(f->cert, CERT);
    write_file(f->key, KEY);
    write_file(f->other_key, OTHER_KEY);
}

static bool authorise(const char *token, void *arg, char *ret_user, size_t user_size) {
    if (strcmp(token, "good") != 0) return false;
    snprintf(ret_user, user_size, "ann");
    return true;
}

static void say_user(struct http_request *req, void *arg) {
    assert_null(http_peer(req));
    http_reply_text(req, 200, "text/plain", http_user(req), strlen(http_user(req)));
}

static void on_child(pid_t pid, int wait_status, void *arg) {
    *(int *)arg = process_exit_code(wait_status);
}

// What curl gets.
static char *ask(struct bed *bed, struct files *f, uint16_t port, const char *header) {
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/v1/version", port);
    const char *const argv[] = {"curl",     "-s",    "--noproxy", "*",    "--max-time", "20",
                                "--cacert", f->cert, "-H",        header, url,          NULL};
    int out auto_close = open(f->answer, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct process_fd fds[] = {{out, 1}};
    struct process_spec spec = {.argv = (char *const *)(uintptr_t)argv, .fds = fds, .n_fds = 1};
    struct err err = {0};
    pid_t pid;
    int pidfd auto_close = -1, code = -1;
    assert_int_equal(process_spawn(&spec, &pid, &pidfd, &err), 0);
    assert_int_equal(loop_add_child(bed->loop, pid, pidfd, on_child, &code, NULL, &err), 0);
    while (code < 0) loop_step(bed->loop, 100);
    assert_int_equal(code, 0);
    char *answer;
    size_t size;
    assert_int_equal(file_read(AT_FDCWD, f->answer, 65536, &answer, &size, &err), 0);
    return answer;
}

static void test_tokens(void **state) {
    struct bed *bed = *state;
    struct files f;
    struct http_tls *tls;
    struct err err = {0};
    if (access("/usr/bin/curl", X_OK) != 0) skip();
    make_files(&f);
    bed->handlers[API_VERSION_GET] = say_user;
    assert_int_equal(http_tls_open("127.0.0.1", 0, f.cert, f.key, &tls, &err), 0);
    uint16_t port = http_tls_port(tls);
    assert_true(port > 0);
    assert_int_equal(http_listen_tls(bed->server, tls, authorise, NULL, &err), 0);
    static const struct {
        const char *header, *want;
    } cases[] = {{"Authorization: Bearer good", "ann"},
                 {"Authorization: Bearer bad", "\"kind\":\"unauthenticated\""},
                 {"Authorization: Basic good", "carries no token"},
                 {"X-Nothing: 1", "carries no token"}};
    for (size_t i = 0; i < array_len(cases); i++) {
        char *answer auto_free = ask(bed, &f, port, cases[i].header);
        if (!strstr(answer, cases[i].want)) fail_msg("%s: %s", cases[i].header, answer);
    }
    assert_int_equal(dir_remove_tree(AT_FDCWD, f.dir, &err), 0);
}

static void test_bad_files(void **state) {
    struct bed *bed = *state;
    struct files f;
    struct http_tls *tls = NULL;
    struct err err = {0};
    make_files(&f);
    assert_true(http_tls_open("localhost", 0, f.cert, f.key, &tls, &err) < 0);
    assert_non_null(strstr(err.cause, "not an IP address"));
    assert_true(http_tls_open("127.0.0.1", 0, "/nonexistent", f.key, &tls, &err) < 0);
    assert_string_equal(err.object, "/nonexistent");
    assert_null(tls);
    assert_int_equal(http_tls_open("::1", 0, f.cert, f.other_key, &tls, &err), 0);
    assert_true(http_listen_tls(bed->server, tls, authorise, NULL, &err) < 0);
    assert_non_null(strstr(err.cause, "belong together"));
    assert_int_equal(dir_remove_tree(AT_FDCWD, f.dir, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_tokens), TEST(test_bad_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
