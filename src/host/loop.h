// SPDX-License-Identifier: Apache-2.0
// The event loop: descriptors (epoll), timers (one timerfd), children (pidfd), signals (signalfd),
// deferred calls, and a small pool of worker threads for what blocks.
//
// Threads: everything but loop_wake and the body of a work item runs on the thread that calls
// loop_run. Invariants: (1) a callback may remove any source, its own included; (2) a removed
// source's callback never runs again; (3) with no timer armed the loop never wakes by itself: an
// idle process makes no system calls.
#ifndef TRINE_HOST_LOOP_H
#define TRINE_HOST_LOOP_H

#include "base/clock.h"
#include "base/err.h"

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_source; // owned by the loop until loop_remove or the loop's end

typedef void loop_fd_fn(struct loop_source *source, int fd, uint32_t events,
                        void *arg); // events: EPOLLIN | …
typedef void loop_call_fn(void *arg);
typedef void loop_child_fn(pid_t pid, int wait_status,
                           void *arg); // as waitpid gives it; -1 when another reaped it
typedef void loop_signal_fn(int signo, void *arg);

int loop_new(struct clock *clock, struct loop **ret, struct err *err);
void loop_free(struct loop *loop); // runs nothing more; NULL is fine
struct clock *loop_clock(struct loop *loop);

int loop_run(struct loop *loop, struct err *err); // until loop_stop; returns the value given there
void loop_stop(struct loop *loop, int value);
// One round: waits at most timeout_ms (-1: for ever). For tests and nested waits. Returns handled
// sources or -errno.
int loop_step(struct loop *loop, int timeout_ms);

// Descriptors stay the caller's: remove the source before closing.
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *arg,
                struct loop_source **ret, struct err *err);
int loop_set_events(struct loop_source *source, uint32_t events); // 0 pauses it
// Fires once at a monotonic time; rearm with loop_timer_set. A timer set with at_ns < 0 is idle.
int loop_add_timer(struct loop *loop, int64_t at_ns, loop_call_fn *fn, void *arg,
                   struct loop_source **ret, struct err *err);
void loop_timer_set(struct loop_source *timer, int64_t at_ns);
// Reaps the child (or, for a process that is not our child, only says that it ended: status -1).
// Removes itself. pidfd: >= 0 borrowed until the callback, or -1 to open one by pid.
int loop_add_child(struct loop *loop, pid_t pid, int pidfd, loop_child_fn *fn, void *arg,
                   struct loop_source **ret, struct err *err);
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *arg,
                    struct err *err); // blocks it
void loop_defer(struct loop *loop, loop_call_fn *fn,
                void *arg);                   // once, before the next wait; aborts without memory
void loop_remove(struct loop_source *source); // NULL is fine

// body runs on a worker thread, then done on the loop's thread. Workers (at most 4) start on demand
// and end after 10 s without work. `done` may be NULL.
int loop_work(struct loop *loop, loop_call_fn *body, loop_call_fn *done, void *arg,
              struct err *err);

// From any thread or signal handler: make a waiting loop run its deferred calls now.
void loop_wake(struct loop *loop);

#endif
