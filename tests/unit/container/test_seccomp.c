// SPDX-License-Identifier: Apache-2.0
// Profiles become programs; a small interpreter of classic BPF asks them about calls.
#include "execution/container/seccomp.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

// What the kernel would answer. Only what seccomp programs are made of (linux/filter.h).
static uint32_t ask(const struct seccomp_filter *f, int number, uint64_t arg0) {
    struct seccomp_data data = {.nr = number, .arch = AUDIT_ARCH_X86_64, .args = {arg0}};
    uint32_t a = 0;
    for (size_t pc = 0; pc < f->len; pc++) {
        const struct sock_filter *i = &f->program[pc];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(i->k + 4 <= sizeof(data));
            memcpy(&a, (const char *)&data + i->k, 4);
            break;
        case BPF_JMP | BPF_JA:
            pc += i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += a & i->k ? i->jt : i->jf;
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i->k;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            fail_msg("instruction %x", i->code);
        }
    }
    fail_msg("the program ends without an answer");
    return 0;
}

#define REFUSED(number) (SECCOMP_RET_ERRNO | (number))

static void test_default(void **state) {
#ifdef __x86_64__
    auto_arena struct arena *arena = arena_new(1 << 20);
    struct seccomp_filter f;
    struct err err = {0};
    const struct oci_seccomp *profile = seccomp_default_profile(arena, 0);
    assert_non_null(profile);
    if (seccomp_compile(profile, NULL, &f, &err) < 0) fail_msg("%s", err.cause);
    static const int allowed[] = {SYS_read,         SYS_openat,    SYS_execve,     SYS_futex,
                                  SYS_mmap,         SYS_wait4,     SYS_exit_group, SYS_epoll_wait,
                                  SYS_rt_sigreturn, SYS_getrandom, SYS_capset,     SYS_prctl};
    for (size_t i = 0; i < array_len(allowed); i++)
        assert_int_equal(ask(&f, allowed[i], 0), SECCOMP_RET_ALLOW);
    static const int refused[] = {SYS_mount,       SYS_reboot,
                                  SYS_init_module, SYS_bpf,
                                  SYS_setns,       SYS_unshare,
                                  SYS_kexec_load,  SYS_keyctl,
                                  SYS_userfaultfd, SYS_io_uring_setup,
                                  SYS_swapon,      SYS_settimeofday};
    for (size_t i = 0; i < array_len(refused); i++)
        assert_int_equal(ask(&f, refused[i], 0), REFUSED(EPERM));
    assert_int_equal(ask(&f, SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_clone, CLONE_NEWUSER | SIGCHLD), REFUSED(EPERM));
    assert_int_equal(ask(&f, SYS_clone3, 0), REFUSED(ENOSYS));
    assert_int_equal(ask(&f, SYS_socket, 2), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_socket, 40), REFUSED(EPERM));
    // The kernel takes an int: the upper half is not looked at there, and must not matter here.
    assert_int_equal(ask(&f, SYS_socket, UINT64_C(1) << 32 | 40), REFUSED(EPERM));
    assert_int_equal(ask(&f, SYS_socket, UINT64_MAX << 32 | 40), REFUSED(EPERM));
    for (uint64_t family = 0; family < 64; family++)
        assert_int_equal(ask(&f, SYS_socket, family),
                         family == 40 ? REFUSED(EPERM) : SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_socket, UINT64_C(7) << 32 | 2), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_personality, 8), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_personality, 1), REFUSED(EPERM));
    seccomp_filter_free(&f);
    profile = seccomp_default_profile(arena, UINT64_C(1) << CAP_SYS_ADMIN);
    assert_int_equal(seccomp_compile(profile, NULL, &f, &err), 0);
    assert_int_equal(ask(&f, SYS_mount, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_clone, CLONE_NEWUSER), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&f, SYS_reboot, 0), REFUSED(EPERM));
    seccomp_filter_free(&f);
#else
    skip();
#endif
}

static int compile(const char *json, const char *cache, struct seccomp_filter *ret,
                   struct err *err) {
    struct oci_spec *spec = NULL;
    auto_free char *text = mem_printf("{\"ociVersion\":\"1\",\"linux\":{\"seccomp\":%s}}", json);
    int r = oci_spec_parse(text, strlen(text), &spec, err);
    if (r == 0) r = seccomp_compile(spec->linux_.seccomp, cache, ret, err);
    oci_spec_free(spec);
    return r;
}

static const char simple[] =
    "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"no_such_call\"],"
    "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":28}]}";

static void test_profile(void **state) {
    struct seccomp_filter f;
    struct err err = {0};
    if (compile(simple, NULL, &f, &err) < 0) fail_msg("%s", err.cause);
#ifdef __x86_64__
    assert_int_equal(ask(&f, SYS_mkdir, 0), REFUSED(28));
    assert_int_equal(ask(&f, SYS_rmdir, 0), SECCOMP_RET_ALLOW);
#endif
    seccomp_filter_free(&f);
}

static void test_refused(void **state) {
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{\"defaultAction\":\"SCMP_ACT_DANCE\"}", "unknown action \"SCMP_ACT_DANCE\""},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_VAX\"]}",
         "unknown architecture"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"FLAG\"]}", "unknown flag"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
         "\"SCMP_ACT_KILL\",\"args\":[{\"index\":9,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]}]}",
         "no argument 9"},
        {"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
         "\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,\"value\":0,\"op\":\"ABOUT\"}]}]}",
         "unknown operator"},
        {"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", "errno above"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct seccomp_filter f;
        struct err err = {0};
        assert_true(compile(cases[i].json, NULL, &f, &err) < 0);
        assert_null(f.program);
        if (!strstr(err.cause, cases[i].words))
            fail_msg("'%s' not in '%s'", cases[i].words, err.cause);
    }
}

static int name_of(int dirfd, const char *name, void *arg) {
    snprintf(arg, 256, "%s", name);
    return 0;
}

static void test_cache(void **state) {
    char dir[] = "/tmp/test-seccomp.XXXXXX", name[256] = "";
    assert_non_null(mkdtemp(dir));
    struct seccomp_filter first, second;
    struct err err = {0};
    assert_int_equal(compile(simple, dir, &first, &err), 0);
    assert_int_equal(dir_each(AT_FDCWD, dir, name_of, name), 0);
    assert_non_null(strstr(name, ".bpf"));
    assert_int_equal(compile(simple, dir, &second, &err), 0);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.program, second.program, first.len * sizeof(struct sock_filter));
    seccomp_filter_free(&second);
    // Damage of any kind means "compile again", never a wrong program.
    auto_free char *path = mem_printf("%s/%s", dir, name);
    for (int damage = 0; damage < 3; damage++) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        if (damage == 0) assert_int_equal(pwrite(fd, "\xff", 1, 30), 1);
        if (damage == 1) assert_int_equal(ftruncate(fd, 21), 0);
        if (damage == 2) assert_int_equal(ftruncate(fd, 0), 0);
        close(fd);
        assert_int_equal(compile(simple, dir, &second, &err), 0);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.program, second.program, first.len * sizeof(struct sock_filter));
        seccomp_filter_free(&second);
    }
    seccomp_filter_free(&first);
    assert_int_equal(dir_remove_tree(AT_FDCWD, dir, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
