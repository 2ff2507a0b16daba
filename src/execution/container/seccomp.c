// SPDX-License-Identifier: Apache-2.0
#include "execution/container/seccomp.h"

#include "execution/container/seccomp_cache.h"
#include "host/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct action {
    const char *name;
    uint32_t value; // the errno is added where it takes one
    bool takes_errno;
} actions[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL, false},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG, false},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false},
};

static const struct {
    const char *name;
    enum scmp_compare op;
} operators[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static const struct {
    const char *name;
    unsigned flag;
} flags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", 0}, // one thread loads it: nothing to synchronize
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
};

static const char *const architectures[] = {
    "SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",    "SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",  "SCMP_ARCH_MIPS",      "SCMP_ARCH_MIPSEL",      "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_PPC",      "SCMP_ARCH_PPC64",     "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",    "SCMP_ARCH_RISCV64",   "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL64N32",
};

const char *seccomp_action_name(size_t i) {
    return i < array_len(actions) ? actions[i].name : NULL;
}

const char *seccomp_arch_name(size_t i) {
    return i < array_len(architectures) ? architectures[i] : NULL;
}

static int bad(struct err *err, const char *what, const char *word) {
    return err_set(err, ERR_INVALID, 0, "linux.seccomp", "unknown %s \"%.80s\"", what, word);
}

static int parse_action(const char *name, const struct oci_uint *errno_ret, uint32_t *ret,
                        struct err *err) {
    if (!strcmp(name, "SCMP_ACT_NOTIFY"))
        return err_set(err, ERR_UNSUPPORTED, 0, "linux.seccomp",
                       "SCMP_ACT_NOTIFY is not supported yet");
    for (size_t i = 0; i < array_len(actions); i++) {
        if (strcmp(name, actions[i].name)) continue;
        uint64_t number = errno_ret->set ? errno_ret->value : EPERM;
        if (number > 4095)
            return err_set(err, ERR_INVALID, 0, "linux.seccomp", "an errno above 4095");
        *ret = actions[i].value | (actions[i].takes_errno ? (uint32_t)number : 0);
        return 0;
    }
    return bad(err, "action", name);
}

static int parse_arg(const struct oci_seccomp_arg *arg, struct scmp_arg_cmp *ret, struct err *err) {
    if (arg->index > 5)
        return err_set(err, ERR_INVALID, 0, "linux.seccomp", "there is no argument %u", arg->index);
    for (size_t i = 0; i < array_len(operators); i++) {
        if (strcmp(arg->op, operators[i].name)) continue;
        *ret = (struct scmp_arg_cmp){arg->index, operators[i].op, arg->value, arg->value_two};
        return 0;
    }
    return bad(err, "operator", arg->op);
}

static int add_architectures(scmp_filter_ctx ctx, const struct oci_seccomp *profile,
                             struct err *err) {
    for (size_t i = 0; i < profile->architectures.len; i++) {
        const char *name = profile->architectures.items[i];
        char word[32] = "";
        if (strncmp(name, "SCMP_ARCH_", 10)) return bad(err, "architecture", name);
        for (size_t k = 0; k < sizeof(word) - 1 && name[10 + k]; k++)
            word[k] = (char)tolower((unsigned char)name[10 + k]);
        uint32_t arch = seccomp_arch_resolve_name(word);
        if (arch == 0) return bad(err, "architecture", name);
        int r = seccomp_arch_add(ctx, arch);
        if (r < 0 && r != -EEXIST)
            return err_os(err, -r, "linux.seccomp", "cannot filter the architecture %s", name);
    }
    return 0;
}

// Several comparisons of one argument are alternatives to nobody: runc and libseccomp want a rule
// for each then (an "or"), where different arguments make one rule (an "and").
static bool repeats_argument(const struct oci_syscall *call) {
    unsigned seen = 0;
    for (size_t i = 0; i < call->args.len; i++) {
        if (seen >> call->args.items[i].index & 1) return true;
        seen |= 1u << call->args.items[i].index;
    }
    return false;
}

static int add_call(scmp_filter_ctx ctx, const struct oci_syscall *call, uint32_t action,
                    struct err *err) {
    struct scmp_arg_cmp args[6];
    if (call->args.len > array_len(args))
        return err_set(err, ERR_INVALID, 0, "linux.seccomp", "more than 6 args in one rule");
    for (size_t i = 0; i < call->args.len; i++) {
        int r = parse_arg(&call->args.items[i], &args[i], err);
        if (r < 0) return r;
    }
    bool apart = repeats_argument(call);
    for (size_t i = 0; i < call->names.len; i++) {
        int number = seccomp_syscall_resolve_name(call->names.items[i]);
        if (number == __NR_SCMP_ERROR) continue; // a call of another kernel or architecture
        int r = 0;
        if (!apart) r = seccomp_rule_add_array(ctx, action, number, (unsigned)call->args.len, args);
        for (size_t k = 0; apart && r == 0 && k < call->args.len; k++)
            r = seccomp_rule_add_array(ctx, action, number, 1, &args[k]);
        if (r < 0 && r != -EEXIST)
            return err_os(err, -r, "linux.seccomp", "the rule for %s is refused",
                          call->names.items[i]);
    }
    return 0;
}

static int export(scmp_filter_ctx ctx, struct seccomp_filter *ret, struct err *err) {
    auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
    off_t size = r < 0 ? 0 : lseek(fd, 0, SEEK_END);
    if (r < 0) return err_os(err, -r, "linux.seccomp", "the filter cannot be generated");
    if (size <= 0 || size / (off_t)sizeof(struct sock_filter) > BPF_MAXINSNS)
        return err_set(err, ERR_TOO_LARGE, 0, "linux.seccomp",
                       "the filter has more than %d instructions", BPF_MAXINSNS);
    ret->program = mem_try_zalloc((size_t)size);
    if (!ret->program) return err_set(err, ERR_NO_SPACE, 0, "linux.seccomp", "no memory");
    if (pread(fd, ret->program, (size_t)size, 0) != size)
        return err_os(err, errno, "linux.seccomp", "the filter cannot be read back");
    ret->len = (unsigned short)(size / (off_t)sizeof(struct sock_filter));
    return 0;
}

static int compile(const struct oci_seccomp *profile, struct seccomp_filter *ret, struct err *err) {
    uint32_t fallback = 0;
    int r = parse_action(profile->default_action, &profile->default_errno_ret, &fallback, err);
    if (r < 0) return r;
    scmp_filter_ctx ctx = seccomp_init(fallback);
    if (!ctx) return err_set(err, ERR_NO_SPACE, 0, "linux.seccomp", "libseccomp cannot start");
    // A balanced tree of comparisons in place of a list: frequent calls pass after 9 steps, not
    // 300.
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
    r = add_architectures(ctx, profile, err);
    for (size_t i = 0; r == 0 && i < profile->syscalls.len; i++) {
        const struct oci_syscall *call = &profile->syscalls.items[i];
        uint32_t action = 0;
        r = parse_action(call->action, &call->errno_ret, &action, err);
        if (r == 0 && action != fallback) r = add_call(ctx, call, action, err);
    }
    if (r == 0) r = export(ctx, ret, err);
    seccomp_release(ctx);
    return r;
}

static int parse_flags(const struct oci_seccomp *profile, unsigned *ret, struct err *err) {
    for (size_t i = 0; i < profile->flags.len; i++) {
        size_t k = 0;
        while (k < array_len(flags) && strcmp(profile->flags.items[i], flags[k].name)) k++;
        if (k == array_len(flags)) return bad(err, "flag", profile->flags.items[i]);
        *ret |= flags[k].flag;
    }
    return 0;
}

int seccomp_compile(const struct oci_seccomp *profile, const char *cache_dir,
                    struct seccomp_filter *ret, struct err *err) {
    *ret = (struct seccomp_filter){0};
    int r = parse_flags(profile, &ret->flags, err);
    if (r < 0) return r;
    char key[SECCOMP_KEY_SIZE];
    if (cache_dir) {
        seccomp_cache_key(profile, key);
        if (seccomp_cache_get(cache_dir, key, ret)) return 0;
    }
    r = compile(profile, ret, err);
    if (r < 0) {
        seccomp_filter_free(ret);
        return r;
    }
    if (cache_dir) seccomp_cache_put(cache_dir, key, ret);
    return 0;
}

void seccomp_filter_free(struct seccomp_filter *filter) {
    free(take(filter->program));
    filter->len = 0;
}

int seccomp_install(const struct seccomp_filter *filter, struct err *err) {
    struct sock_fprog program = {.len = filter->len, .filter = filter->program};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) < 0)
        return err_os(err, errno, "linux.seccomp", "the kernel refuses the filter");
    return 0;
}
