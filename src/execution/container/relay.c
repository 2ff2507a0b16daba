// SPDX-License-Identifier: Apache-2.0
// The foreground of run and exec: bytes between our terminal and the container's, signals passed on,
// until the program ends.
#include "execution/container/runtime.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct relay {
    const struct container_process *p;
    int signals;
    bool has_terminal, stdin_open;
    struct termios saved;
};

static void copy_size(const struct relay *r) {
    struct winsize size;
    if (r->p->console_fd >= 0 && ioctl(0, TIOCGWINSZ, &size) == 0)
        (void)ioctl(r->p->console_fd, TIOCSWINSZ, &size);
}

static void pass_signals(const struct relay *r) {
    struct signalfd_siginfo info;
    while (read(r->signals, &info, sizeof(info)) == sizeof(info)) {
        int signo = (int)info.ssi_signo;
        if (signo == SIGWINCH && r->p->console_fd >= 0)
            copy_size(r);
        else if (signo != SIGCHLD && signo != SIGURG)
            (void)process_signal(r->p->pidfd, signo);
    }
}

// false at the end of the stream.
static bool copy(int from, int to) {
    char buf[16384];
    ssize_t n = file_read_some(from, buf, sizeof(buf));
    if (n == -EAGAIN) return true;
    return n > 0 && file_write_all(to, buf, (size_t)n) == 0;
}

static void drain(const struct relay *r) {
    struct pollfd p = {.fd = r->p->console_fd, .events = POLLIN};
    while (p.fd >= 0 && poll(&p, 1, 0) == 1 && p.revents & POLLIN)
        if (!copy(p.fd, 1)) return;
}

static void loop(struct relay *r) {
    struct pollfd fds[] = {{.fd = r->p->pidfd, .events = POLLIN},
                           {.fd = r->signals, .events = POLLIN},
                           {.fd = r->p->console_fd, .events = POLLIN},
                           {.fd = r->p->console_fd >= 0 ? 0 : -1, .events = POLLIN}};
    while (poll(fds, array_len(fds), -1) >= 0 || errno == EINTR) {
        if (fds[1].revents) pass_signals(r);
        if (fds[2].revents && !copy(fds[2].fd, 1)) fds[2].fd = -1;
        if (fds[3].revents && !copy(0, r->p->console_fd)) fds[3].fd = -1;
        if (fds[0].revents) break;
    }
    drain(r);
}

int runtime_wait(const struct container_process *p, struct err *err) {
    struct relay r = {.p = p};
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    r.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r.signals < 0) return err_os(err, errno, "signals", "cannot be received");
    if (p->console_fd >= 0) {
        copy_size(&r);
        r.has_terminal = tcgetattr(0, &r.saved) == 0;
        struct termios raw = r.saved;
        cfmakeraw(&raw);
        if (r.has_terminal) (void)tcsetattr(0, TCSANOW, &raw);
    }
    loop(&r);
    if (r.has_terminal) (void)tcsetattr(0, TCSADRAIN, &r.saved);
    close(r.signals);
    int code = process_wait(p->pid);
    return code < 0 ? err_os(err, -code, "container", "cannot learn its exit code") : code;
}
