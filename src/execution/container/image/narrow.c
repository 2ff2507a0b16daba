// SPDX-License-Identifier: Apache-2.0
// Giving up rights. What is left to a process that an image's bytes took over: read `read_path`,
// change the store, write to the descriptors that are open.
#include "base/mem.h"
#include "execution/container/image/store.h"
#include "host/sandbox.h"

#include <linux/capability.h>
#include <stdlib.h>

#define CAP(name) (UINT64_C(1) << CAP_##name)

// Owners, modes, devices, file capabilities; SYS_ADMIN for trusted.overlay.* alone, with every
// system call that makes more of it forbidden below.
static const uint64_t unpack_capabilities = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) |
                                            CAP(FOWNER) | CAP(FSETID) | CAP(MKNOD) | CAP(SETFCAP) |
                                            CAP(SYS_ADMIN);

// Files by descriptor, memory, threads, and nothing of processes, mounts, namespaces or sockets.
static const char *const allowed[] = {
    // files
    "openat",
    "openat2",
    "open",
    "close",
    "close_range",
    "read",
    "readv",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "lseek",
    "fstat",
    "newfstatat",
    "stat",
    "lstat",
    "statx",
    "fstatfs",
    "getdents64",
    "readlinkat",
    "readlink",
    "faccessat",
    "faccessat2",
    "access",
    "mkdirat",
    "mknodat",
    "symlinkat",
    "linkat",
    "unlinkat",
    "renameat",
    "renameat2",
    "rename",
    "unlink",
    "fchown",
    "fchownat",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "utimensat",
    "ftruncate",
    "fallocate",
    "fadvise64",
    "copy_file_range",
    "fsync",
    "fdatasync",
    "syncfs",
    "flock",
    "fcntl",
    "umask",
    "dup",
    "fsetxattr",
    "fgetxattr",
    "flistxattr",
    "getxattr",
    "lgetxattr",
    "llistxattr",
    "getcwd",
    // waiting and talking on what is open
    "poll",
    "ppoll",
    "ioctl",
    "sendmsg",
    "recvmsg",
    "sendto",
    "recvfrom",
    "getsockopt",
    // memory and threads
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "futex",
    "clone",
    "clone3",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "gettid",
    "getpid",
    "getppid",
    "prctl",
    "arch_prctl",
    // time, chance, identity, the end
    "clock_gettime",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "getrandom",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "uname",
    "sysinfo",
    "prlimit64",
    "getrlimit",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "tgkill",
    "exit",
    "exit_group",
};

int image_narrow(struct image_store *store, const char *read_path, struct err *err) {
    const struct sandbox_path paths[] = {
        {store->path, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE | SANDBOX_DEVICE},
        {"/proc/self", SANDBOX_READ}, // descriptors by name
        {read_path ? read_path : store->path, SANDBOX_READ},
    };
    bool enforced;
    int r = sandbox_no_new_privs(err);
    if (r == 0) r = sandbox_landlock(paths, array_len(paths), &enforced, err);
    if (r == 0 && store->mode != IMAGE_MODE_PLAIN)
        r = sandbox_drop_capabilities(unpack_capabilities, err);
    return r < 0 ? r : sandbox_seccomp(allowed, array_len(allowed), false, err);
}
