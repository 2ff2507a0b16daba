// SPDX-License-Identifier: Apache-2.0
// Giving up rights. What is left to a process that an image's bytes took over: read `read_path`,
// change the store, write to the descriptors that are open.
#include "base/mem.h"
#include "execution/container/image/store.h"
#include "host/file.h"
#include "host/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

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

static int reopen(int parent, const char *name, int *fd) {
    if (*fd < 0) return 0;
    auto_close int fresh = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fresh < 0 || dup3(fresh, *fd, O_CLOEXEC) < 0 ? -errno : 0;
}

// Layers may hold nodes of devices, and nobody here opens one. Landlock tells no device from a file:
// so the store is seen, from now on, through a mount that does. Host-wide rights are needed for it,
// and where they are missing devices cannot be made either.
static int hide_devices(struct image_store *store) {
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
    if (store->mode != IMAGE_MODE_ROOT || unshare(CLONE_NEWNS) < 0) return 0;
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0) return -errno;
    auto_close int tree =
        open_tree(AT_FDCWD, store->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 ||
        mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ||
        move_mount(tree, "", AT_FDCWD, store->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    int r = reopen(AT_FDCWD, store->path, &store->dir_fd);
    if (r == 0) r = reopen(store->dir_fd, "blobs/sha256", &store->blobs_fd);
    if (r == 0) r = reopen(store->dir_fd, "layers", &store->layers_fd);
    if (r == 0) r = reopen(store->dir_fd, "images", &store->images_fd);
    if (r == 0) r = reopen(store->dir_fd, "tmp", &store->tmp_fd);
    return r == 0 ? reopen(store->tmp_fd, store->run, &store->run_fd) : r;
}

int image_narrow(struct image_store *store, const char *read_path, struct err *err) {
    const struct sandbox_path paths[] = {
        {store->path, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_MAKE | SANDBOX_DEVICE},
        {"/proc/self", SANDBOX_READ}, // descriptors by name
        {read_path ? read_path : store->path, SANDBOX_READ},
    };
    bool enforced;
    int r = hide_devices(store);
    if (r < 0) return err_os(err, -r, store->path, "cannot keep its devices shut");
    r = sandbox_no_new_privs(err);
    if (r == 0) r = sandbox_landlock(paths, array_len(paths), &enforced, err);
    if (r == 0 && store->mode != IMAGE_MODE_PLAIN)
        r = sandbox_drop_capabilities(unpack_capabilities, err);
    return r < 0 ? r : sandbox_seccomp(allowed, array_len(allowed), false, err);
}
