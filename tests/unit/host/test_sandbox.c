// SPDX-License-Identifier: Apache-2.0
// Each case gives up rights in a child, which tells by its exit status what it found.
#include "host/process.h"
#include "host/sandbox.h"
#include "scratch.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            dprintf(STDERR_FILENO, "line %d: %s, errno %d\n", __LINE__, #condition, errno); \
            return 1; \
        } \
    } while (0)
enum { SKIPPED = 77 };

static void in_child(int (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) _exit(body());
    int r = process_wait(pid);
    if (r == SKIPPED) skip();
    assert_int_equal(r, 0);
}

static bool opens(const char *path, int flags) {
    int fd = openat(scratch_fd, path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool refused(bool done) {
    return !done && (errno == EACCES || errno == EXDEV || errno == EPERM);
}

static int landlock_body(void) {
    char rw[96], ro[96], file[96], none[96];
    snprintf(rw, sizeof(rw), "%s/rw", scratch_path);
    snprintf(ro, sizeof(ro), "%s/ro", scratch_path);
    snprintf(file, sizeof(file), "%s/single", scratch_path);
    snprintf(none, sizeof(none), "%s/absent", scratch_path);
    const struct sandbox_path paths[] = {
        {rw, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE},
        {ro, SANDBOX_READ},
        {file, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE}, // a file has no entries: ignored
        {none, SANDBOX_READ},
    };
    bool enforced;
    CHECK(sandbox_no_new_privs(NULL) == 0);
    CHECK(sandbox_landlock(paths, array_len(paths), &enforced, NULL) == 0);
    if (!enforced) return SKIPPED;
    CHECK(opens("rw/file", O_RDWR | O_TRUNC));
    CHECK(opens("rw/new", O_RDWR | O_CREAT));
    CHECK(unlinkat(scratch_fd, "rw/new", 0) == 0);
    CHECK(opens("ro/file", O_RDONLY));
    CHECK(refused(opens("ro/file", O_RDWR)));
    CHECK(refused(opens("ro/new", O_RDWR | O_CREAT)));
    CHECK(refused(unlinkat(scratch_fd, "ro/file", 0) == 0));
    CHECK(refused(renameat(scratch_fd, "rw/file", scratch_fd, "ro/file") == 0));
    CHECK(opens("single", O_RDWR));
    CHECK(refused(opens("other", O_RDONLY)));
    CHECK(refused(opens("/etc/passwd", O_RDONLY)));
    CHECK(refused(mknodat(scratch_fd, "rw/null", S_IFCHR | 0600, 0x103) == 0));
    execl("/bin/true", "true", NULL);
    CHECK(errno == EACCES);
    return 0;
}

static void landlock_refuses_what_is_not_listed(void **state) {
    assert_int_equal(dir_make(scratch_fd, "rw", 0755, NULL), 0);
    assert_int_equal(dir_make(scratch_fd, "ro", 0755, NULL), 0);
    scratch_write("rw/file", "");
    scratch_write("ro/file", "");
    scratch_write("single", "");
    scratch_write("other", "");
    in_child(landlock_body);
}

static int allow_body(void) {
    static const char *const allowed[] = {
        "exit_group", "write",  "getpid",      "no_such_call",
        "mmap",       "munmap", "sigaltstack", // for sanitizers
    };
    CHECK(sandbox_seccomp(allowed, array_len(allowed), false, NULL) == 0);
    CHECK(getpid() > 0);
    CHECK(refused(opens("/etc/passwd", O_RDONLY)));
    CHECK(syscall(SYS_getppid) == -1 && errno == EPERM);
    return 0;
}

static int kill_body(void) {
    static const char *const allowed[] = {"exit_group"};
    CHECK(sandbox_seccomp(allowed, array_len(allowed), true, NULL) == 0);
    getppid();
    return 1;
}

static int deny_body(void) {
    static const char *const denied[] = {"ptrace", "mount", "getppid"}, *const wrong[] = {"mounnt"};
    struct err err = {0};
    CHECK(sandbox_seccomp_deny(wrong, 1, &err) < 0 && err.kind == ERR_UNSUPPORTED);
    CHECK(sandbox_seccomp_deny(denied, array_len(denied), NULL) == 0);
    CHECK(syscall(SYS_getppid) == -1 && errno == EPERM);
    CHECK(opens("/etc/passwd", O_RDONLY));
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

static int deny_inherited_body(void) {
    static const char *const denied[] = {"getppid"};
    if (geteuid() != 0) return SKIPPED;
    CHECK(sandbox_seccomp_deny_inherited(denied, array_len(denied), NULL) == 0);
    CHECK(syscall(SYS_getppid) == -1 && errno == EPERM);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    return 0;
}

static void seccomp_refuses_calls(void **state) {
    in_child(allow_body);
    in_child(deny_body);
    in_child(deny_inherited_body);
    pid_t pid = fork();
    if (pid == 0) _exit(kill_body());
    assert_int_equal(process_wait(pid), 128 + SIGSYS);
}

static uint64_t capability_set(const char *name) {
    auto_free char *text = NULL;
    if (file_read(AT_FDCWD, "/proc/self/status", 65536, &text, NULL, NULL) < 0) return UINT64_MAX;
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 16) : UINT64_MAX;
}

static int capabilities_body(void) {
    static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
    const uint64_t chown_only = 1; // CAP_CHOWN is number 0
    if (geteuid() != 0) return SKIPPED;
    CHECK(sandbox_drop_capabilities(chown_only, NULL) == 0);
    for (size_t i = 0; i < array_len(sets); i++) CHECK(capability_set(sets[i]) == chown_only);
    CHECK(sandbox_no_new_privs(NULL) == 0);
    CHECK(sandbox_drop_capabilities(0, NULL) == 0);
    CHECK(capability_set("CapPrm:") == 0 && capability_set("CapAmb:") == 0);
    CHECK(fchown(scratch_fd, 1, 1) < 0 && errno == EPERM);
    struct err err = {0};
    CHECK(sandbox_drop_capabilities(chown_only, &err) == -EPERM); // gone is gone
    CHECK(strcmp(err.object, "sandbox") == 0);
    return 0;
}

static int user_body(void) {
    if (geteuid() != 0) return SKIPPED;
    CHECK(sandbox_set_user(65534, 65533, NULL) == 0);
    uid_t r, e, s;
    CHECK(getresuid(&r, &e, &s) == 0 && r == 65534 && e == 65534 && s == 65534);
    CHECK(getegid() == 65533 && getgroups(0, NULL) == 0);
    CHECK(setuid(0) < 0 && capability_set("CapPrm:") == 0);
    CHECK(sandbox_set_user(65534, 65533, NULL) == 0); // itself again
    CHECK(sandbox_set_user(1000, 1000, NULL) == -EPERM);
    return 0;
}

static void capabilities_are_gone(void **state) {
    in_child(capabilities_body);
}

static void root_cannot_be_regained(void **state) {
    in_child(user_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(landlock_refuses_what_is_not_listed),
        scratch_test(seccomp_refuses_calls),
        scratch_test(capabilities_are_gone),
        scratch_test(root_cannot_be_regained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
