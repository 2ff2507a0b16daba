// SPDX-License-Identifier: Apache-2.0
// The program: its working directory, where it is found, and the call that becomes it.
#include "base/str.h"
#include "execution/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// A working directory such as /proc/self/fd/7 would lead to whatever a leaked descriptor shows. The
// kernel says so: the path of a directory outside the root does not begin with '/'.
static int check_inside(const char *cwd, struct err *err) {
    char buf[PATH_MAX];
    long n = syscall(SYS_getcwd, buf, sizeof(buf));
    if (n > 0 && buf[0] == '/') return 0;
    return err_set(err, ERR_DENIED, 0, "process.cwd", "\"%.200s\" is outside the container's root",
                   cwd);
}

int child_change_directory(struct child *c, struct err *err) {
    const char *cwd = c->plan->process->cwd;
    if (chdir(cwd) < 0) return err_os(err, errno, "process.cwd", "cannot enter \"%.200s\"", cwd);
    return check_inside(cwd, err);
}

// 0, or the reason against it. ENOEXEC stands for what only execve finds out.
static int can_execute(const char *path) {
    struct stat st;
    if (stat(path, &st) < 0) return errno;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int refuse(const char *name, int why, struct err *err) {
    char object[sizeof(err->object)];
    snprintf(object, sizeof(object), ERR_PROGRAM "%.100s", name);
    if (why == ENOENT || why == ENOTDIR || why == ENAMETOOLONG || why == ELOOP) {
        err_set(err, ERR_NOT_FOUND, ENOENT, object, "executable file not found in the container");
        return err_next(err, "check the name, and PATH in the environment");
    }
    return err_set(err, ERR_DENIED, why, object, "the file in the container cannot be executed");
}

static const char *search_path(char *const *env) {
    for (; *env; env++)
        if (str_starts(*env, "PATH=")) return *env + 5;
    return default_path;
}

int child_find_program(struct child *c, struct err *err) {
    const char *name = c->plan->process->args.items[0];
    if (!*name) return refuse("\"\"", ENOENT, err);
    if (strchr(name, '/')) {
        int why = can_execute(name);
        c->path = name;
        return why ? refuse(name, why, err) : 0;
    }
    int worst = ENOENT;
    for (const char *at = search_path(c->env);;) {
        size_t len = strcspn(at, ":");
        char *path = mem_printf("%.*s%s%s", (int)len, at, len ? "/" : "./", name);
        int why = can_execute(path);
        c->path = path;
        if (why == 0) return 0;
        if (why == EACCES) worst = why;
        free(path);
        if (!at[len]) break;
        at += len + 1;
    }
    return refuse(name, worst, err);
}

static int close_between(unsigned first, unsigned last) {
    return first > last ? 0 : (int)syscall(SYS_close_range, first, last, 0);
}

// At the gate, which may stay shut for long, this process holds nothing of the host any more but the
// gate (and the talk with its creator, until that is told).
int child_close_descriptors(struct child *c, struct err *err) {
    unsigned first = 3 + c->plan->options->preserve_fds;
    unsigned low = c->sync < c->gate ? (unsigned)c->sync : (unsigned)c->gate;
    unsigned high = c->sync < c->gate ? (unsigned)c->gate : (unsigned)c->sync;
    if (c->gate < 0) low = high = (unsigned)c->sync;
    if (close_between(first, low - 1) < 0 || close_between(low + 1, high - 1) < 0 ||
        close_between(high + 1, UINT_MAX) < 0)
        return err_os(err, errno, "descriptors", "cannot be closed");
    c->root_fd = c->tty = c->zero_dir = -1;
    for (unsigned fd = 3; fd < first; fd++) {
        int flags = fcntl((int)fd, F_GETFD);
        if (flags >= 0) (void)fcntl((int)fd, F_SETFD, flags & ~FD_CLOEXEC);
    }
    return 0;
}

int child_execute(struct child *c, struct err *err) {
    execve(c->path, c->plan->process->args.items, c->env);
    int why = errno;
    // A script whose interpreter is missing, a program of another machine: it is there, and cannot
    // run.
    if (why == ENOENT) why = ENOEXEC;
    return refuse(c->plan->process->args.items[0], why, err);
}

int container_exit_code(const struct err *err) {
    return err_program_exit(err);
}
