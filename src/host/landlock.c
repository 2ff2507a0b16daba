// SPDX-License-Identifier: Apache-2.0
// sandbox_landlock: Documentation/userspace-api/landlock.rst of the kernel. A kernel that knows
// fewer rights than we do restricts those that it knows.
#include "host/sandbox.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Rights that headers older than the kernel lack.
enum { RIGHT_TRUNCATE = 1 << 14, RIGHT_IOCTL_DEV = 1 << 15 };

enum {
    READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV,
    MAKE = LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
           LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
           LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REMOVE_DIR |
           LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REFER,
    EXEC = LANDLOCK_ACCESS_FS_EXECUTE,
    DEVICE = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK,
    OF_FILES = LANDLOCK_ACCESS_FS_READ_FILE | WRITE | EXEC, // what a rule on a file may grant
};

static uint64_t rights_known_to(long abi) {
    uint64_t rights = READ | WRITE | MAKE | EXEC | DEVICE;
    if (abi < 5) rights &= ~(uint64_t)RIGHT_IOCTL_DEV;
    if (abi < 3) rights &= ~(uint64_t)RIGHT_TRUNCATE;
    if (abi < 2) rights &= ~(uint64_t)LANDLOCK_ACCESS_FS_REFER; // then always refused
    return rights;
}

static uint64_t rights_of(unsigned access) {
    return (access & SANDBOX_READ ? READ : 0) | (access & SANDBOX_WRITE ? WRITE : 0) |
           (access & SANDBOX_MAKE ? MAKE : 0) | (access & SANDBOX_EXEC ? EXEC : 0) |
           (access & SANDBOX_DEVICE ? DEVICE : 0);
}

static int add_path(int ruleset, const struct sandbox_path *path, uint64_t known) {
    auto_close int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    struct landlock_path_beneath_attr rule = {.parent_fd = fd,
                                              .allowed_access = rights_of(path->access) & known};
    if (!S_ISDIR(st.st_mode)) rule.allowed_access &= OF_FILES;
    if (!rule.allowed_access) return 0;
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
               ? -errno
               : 0;
}

int sandbox_landlock(const struct sandbox_path *paths, size_t n, bool *ret_enforced,
                     struct err *err) {
    if (ret_enforced) *ret_enforced = false;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) return 0; // none, or switched off
    if (abi < 0) return err_os(err, errno, "landlock", "cannot ask for its version");

    // The first version refuses every rename and link between directories, whatever the rules say:
    // who makes files cannot work under it.
    for (size_t i = 0; abi < 2 && i < n; i++)
        if (paths[i].access & SANDBOX_MAKE) return 0;

    struct landlock_ruleset_attr attr = {.handled_access_fs = rights_known_to(abi)};
    auto_close int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
    if (ruleset < 0) return err_os(err, errno, "landlock", "cannot make a set of rules");
    for (size_t i = 0; i < n; i++) {
        int r = add_path(ruleset, &paths[i], attr.handled_access_fs);
        if (r < 0) return err_os(err, -r, paths[i].path, "cannot be made reachable in the sandbox");
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_os(err, errno, "landlock", "cannot enforce the rules");
    if (ret_enforced) *ret_enforced = true;
    return 0;
}
