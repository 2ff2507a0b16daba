// SPDX-License-Identifier: Apache-2.0
// The round: deferred calls, the wait, what the wait found, due timers.
//
// Removal only marks a source and takes it out of the epoll set; its memory goes when no round is
// running, because a batch of events may still point to it.
#include "host/loop_int.h"

#include "host/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BATCH = 64 };

static void close_fd(int fd) {
    if (fd >= 0) close(fd);
}

// The loop's own descriptors carry the address of their field as epoll data.
static int watch_own(struct loop *loop, int *fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, *fd, &event) < 0 ? -errno : 0;
}

static int open_own_fds(struct loop *loop) {
    if ((loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) return -errno;
    if ((loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) return -errno;
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer_fd < 0) return -errno;
    int r = watch_own(loop, &loop->wake_fd);
    return r < 0 ? r : watch_own(loop, &loop->timer_fd);
}

int loop_new(struct clock *clock, struct loop **ret, struct err *err) {
    struct loop *loop = mem_new(struct loop);
    loop->clock = clock;
    loop->epoll_fd = loop->wake_fd = loop->timer_fd = loop->signal_fd = -1;
    loop->armed_ns = -1;
    sigemptyset(&loop->signals);
    list_init(&loop->sources);
    list_init(&loop->removed);
    list_init(&loop->deferred);
    int r = open_own_fds(loop);
    if (r < 0) {
        loop_free(loop);
        return err_os(err, -r, "event loop", "cannot open its descriptors");
    }
    *ret = loop;
    return 0;
}

static void free_sources(struct list *list) {
    struct loop_source *source;
    list_each (list, source, struct loop_source, node) {
        if (source->owns_fd) close_fd(source->fd);
        free(source);
    }
    list_init(list);
}

void loop_free(struct loop *loop) {
    if (!loop) return;
    loop_work_free(loop);
    free_sources(&loop->sources);
    free_sources(&loop->removed);
    struct deferred *call;
    list_each (&loop->deferred, call, struct deferred, node) free(call);
    vec_free(&loop->timers);
    close_fd(loop->signal_fd);
    close_fd(loop->timer_fd);
    close_fd(loop->wake_fd);
    close_fd(loop->epoll_fd);
    free(loop);
}

struct clock *loop_clock(struct loop *loop) {
    return loop->clock;
}

struct loop_source *loop_source_new(struct loop *loop, enum source_kind kind, void *arg) {
    struct loop_source *source = mem_new(struct loop_source);
    source->loop = loop;
    source->kind = kind;
    source->arg = arg;
    source->fd = -1;
    source->at_ns = -1;
    list_add_tail(&loop->sources, &source->node);
    return source;
}

int loop_watch(struct loop_source *source) {
    struct epoll_event event = {.events = source->events, .data.ptr = source};
    return epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *arg,
                struct loop_source **ret, struct err *err) {
    struct loop_source *source = loop_source_new(loop, SOURCE_FD, arg);
    source->fd = fd;
    source->events = events;
    source->on_fd = fn;
    int r = events ? loop_watch(source) : 0;
    if (r < 0) {
        source->events = 0;
        loop_remove(source);
        return err_os(err, -r, "event loop", "cannot watch descriptor %d", fd);
    }
    if (ret) *ret = source;
    return 0;
}

// A paused descriptor leaves the set: in it, even no events mean EPOLLHUP and EPOLLERR, for ever.
int loop_set_events(struct loop_source *source, uint32_t events) {
    if (source->removed || source->events == events) return 0;
    struct epoll_event event = {.events = events, .data.ptr = source};
    int op = !source->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(source->loop->epoll_fd, op, source->fd, &event) < 0) return -errno;
    source->events = events;
    return 0;
}

static void free_removed(struct loop *loop) {
    if (loop->depth == 0) free_sources(&loop->removed);
}

void loop_remove(struct loop_source *source) {
    if (!source || source->removed) return;
    struct loop *loop = source->loop;
    source->removed = true;
    if (source->events) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->events = 0;
    if (source->kind == SOURCE_TIMER) loop_timers_remove(source);
    list_remove(&source->node);
    list_add_tail(&loop->removed, &source->node);
    free_removed(loop);
}

void loop_defer(struct loop *loop, loop_call_fn *fn, void *arg) {
    struct deferred *call = mem_new(struct deferred);
    call->fn = fn;
    call->arg = arg;
    list_add_tail(&loop->deferred, &call->node);
}

// Those that are there now; calls that they defer come in the next round, which does not wait.
static int run_deferred(struct loop *loop) {
    struct list last;
    list_init(&last);
    list_add_tail(&loop->deferred, &last);
    int n = 0;
    while (loop->deferred.next != &last) {
        struct deferred *call = container_of(loop->deferred.next, struct deferred, node);
        struct deferred copy = *call;
        list_remove(&call->node);
        free(call);
        copy.fn(copy.arg);
        n++;
    }
    list_remove(&last);
    return n;
}

void loop_wake(struct loop *loop) {
    int saved = errno;
    uint64_t one = 1;
    // Fails only when it is full, and then the loop is awake already.
    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) continue;
    errno = saved;
}

static int dispatch_own(struct loop *loop, const void *field) {
    uint64_t count;
    if (field == &loop->wake_fd) {
        file_read_some(loop->wake_fd, &count, sizeof(count));
        return loop_work_dispatch(loop);
    }
    if (field == &loop->timer_fd) {
        loop_timers_drain(loop);
        return 0;
    }
    return loop_signals_dispatch(loop);
}

static bool is_own(const struct loop *loop, const void *field) {
    return field == &loop->wake_fd || field == &loop->timer_fd || field == &loop->signal_fd;
}

static int dispatch(struct loop *loop, const struct epoll_event *event) {
    if (is_own(loop, event->data.ptr)) return dispatch_own(loop, event->data.ptr);
    struct loop_source *source = event->data.ptr;
    if (source->removed || !source->events) return 0; // by an earlier one of the same batch
    if (source->kind == SOURCE_CHILD)
        loop_child_ended(source);
    else
        source->on_fd(source, source->fd, event->events, source->arg);
    return 1;
}

static int wait_and_dispatch(struct loop *loop, int timeout_ms) {
    struct epoll_event events[BATCH];
    uint64_t round = ++loop->round;
    int n = epoll_wait(loop->epoll_fd, events, BATCH, timeout_ms), handled = 0;
    if (n < 0) return errno == EINTR ? 0 : -errno;
    // After a nested round the rest of the batch is old news; what still holds is reported again.
    for (int i = 0; i < n && loop->round == round; i++) handled += dispatch(loop, &events[i]);
    return handled;
}

int loop_step(struct loop *loop, int timeout_ms) {
    loop->depth++;
    int handled = run_deferred(loop);
    if (loop->stopped || handled || !list_empty(&loop->deferred) || loop_timers_due(loop))
        timeout_ms = 0;
    else
        loop_timers_arm(loop);
    int r = wait_and_dispatch(loop, timeout_ms);
    if (r >= 0) r += handled + loop_timers_run(loop);
    loop->depth--;
    free_removed(loop);
    return r;
}

int loop_run(struct loop *loop, struct err *err) {
    while (!loop->stopped) {
        int r = loop_step(loop, -1);
        if (r < 0) return err_os(err, -r, "event loop", "cannot wait for events");
    }
    loop->stopped = false;
    return loop->value;
}

void loop_stop(struct loop *loop, int value) {
    loop->stopped = true;
    loop->value = value;
}
