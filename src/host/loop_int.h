// SPDX-License-Identifier: Apache-2.0
// What the parts of the loop share: loop.c (descriptors, deferred calls, the round), loop_timer.c,
// loop_child.c (children and signals), loop_work.c (threads).
#ifndef TRINE_HOST_LOOP_INT_H
#define TRINE_HOST_LOOP_INT_H

#include "base/list.h"
#include "base/vec.h"
#include "host/loop.h"

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_CHILD, SOURCE_SIGNAL };

struct loop_source {
    struct loop *loop;
    struct list node; // in loop->sources, or in loop->removed
    enum source_kind kind;
    bool removed;
    void *arg;

    int fd; // watched; -1: none. A child's pidfd
    bool owns_fd;
    uint32_t events; // 0: not in the epoll set
    union {
        loop_fd_fn *on_fd;
        loop_call_fn *on_timer;
        loop_child_fn *on_child;
        loop_signal_fn *on_signal;
    };
    int64_t at_ns;     // timer; < 0: idle
    size_t heap_index; // valid while at_ns >= 0
    uint64_t fired_in; // the round in which the timer ran last
    pid_t pid;
    int signo;
};

struct deferred {
    struct list node;
    loop_call_fn *fn;
    void *arg;
};

struct work_pool;

struct loop {
    struct clock *clock;
    int epoll_fd, wake_fd, timer_fd, signal_fd; // signal_fd: -1 until the first signal
    struct list sources, removed;
    struct list deferred;
    VEC(struct loop_source *) timers; // a binary heap, the earliest first
    int64_t armed_ns;                 // what timer_fd is set to; -1: disarmed
    sigset_t signals;
    struct work_pool *pool; // NULL until the first work
    uint64_t round;         // counts waits: nested rounds make an outer batch of events stale
    int depth;              // of loop_step
    bool stopped;
    int value;
};

struct loop_source *loop_source_new(struct loop *loop, enum source_kind kind, void *arg);
int loop_watch(struct loop_source *source); // puts source->fd with its events into the epoll set

void loop_timers_arm(struct loop *loop); // timer_fd follows the earliest timer
bool loop_timers_due(const struct loop *loop);
int loop_timers_run(struct loop *loop); // number of timers that ran
void loop_timers_remove(struct loop_source *timer);
void loop_timers_drain(struct loop *loop);

void loop_child_ended(struct loop_source *source);
int loop_signals_dispatch(struct loop *loop);

int loop_work_dispatch(struct loop *loop); // runs the done functions; their number
void loop_work_free(struct loop *loop);

#endif
