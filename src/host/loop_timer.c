// SPDX-License-Identifier: Apache-2.0
// Timers: a binary heap by time, and one timerfd for its head.
//
// The timerfd runs on the kernel's clock. With any other clock (a test's) it stays disarmed: time
// moves when the test says so, and due timers run in the next round.
#include "host/loop_int.h"

#include "host/file.h"

#include <errno.h>
#include <sys/timerfd.h>

static void place(struct loop *loop, size_t i, struct loop_source *timer) {
    loop->timers.items[i] = timer;
    timer->heap_index = i;
}

static void sift_up(struct loop *loop, size_t i, struct loop_source *timer) {
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (loop->timers.items[parent]->at_ns <= timer->at_ns) break;
        place(loop, i, loop->timers.items[parent]);
        i = parent;
    }
    place(loop, i, timer);
}

static void sift_down(struct loop *loop, size_t i, struct loop_source *timer) {
    for (size_t child; (child = 2 * i + 1) < loop->timers.len; i = child) {
        struct loop_source **items = loop->timers.items;
        if (child + 1 < loop->timers.len && items[child + 1]->at_ns < items[child]->at_ns) child++;
        if (items[child]->at_ns >= timer->at_ns) break;
        place(loop, i, items[child]);
    }
    place(loop, i, timer);
}

void loop_timers_remove(struct loop_source *timer) {
    if (timer->at_ns < 0) return;
    struct loop *loop = timer->loop;
    size_t i = timer->heap_index;
    timer->at_ns = -1;
    struct loop_source *last = loop->timers.items[--loop->timers.len];
    if (last == timer) return;
    sift_up(loop, i, last);
    sift_down(loop, last->heap_index, last);
}

void loop_timer_set(struct loop_source *timer, int64_t at_ns) {
    if (timer->removed) return;
    struct loop *loop = timer->loop;
    loop_timers_remove(timer);
    if (at_ns < 0) return;
    timer->at_ns = at_ns;
    vec_add(&loop->timers, timer);
    sift_up(loop, loop->timers.len - 1, timer);
}

int loop_add_timer(struct loop *loop, int64_t at_ns, loop_call_fn *fn, void *arg,
                   struct loop_source **ret, struct err *err) {
    struct loop_source *timer = loop_source_new(loop, SOURCE_TIMER, arg);
    timer->on_timer = fn;
    loop_timer_set(timer, at_ns);
    if (ret) *ret = timer;
    return 0;
}

bool loop_timers_due(const struct loop *loop) {
    return loop->timers.len && loop->timers.items[0]->at_ns <= clock_monotonic(loop->clock);
}

void loop_timers_arm(struct loop *loop) {
    bool real = loop->clock == clock_system();
    int64_t at_ns = real && loop->timers.len ? loop->timers.items[0]->at_ns : -1;
    if (at_ns == loop->armed_ns) return;
    struct itimerspec spec = {0}; // all zero disarms; a timer at 0 is due and never gets here
    if (at_ns >= 0) spec.it_value = (struct timespec){at_ns / SEC_NS, at_ns % SEC_NS};
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        loop->armed_ns = at_ns;
}

void loop_timers_drain(struct loop *loop) {
    uint64_t count;
    file_read_some(loop->timer_fd, &count, sizeof(count));
    loop->armed_ns = -1; // it fires once
}

// One that sets itself to a time that is past already runs again in the next round, so that
// descriptors get their turn.
int loop_timers_run(struct loop *loop) {
    if (!loop->timers.len) return 0;
    int64_t now = clock_monotonic(loop->clock);
    uint64_t round = loop->round;
    int n = 0;
    while (loop->timers.len && !loop->stopped) {
        struct loop_source *timer = loop->timers.items[0];
        if (timer->at_ns > now || timer->fired_in == round) break;
        loop_timers_remove(timer);
        timer->fired_in = round;
        timer->on_timer(timer->arg);
        n++;
    }
    return n;
}
