// SPDX-License-Identifier: Apache-2.0
// CVE-2019-5736: a process inside a container can open the runtime's own file through
// /proc/PID/exe of a runtime process that has entered it (or let the runtime execute
// /proc/self/exe), wait for it to end, and write. The next container would then be started by the
// attacker's program, as root on the host.
//
// Of the known ways the cheapest safe one here is a second exec from a detached, read-only clone of
// the mount that holds the file: writing through any /proc/PID/exe of it is EROFS, no matter who
// asks. It costs one exec (a third of a millisecond for a static program); a sealed memory copy
// would cost the same exec, a copy of the file, and its memory in every supervisor.
#include "base/mem.h"
#include "execution/container/capability.h"
#include "execution/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

extern char **environ;
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_sealed(int self) {
    struct statfs fs;
    if (fstatfs(self, &fs) == 0 && fs.f_flags & ST_RDONLY) return true;
    int seals = fcntl(self, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

static int read_only_clone(void) {
    int fd = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static int sealed_copy(int self) {
    struct stat st;
    auto_close int fd = memfd_create("trine", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fstat(self, &st) < 0) return -1;
    off_t left = st.st_size;
    while (left > 0) {
        ssize_t n = sendfile(fd, self, NULL, (size_t)left);
        if (n <= 0) return -1;
        left -= n;
    }
    if (fcntl(fd, F_ADD_SEALS, SEALS) < 0) return -1;
    return take_fd(fd);
}

int container_seal_self(char *const *argv, struct err *err) {
    auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        return err_os(err, errno, "/proc/self/exe", "cannot be opened: is /proc mounted?");
    if (is_sealed(self)) return 0;
    // Nobody that an unprivileged user starts can write to root's file.
    struct stat st;
    if (geteuid() != 0 && fstat(self, &st) == 0 && st.st_uid == 0 && !(st.st_mode & 022)) return 0;
    auto_close int fd = read_only_clone();
    if (fd < 0) fd = sealed_copy(self);
    if (fd < 0) return err_os(err, errno, "/proc/self/exe", "cannot be protected from containers");
    (void)execveat(fd, "", argv, environ, AT_EMPTY_PATH);
    return err_os(err, errno, "/proc/self/exe", "cannot be executed again");
}
