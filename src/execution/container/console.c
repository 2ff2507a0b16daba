// SPDX-License-Identifier: Apache-2.0
// Standard input, output and error: the caller's descriptors, or a new pseudo terminal of the
// container's own devpts.
#include "base/str.h"
#include "execution/container/child.h"
#include "execution/container/sync.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

// The multiplexer must be the real one: for exec the directory tree is in the hands of the
// container.
static int open_master(struct child *c) {
    int flags = O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
    int fd = path_open_in_root(c->root_fd, "/dev/pts/ptmx", flags, 0);
    struct stat st;
    struct statfs fs;
    if (fd >= 0 && fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0 && S_ISCHR(st.st_mode) &&
        st.st_rdev == makedev(5, 2) && fs.f_type == DEVPTS_SUPER_MAGIC)
        return fd;
    if (fd >= 0) close(fd);
    // No devpts in the container: one of the host's, which init can still reach.
    if (c->plan->exec) return -ENODEV;
    fd = open("/dev/ptmx", flags);
    return fd < 0 ? -errno : fd;
}

static int set_size(int fd, const struct oci_process *process) {
    if (!process->console_size) return 0;
    struct winsize size = {.ws_row = (unsigned short)process->console_size->height,
                           .ws_col = (unsigned short)process->console_size->width};
    return ioctl(fd, TIOCSWINSZ, &size);
}

static int bind_console(struct child *c, struct err *err) {
    if (c->plan->exec || !(c->plan->new_namespaces & CLONE_NEWNS)) return 0;
    auto_close int target = child_mount_target(c, "/dev/console", false);
    auto_close int tree =
        open_tree(c->tty, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int r = target < 0 ? target : tree < 0 ? -errno : child_attach(tree, target);
    return r < 0 ? err_os(err, -r, "/dev/console", "cannot bind the terminal there") : 0;
}

int child_open_console(struct child *c, struct err *err) {
    if (!c->plan->process->terminal) return 0;
    auto_close int master = open_master(c);
    if (master < 0) return err_os(err, -master, "process.terminal", "cannot open a terminal");
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return err_os(err, errno, "process.terminal", "cannot unlock the terminal");
    c->tty = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->tty < 0) return err_os(err, errno, "process.terminal", "cannot open its other end");
    (void)set_size(c->tty, c->plan->process);
    (void)fd_set_nonblock(master, false);
    int r = bind_console(c, err);
    if (r < 0) return r;
    r = sync_send(c->sync, SYNC_CONSOLE, master);
    return r < 0 ? err_os(err, -r, "process.terminal", "cannot hand the terminal over") : 0;
}

// The descriptor that becomes number `to`, out of the way of 0, 1 and 2 unless it is there already.
static int stdio_source(struct child *c, int to) {
    int from = c->tty >= 0 ? c->tty : c->plan->options->stdio[to];
    if (from < 0) from = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (from >= 3 || from == to || from < 0) return from;
    return fcntl(from, F_DUPFD_CLOEXEC, 3);
}

// So that a program that is not root can open /dev/stdout again. Streams that belong to nobody in
// particular (the null device, read-only file systems) refuse, and may.
static void give_stream(const struct child *c, int fd) {
    struct stat st;
    if (c->uid == 0 || fstat(fd, &st) < 0 || st.st_uid == c->uid) return;
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return;
    (void)!fchown(fd, c->uid, (gid_t)-1);
}

int child_take_stdio(struct child *c, struct err *err) {
    int from[3];
    for (int to = 0; to < 3; to++) {
        from[to] = stdio_source(c, to);
        if (from[to] < 0) return err_os(err, errno, "standard streams", "cannot be opened");
    }
    for (int to = 0; to < 3; to++) {
        if (from[to] == to) {
            (void)fd_set_cloexec(to, false);
        } else if (dup2(from[to], to) < 0) {
            return err_os(err, errno, "standard streams", "cannot place descriptor %d", to);
        }
        give_stream(c, to);
    }
    if (c->tty >= 0 && ioctl(0, TIOCSCTTY, 0) < 0)
        return err_os(err, errno, "process.terminal", "cannot make it the controlling terminal");
    return 0;
}
