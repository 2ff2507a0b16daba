// SPDX-License-Identifier: Apache-2.0
#include "host/loop_int.h"

#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

int loop_add_child(struct loop *loop, pid_t pid, int pidfd, loop_child_fn *fn, void *arg,
                   struct loop_source **ret, struct err *err) {
    auto_close int own = -1;
    if (pidfd < 0) {
        pidfd = own = process_pidfd(pid);
        if (own < 0) return err_os(err, -own, "process", "cannot watch process %d", (int)pid);
    }
    struct loop_source *source = loop_source_new(loop, SOURCE_CHILD, arg);
    source->fd = pidfd;
    source->events = EPOLLIN;
    source->pid = pid;
    source->on_child = fn;
    int r = loop_watch(source);
    if (r < 0) {
        source->events = 0;
        loop_remove(source);
        return err_os(err, -r, "process", "cannot watch process %d", (int)pid);
    }
    source->owns_fd = take_fd(own) >= 0;
    if (ret) *ret = source;
    return 0;
}

void loop_child_ended(struct loop_source *source) {
    int status = -1, r;
    do r = waitpid(source->pid, &status, WNOHANG);
    while (r < 0 && errno == EINTR);
    if (r <= 0) status = -1; // somebody else's child, or reaped by somebody else
    loop_child_fn *fn = source->on_child;
    pid_t pid = source->pid;
    void *arg = source->arg;
    loop_remove(source); // out of the epoll set before the callback may close its pidfd
    fn(pid, status, arg);
}

// The signal stays blocked when the loop is gone: unblocking it could kill the process with what is
// pending.
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *arg, struct err *err) {
    const char *name = process_signal_name(signo);
    sigset_t wanted = loop->signals, one;
    sigemptyset(&one);
    if (sigaddset(&wanted, signo) < 0 || sigaddset(&one, signo) < 0 || signo == SIGKILL ||
        signo == SIGSTOP)
        return err_set(err, ERR_INVALID, 0, name ? name : "signal", "cannot be waited for");
    int r = pthread_sigmask(SIG_BLOCK, &one, NULL);
    if (r > 0) return err_os(err, r, name ? name : "signal", "cannot block it");
    int fd = signalfd(loop->signal_fd, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return err_os(err, errno, name ? name : "signal", "cannot wait for it");
    if (loop->signal_fd < 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->signal_fd};
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
            r = errno;
            close(fd);
            return err_os(err, r, name ? name : "signal", "cannot wait for it");
        }
        loop->signal_fd = fd;
    }
    loop->signals = wanted;
    struct loop_source *source = loop_source_new(loop, SOURCE_SIGNAL, arg);
    source->signo = signo;
    source->on_signal = fn;
    return 0;
}

// Signal sources are never removed before the loop's end, so the list is safe to walk.
static int tell_signal(struct loop *loop, int signo) {
    VEC(struct loop_source *) listeners = {0};
    struct loop_source *source;
    list_each (&loop->sources, source, struct loop_source, node) {
        if (source->kind == SOURCE_SIGNAL && source->signo == signo) vec_add(&listeners, source);
    }
    for (size_t i = 0; i < listeners.len; i++)
        listeners.items[i]->on_signal(signo, listeners.items[i]->arg);
    int n = (int)listeners.len;
    vec_free(&listeners);
    return n;
}

int loop_signals_dispatch(struct loop *loop) {
    struct signalfd_siginfo info;
    int n = 0;
    while (file_read_some(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        n += tell_signal(loop, (int)info.ssi_signo);
    return n;
}
