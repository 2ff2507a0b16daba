// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "host/process.h"
#include "scratch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#define SHELL(script) ((char *const[]){word("/bin/sh"), word("-c"), word(script), NULL})

static char *word(const char *text) {
    return (char *)(uintptr_t)text;
}

static int run(struct process_spec *spec, struct err *err) {
    pid_t pid;
    int r = process_spawn(spec, &pid, NULL, err);
    return r < 0 ? r : process_wait(pid);
}

static int run_shell(const char *script) {
    return run(&(struct process_spec){.argv = SHELL(script)}, NULL);
}

static void exit_codes_as_a_shell_gives_them(void **state) {
    assert_int_equal(run_shell("exit 0"), 0);
    assert_int_equal(run_shell("exit 42"), 42);
    assert_int_equal(run_shell("kill -TERM $$"), 128 + SIGTERM);
    assert_int_equal(process_wait(getpid()), -ECHILD);
}

static void failed_exec_leaves_no_child(void **state) {
    int before = open_fds();
    struct err err = {0};
    pid_t pid = 7;
    int pidfd = 7;
    scratch_write("data", "not a program");
    char path[128];
    snprintf(path, sizeof(path), "%s/data", scratch_path);
    struct process_spec spec = {.path = path, .argv = SHELL("true")};
    assert_int_equal(process_spawn(&spec, &pid, &pidfd, &err), -EACCES);
    assert_string_equal(err.object, path);
    assert_string_equal(err.cause, "cannot execute it: Permission denied");
    assert_int_equal(pid, 7);
    spec.path = "/none/such";
    assert_int_equal(process_spawn(&spec, &pid, &pidfd, &err), -ENOENT);
    spec.path = "/bin/sh";
    spec.cwd = "/none";
    assert_int_equal(process_spawn(&spec, &pid, &pidfd, &err), -ENOENT);
    assert_string_equal(err.cause, "cannot enter its working folder: No such file or directory");
    spec = (struct process_spec){.argv = (char *const[]){word("no-such-program-xyz"), NULL}};
    assert_int_equal(process_spawn(&spec, &pid, &pidfd, &err), -ENOENT);
    assert_string_equal(err.object, "no-such-program-xyz");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(open_fds(), before);
}

// "N=target" for each descriptor that ls found open in itself, but for the folder that it reads.
static void parse_listing(char *listing, char *ret, size_t size) {
    size_t len = 0;
    for (char *line; (line = strsep(&listing, "\n"));) {
        char *arrow = strstr(line, " -> "), *number = arrow;
        if (!arrow || str_starts(arrow + 4, "/proc/")) continue;
        while (number[-1] != ' ') number--;
        const char *target = str_starts(arrow + 4, "pipe:") ? "pipe" : arrow + 4;
        len += (size_t)snprintf(ret + len, size - len, "%.*s=%s\n", (int)(arrow - number), number,
                                target);
        assert_true(len < size);
    }
}

static void descriptors_are_exactly_those_named(void **state) {
    int out[2], keep = open("/dev/null", O_RDONLY); // not CLOEXEC: must be closed all the same
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    // A swap and a number far away.
    int a = fcntl(scratch_fd, F_DUPFD_CLOEXEC, 10), b = fcntl(out[1], F_DUPFD_CLOEXEC, 11);
    struct process_fd fds[] = {{b, a}, {a, b}, {out[1], 1}, {out[1], 200}};
    char *const argv[] = {word("/bin/ls"), word("-l"), word("/proc/self/fd"), NULL};
    struct process_spec spec = {.argv = argv, .fds = fds, .n_fds = array_len(fds)};
    pid_t pid;
    assert_int_equal(process_spawn(&spec, &pid, NULL, NULL), 0);
    close(out[1]);
    close(b);
    char text[2048] = {0}, found[1024] = "", expect[1024];
    for (size_t len = 0; len < sizeof(text) - 1;) {
        ssize_t n = read(out[0], text + len, sizeof(text) - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
    }
    assert_int_equal(process_wait(pid), 0);
    parse_listing(text, found, sizeof(found));
    snprintf(expect, sizeof(expect), "0=/dev/null\n1=pipe\n%d=pipe\n%d=%s\n2=/dev/null\n200=pipe\n",
             a, b, scratch_path);
    assert_string_equal(found, expect);
    close(a);
    close(out[0]);
    close(keep);
}

static void bad_descriptor_sets_are_refused(void **state) {
    struct err err = {0};
    struct process_fd twice[] = {{1, 5}, {2, 5}}, negative[] = {{1, -1}}, closed[] = {{1000000, 3}};
    struct process_spec spec = {.argv = SHELL("true"), .fds = twice, .n_fds = 2};
    assert_int_equal(run(&spec, &err), -EINVAL);
    spec = (struct process_spec){.argv = SHELL("true"), .fds = negative, .n_fds = 1};
    assert_int_equal(run(&spec, &err), -EBADF);
    spec.fds = closed;
    assert_int_equal(run(&spec, &err), -EBADF);
    assert_string_equal(err.cause, "cannot duplicate a descriptor: Bad file descriptor");
}

static void environment_folder_and_session(void **state) {
    char *const envp[] = {word("ONE=1"), NULL};
    struct process_spec spec = {.argv = SHELL("test \"$ONE\" = 1 -a -z \"$HOME\""), .envp = envp};
    assert_int_equal(run(&spec, NULL), 0);
    setenv("TRINE_TEST_INHERITED", "yes", 1);
    assert_int_equal(run_shell("test \"$TRINE_TEST_INHERITED\" = yes"), 0);
    spec = (struct process_spec){.argv = SHELL("test \"$(pwd -P)\" = /usr"), .cwd = "/usr"};
    assert_int_equal(run(&spec, NULL), 0);
    // Field 6 of stat is the session.
    spec = (struct process_spec){.argv = SHELL("set -- $(cat /proc/$$/stat); test $6 = $$"),
                                 .new_session = true};
    assert_int_equal(run(&spec, NULL), 0);
    spec.new_session = false;
    assert_int_equal(run(&spec, NULL), 1);
}

static void signal_state_is_clean(void **state) {
    sigset_t set, old;
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, &old);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    char *out = NULL;
    char *const argv[] = {word("/bin/grep"), word("-E"), word("^Sig(Blk|Ign)"),
                          word("/proc/self/status"), NULL};
    int r = process_run(argv, 1000, false, &out, NULL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigset_t now;
    sigprocmask(SIG_SETMASK, &old, &now);
    assert_int_equal(r, 0);
    assert_string_equal(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    assert_true(sigismember(&now, SIGTERM)); // ours came back
    free(out);
}

static void another_user(void **state) {
    if (geteuid() != 0) skip();
    struct process_spec spec = {.argv = SHELL(
                                    "test \"$(id -u)/$(id -g)/$(id -G)\" = 65534/65533/65533"),
                                .set_user = true,
                                .uid = 65534,
                                .gid = 65533,
                                .die_with_parent = true};
    assert_int_equal(run(&spec, NULL), 0);
    spec.path = "/none";
    struct err err = {0};
    assert_int_equal(run(&spec, &err), -ENOENT); // the error crosses unshared memory too
}

static void a_pidfd_tells_the_end(void **state) {
    struct process_spec spec = {.argv = SHELL("kill -STOP $$; exit 3")};
    pid_t pid;
    int pidfd;
    assert_int_equal(process_spawn(&spec, &pid, &pidfd, NULL), 0);
    uint64_t start, own;
    assert_int_equal(process_start_time(pid, &start), 0);
    assert_int_equal(process_start_time(getpid(), &own), 0);
    assert_true(start >= own);
    assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(process_signal(pidfd, SIGKILL), 0);
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 5000), 1);
    assert_int_equal(process_wait(pid), 128 + SIGKILL);
    assert_int_equal(process_signal(pidfd, 0), -ESRCH);
    close(pidfd);
    assert_int_equal(process_start_time(pid, &start), -ESRCH);
    assert_int_equal(process_pidfd(-5), -EINVAL);
}

static void output_is_collected_to_a_limit(void **state) {
    char *out;
    assert_int_equal(process_run(SHELL("echo out; echo err >&2; exit 3"), 100, true, &out, NULL),
                     3);
    assert_string_equal(out, "out\nerr\n");
    free(out);
    assert_int_equal(process_run(SHELL("seq 100000"), 10, false, &out, NULL), 0);
    assert_string_equal(out, "1\n2\n3\n4\n5\n");
    free(out);
    assert_int_equal(process_run(((char *const[]){word("true"), NULL}), 10, false, NULL, NULL),
                     0); // found in PATH
    assert_int_equal(process_run(((char *const[]){word("/none"), NULL}), 10, false, &out, NULL),
                     -ENOENT);
}

static void sister_roles_are_found(void **state) {
    char buf[256], expect[256];
    scratch_write("trine-test-role", "");
    setenv("TRINE_LIBEXEC", scratch_path, 1);
    assert_null(process_role_path("trine-test-role", buf, sizeof(buf))); // cannot be executed
    assert_int_equal(fchmodat(scratch_fd, "trine-test-role", 0755, 0), 0);
    snprintf(expect, sizeof(expect), "%s/trine-test-role", scratch_path);
    assert_string_equal(process_role_path("trine-test-role", buf, sizeof(buf)), expect);
    assert_null(process_role_path("trine-test-role", buf, 10));
    assert_null(process_role_path("../trine-test-role", buf, sizeof(buf)));
    assert_null(process_role_path("", buf, sizeof(buf)));
    unsetenv("TRINE_LIBEXEC");
    assert_null(process_role_path("trine-test-role", buf, sizeof(buf)));
    assert_non_null(process_role_path("test-host-process", buf, sizeof(buf))); // next to ourselves
}

static void signal_names(void **state) {
    static const struct {
        const char *text;
        int signo;
    } good[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"15", 15},       {"sigkill", SIGKILL},
                {"usr1", SIGUSR1}, {"64", 64},           {"CHLD", SIGCHLD}};
    static const char *const bad[] = {"",           "0",  "65",     "-1",       "TERMX",      "SIG",
                                      "SIGSIGTERM", "1x", "RTMIN+", "RTMIN+99", "99999999999"};
    int signo;
    for (size_t i = 0; i < array_len(good); i++) {
        assert_int_equal(process_signal_parse(good[i].text, &signo), 0);
        assert_int_equal(signo, good[i].signo);
    }
    assert_int_equal(process_signal_parse("RTMIN+3", &signo), 0);
    assert_int_equal(signo, SIGRTMIN + 3);
    for (size_t i = 0; i < array_len(bad); i++)
        assert_int_equal(process_signal_parse(bad[i], &signo), -EINVAL);
    assert_string_equal(process_signal_name(SIGTERM), "TERM");
    assert_null(process_signal_name(1000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(exit_codes_as_a_shell_gives_them),
        scratch_test(failed_exec_leaves_no_child),
        scratch_test(descriptors_are_exactly_those_named),
        scratch_test(bad_descriptor_sets_are_refused),
        scratch_test(environment_folder_and_session),
        scratch_test(signal_state_is_clean),
        scratch_test(another_user),
        scratch_test(a_pidfd_tells_the_end),
        scratch_test(output_is_collected_to_a_limit),
        scratch_test(sister_roles_are_found),
        scratch_test(signal_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
