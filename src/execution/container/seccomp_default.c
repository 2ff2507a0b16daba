// SPDX-License-Identifier: Apache-2.0
// The built-in profile: an allow-list. Everything that ordinary programs, language runtimes and
// servers call is there; what changes the machine, other processes' memory or the kernel's own code
// needs the capability that guards it anyway. A call that is not named gives EPERM.
#include "execution/container/seccomp.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>

#define SECCOMP_NAMES(x, ...) static const char *const x[] = {__VA_ARGS__, NULL}

SECCOMP_NAMES(files, "access", "chdir", "chmod", "chown", "chown32", "close", "close_range",
              "copy_file_range", "creat", "dup", "dup2", "dup3", "faccessat", "faccessat2",
              "fadvise64", "fadvise64_64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2",
              "fchown", "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr",
              "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstat64", "fstatat64",
              "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futimesat", "getcwd",
              "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init",
              "inotify_init1", "inotify_rm_watch", "lchown", "lchown32", "lgetxattr", "link",
              "linkat", "listxattr", "llistxattr", "_llseek", "lremovexattr", "lseek", "lsetxattr",
              "lstat", "lstat64", "mkdir", "mkdirat", "mknod", "mknodat", "name_to_handle_at",
              "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2", "pwrite64",
              "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
              "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile", "sendfile64",
              "setxattr", "splice", "stat", "stat64", "statfs", "statfs64", "statx", "symlink",
              "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "truncate64",
              "ugetrlimit", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimensat_time64",
              "utimes", "vmsplice", "write", "writev", "fanotify_mark", "cachestat");
SECCOMP_NAMES(memory, "brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create",
              "memfd_secret", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect",
              "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc",
              "pkey_free", "pkey_mprotect", "process_mrelease", "remap_file_pages");
SECCOMP_NAMES(processes, "arch_prctl", "capget", "capset", "execve", "execveat", "exit",
              "exit_group", "fork", "futex", "futex_requeue", "futex_time64", "futex_wait",
              "futex_waitv", "futex_wake", "get_robust_list", "get_thread_area", "getegid",
              "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32",
              "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresgid32",
              "getresuid", "getresuid32", "getrlimit", "getrusage", "getsid", "gettid", "getuid",
              "getuid32", "ioprio_get", "ioprio_set", "kill", "landlock_add_rule",
              "landlock_create_ruleset", "landlock_restrict_self", "modify_ldt", "pidfd_getfd",
              "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64", "process_vm_readv",
              "process_vm_writev", "ptrace", "restart_syscall", "rseq", "sched_get_priority_max",
              "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
              "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64",
              "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
              "sched_yield", "seccomp", "set_robust_list", "set_thread_area", "set_tid_address",
              "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
              "setgroups32", "setpgid", "setpriority", "setregid", "setregid32", "setresgid",
              "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit",
              "setsid", "setuid", "setuid32", "sysinfo", "tgkill", "times", "tkill", "uname",
              "vfork", "wait4", "waitid", "waitpid", "getcpu");
SECCOMP_NAMES(signals, "alarm", "pause", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
              "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
              "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sigaltstack", "signal", "signalfd",
              "signalfd4", "sigprocmask", "sigreturn");
SECCOMP_NAMES(waiting, "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
              "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "ioctl",
              "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64",
              "io_setup", "io_submit", "_newselect", "pipe", "pipe2", "poll", "ppoll",
              "ppoll_time64", "pselect6", "pselect6_time64", "select");
SECCOMP_NAMES(timers, "adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres",
              "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
              "clock_nanosleep_time64", "getitimer", "gettimeofday", "nanosleep", "setitimer",
              "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
              "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create",
              "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
              "getrandom");
SECCOMP_NAMES(network, "accept", "accept4", "bind", "connect", "getpeername", "getsockname",
              "getsockopt", "listen", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg",
              "send", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketcall",
              "socketpair");
SECCOMP_NAMES(ipc_calls, "ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive",
              "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink",
              "msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop",
              "semtimedop_time64", "shmat", "shmctl", "shmdt", "shmget");

// Calls that the kernel guards by a capability: allowed with it.
SECCOMP_NAMES(with_sys_admin, "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount",
              "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr", "move_mount",
              "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname",
              "sethostname", "setns", "syslog", "umount", "umount2", "unshare");
SECCOMP_NAMES(with_dac_read_search, "open_by_handle_at");
SECCOMP_NAMES(with_sys_boot, "reboot");
SECCOMP_NAMES(with_sys_chroot, "chroot");
SECCOMP_NAMES(with_sys_module, "delete_module", "finit_module", "init_module");
SECCOMP_NAMES(with_sys_pacct, "acct");
SECCOMP_NAMES(with_sys_ptrace, "kcmp", "process_madvise");
SECCOMP_NAMES(with_sys_rawio, "ioperm", "iopl");
SECCOMP_NAMES(with_sys_time, "clock_settime", "clock_settime64", "settimeofday", "stime");
SECCOMP_NAMES(with_sys_tty_config, "vhangup");
SECCOMP_NAMES(with_sys_nice, "get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node",
              "migrate_pages", "move_pages");
SECCOMP_NAMES(with_syslog, "syslog");
SECCOMP_NAMES(with_bpf, "bpf");
SECCOMP_NAMES(with_perfmon, "perf_event_open");

SECCOMP_NAMES(only_clone, "clone");
SECCOMP_NAMES(only_clone3, "clone3");
SECCOMP_NAMES(only_socket, "socket");
SECCOMP_NAMES(only_personality, "personality");

static const char *const *const common[] = {files,   memory, processes, signals,
                                            waiting, timers, network,   ipc_calls};
static const struct {
    int capability;
    const char *const *names;
} guarded[] = {
    {CAP_SYS_ADMIN, with_sys_admin},
    {CAP_DAC_READ_SEARCH, with_dac_read_search},
    {CAP_SYS_BOOT, with_sys_boot},
    {CAP_SYS_CHROOT, with_sys_chroot},
    {CAP_SYS_MODULE, with_sys_module},
    {CAP_SYS_PACCT, with_sys_pacct},
    {CAP_SYS_PTRACE, with_sys_ptrace},
    {CAP_SYS_RAWIO, with_sys_rawio},
    {CAP_SYS_TIME, with_sys_time},
    {CAP_SYS_TTY_CONFIG, with_sys_tty_config},
    {CAP_SYS_NICE, with_sys_nice},
    {CAP_SYSLOG, with_syslog},
    {CAP_BPF, with_bpf},
    {CAP_PERFMON, with_perfmon},
};

#define RULES_MAX (array_len(common) + array_len(guarded) + 20)

struct builder {
    struct arena *arena;
    struct oci_seccomp *profile;
    bool failed;
};

static struct oci_syscall *add(struct builder *b, const char *const *names) {
    struct oci_syscall *call = &b->profile->syscalls.items[b->profile->syscalls.len++];
    // The names stay those of the tables: the list is only read.
    call->names.items = (char **)(uintptr_t)names;
    while (names[call->names.len]) call->names.len++;
    call->action = (char *)(uintptr_t) "SCMP_ACT_ALLOW";
    return call;
}

static void where(struct builder *b, struct oci_syscall *call, uint32_t index, const char *op,
                  uint64_t value, uint64_t value_two) {
    call->args.items = arena_array(b->arena, 1, sizeof(*call->args.items));
    b->failed |= !call->args.items;
    if (b->failed) return;
    call->args.len = 1;
    call->args.items[0] = (struct oci_seccomp_arg){index, value, value_two, (char *)(uintptr_t)op};
}

const struct oci_seccomp *seccomp_default_profile(struct arena *arena, uint64_t capabilities) {
    struct oci_seccomp *profile = arena_alloc(arena, sizeof(*profile));
    if (!profile) return NULL;
    struct builder b = {arena, profile, false};
    profile->default_action = (char *)(uintptr_t) "SCMP_ACT_ERRNO";
    profile->default_errno_ret = (struct oci_uint){true, EPERM};
#ifdef __x86_64__
    static const char *const native[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    profile->architectures = (struct oci_strings){(char **)(uintptr_t)native, array_len(native)};
#endif
    profile->syscalls.items = arena_array(arena, RULES_MAX, sizeof(*profile->syscalls.items));
    if (!profile->syscalls.items) return NULL;
    for (size_t i = 0; i < array_len(common); i++) add(&b, common[i]);
    for (size_t i = 0; i < array_len(guarded); i++)
        if (capabilities >> guarded[i].capability & 1) add(&b, guarded[i].names);
    if (!(capabilities >> CAP_SYS_ADMIN & 1)) {
        // Threads and processes, no namespaces. clone3 hides its flags behind a pointer: the C
        // libraries fall back to clone when it seems not to exist.
        uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                              CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
        where(&b, add(&b, only_clone), 0, "SCMP_CMP_MASKED_EQ", namespaces, 0);
        struct oci_syscall *call = add(&b, only_clone3);
        call->action = (char *)(uintptr_t) "SCMP_ACT_ERRNO";
        call->errno_ret = (struct oci_uint){true, ENOSYS};
    }
    // vsock reaches the hypervisor past every network namespace. The kernel looks at 32 bits of the
    // family, a filter at 64: so any of the bits that hold families (below 64) has to differ from
    // vsock's, whatever stands in the upper half.
    enum { FAMILY_VSOCK = 40, FAMILY_BITS = 6 };
    for (unsigned bit = 0; bit < FAMILY_BITS; bit++)
        where(&b, add(&b, only_socket), 0, "SCMP_CMP_MASKED_EQ", UINT64_C(1) << bit,
              ~(uint64_t)FAMILY_VSOCK & UINT64_C(1) << bit);
    static const uint64_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
    for (size_t i = 0; i < array_len(personalities); i++)
        where(&b, add(&b, only_personality), 0, "SCMP_CMP_EQ", personalities[i], 0);
    return b.failed ? NULL : profile;
}
