// SPDX-License-Identifier: Apache-2.0
#include "host/loop.h"
#include "host/process.h"
#include "scratch.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

static struct loop *loop;
static int fds_before;

static int loop_setup(void **state) {
    fds_before = open_fds();
    return loop_new(clock_system(), &loop, NULL);
}

static int loop_teardown(void **state) {
    loop_free(loop);
    return open_fds() == fds_before ? 0 : -1;
}

static void count(void *arg) {
    ++*(int *)arg;
}

static void stop(void *arg) {
    loop_stop(loop, *(int *)arg);
}

struct pipe_test {
    struct loop_source *source, *other;
    int calls;
    char last;
};

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct pipe_test *test = arg;
    assert_ptr_equal(source, test->source);
    test->calls++;
    if (events & EPOLLIN) assert_int_equal(read(fd, &test->last, 1), 1);
}

static void a_descriptor_is_served_paused_and_removed(void **state) {
    int fds[2];
    struct pipe_test test = {0};
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(loop_add_fd(loop, fds[0], EPOLLIN, on_readable, &test, &test.source, NULL), 0);
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    assert_int_equal(loop_step(loop, 0), 1);
    assert_int_equal(test.last, 'a');
    assert_int_equal(loop_set_events(test.source, 0), 0);
    close(fds[1]); // even a hang-up does not wake what is paused
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(loop_set_events(test.source, EPOLLIN), 0);
    assert_int_equal(loop_step(loop, 0), 1);
    assert_int_equal(test.last, 'b');
    loop_remove(test.source);
    loop_remove(NULL);
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(test.calls, 2);
    close(fds[0]);
}

static void a_bad_descriptor_is_refused(void **state) {
    struct err err = {0};
    struct loop_source *source;
    assert_int_equal(loop_add_fd(loop, 1000000, EPOLLIN, on_readable, NULL, &source, &err), -EBADF);
    int plain = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    assert_int_equal(loop_add_fd(loop, plain, EPOLLIN, on_readable, NULL, &source, &err), -EPERM);
    close(plain);
}

static void remove_both(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct pipe_test *test = arg;
    test->calls++;
    loop_remove(test->source);
    loop_remove(test->other);
    loop_remove(source); // again: harmless
}

static void a_callback_may_remove_any_source(void **state) {
    int a = eventfd(1, EFD_CLOEXEC), b = eventfd(1, EFD_CLOEXEC);
    struct pipe_test test = {0};
    assert_int_equal(loop_add_fd(loop, a, EPOLLIN, remove_both, &test, &test.source, NULL), 0);
    assert_int_equal(loop_add_fd(loop, b, EPOLLIN, remove_both, &test, &test.other, NULL), 0);
    assert_int_equal(loop_step(loop, 0), 1); // both are ready, one removes the other
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(test.calls, 1);
    close(a);
    close(b);
}

static struct loop_source *timers[3];
static int order[8], order_len;

static void note_timer(void *arg) {
    order[order_len++] = (int)(intptr_t)arg;
}

static void remove_timers(void *arg) {
    note_timer(arg);
    for (int i = 0; i < 3; i++) loop_remove(timers[i]);
}

static void timers_run_in_order_of_time(void **state) {
    struct clock_warp warp;
    clock_warp_init(&warp, 0);
    struct loop *warped;
    int64_t now = clock_monotonic(&warp.clock);
    assert_int_equal(loop_new(&warp.clock, &warped, NULL), 0);
    assert_ptr_equal(loop_clock(warped), &warp.clock);
    order_len = 0;
    for (int i = 0; i < 3; i++)
        loop_add_timer(warped, now + (3 - i) * SEC_NS, note_timer, (void *)(intptr_t)i, &timers[i],
                       NULL);
    assert_int_equal(loop_step(warped, 0), 0);
    clock_warp_advance(&warp, 2 * SEC_NS);
    assert_int_equal(loop_step(warped, -1), 2); // due: does not wait
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    loop_timer_set(timers[0], -1); // idle
    clock_warp_advance(&warp, 9 * SEC_NS);
    assert_int_equal(loop_step(warped, 0), 0);
    loop_timer_set(timers[0], now + SEC_NS); // in the past
    loop_timer_set(timers[1], now + 20 * SEC_NS);
    assert_int_equal(loop_step(warped, -1), 1);
    assert_int_equal(order[2], 0);
    loop_free(warped);
}

static void a_timer_may_remove_timers(void **state) {
    order_len = 0;
    for (int i = 0; i < 3; i++)
        loop_add_timer(loop, 1 + i, remove_timers, (void *)(intptr_t)i, &timers[i], NULL);
    assert_int_equal(loop_step(loop, -1), 1);
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(order[0], 0);
}

static struct loop_source *again;

static void rearm_in_the_past(void *arg) {
    ++*(int *)arg;
    loop_timer_set(again, 1);
}

static void a_timer_that_is_always_due_starves_nobody(void **state) {
    int n = 0, fd = eventfd(1, EFD_CLOEXEC);
    struct pipe_test test = {0};
    loop_add_timer(loop, 1, rearm_in_the_past, &n, &again, NULL);
    assert_int_equal(loop_add_fd(loop, fd, EPOLLIN, remove_both, &test, &test.source, NULL), 0);
    assert_int_equal(loop_step(loop, -1), 2);
    assert_int_equal(loop_step(loop, -1), 1);
    assert_int_equal(n, 2);
    assert_int_equal(test.calls, 1);
    close(fd);
}

static void many_timers_keep_the_heap_whole(void **state) {
    enum { COUNT = 300 };
    struct clock_warp warp;
    clock_warp_init(&warp, 0);
    struct loop *warped;
    struct loop_source *many[COUNT];
    int fired[COUNT] = {0}, expected = 0;
    assert_int_equal(loop_new(&warp.clock, &warped, NULL), 0);
    unsigned random = 7;
    for (int i = 0; i < COUNT; i++) {
        random = random * 1103515245u + 12345u;
        loop_add_timer(warped, 1000 + (random >> 16) % 5000, count, &fired[i], &many[i], NULL);
    }
    for (int i = 0; i < COUNT; i += 3) loop_remove(many[i]);
    for (int i = 1; i < COUNT; i += 3) loop_timer_set(many[i], 9000);
    clock_warp_advance(&warp, 8000);
    assert_int_equal(loop_step(warped, 0), COUNT / 3);
    clock_warp_advance(&warp, 8000);
    assert_int_equal(loop_step(warped, 0), COUNT / 3);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(fired[i], i % 3 != 0);
        expected += fired[i];
    }
    assert_int_equal(expected, COUNT * 2 / 3);
    loop_free(warped);
}

static void real_time_wakes_a_waiting_loop(void **state) {
    int value = 5;
    int64_t start = clock_monotonic(clock_system());
    assert_int_equal(loop_add_timer(loop, start + 3 * MSEC_NS, stop, &value, &timers[0], NULL), 0);
    assert_int_equal(loop_run(loop, NULL), 5);
    assert_true(clock_monotonic(clock_system()) >= start + 3 * MSEC_NS);
}

static void defer_again(void *arg) {
    if (++*(int *)arg < 3) loop_defer(loop, defer_again, arg);
}

static void deferred_calls_run_before_the_wait(void **state) {
    int n = 0, value = 9;
    loop_defer(loop, defer_again, &n);
    assert_int_equal(loop_step(loop, -1), 1);
    assert_int_equal(loop_step(loop, -1), 1);
    assert_int_equal(loop_step(loop, -1), 1);
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(n, 3);
    loop_defer(loop, stop, &value);
    assert_int_equal(loop_run(loop, NULL), 9);
}

struct ended {
    pid_t pid;
    int status, calls;
    struct loop_source *source;
};

static void on_child(pid_t pid, int status, void *arg) {
    struct ended *ended = arg;
    ended->pid = pid;
    ended->status = status;
    ended->calls++;
    loop_remove(ended->source); // gone already: harmless
    loop_stop(loop, 0);
}

static pid_t child_that_exits(int code) {
    pid_t pid = fork();
    if (pid == 0) _exit(code);
    return pid;
}

static void a_child_is_reaped(void **state) {
    struct ended ended = {0};
    pid_t pid = child_that_exits(7);
    assert_int_equal(loop_add_child(loop, pid, -1, on_child, &ended, &ended.source, NULL), 0);
    assert_int_equal(loop_run(loop, NULL), 0);
    assert_int_equal(ended.pid, pid);
    assert_int_equal(process_exit_code(ended.status), 7);
    assert_int_equal(waitpid(pid, NULL, 0), -1);
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(ended.calls, 1);
}

static void a_child_that_another_reaped_gives_minus_one(void **state) {
    struct ended ended = {0};
    pid_t pid = child_that_exits(7);
    int pidfd = process_pidfd(pid);
    assert_true(pidfd >= 0);
    assert_int_equal(loop_add_child(loop, pid, pidfd, on_child, &ended, &ended.source, NULL), 0);
    assert_int_equal(process_wait(pid), 7);
    assert_int_equal(loop_run(loop, NULL), 0);
    assert_int_equal(ended.status, -1);
    close(pidfd);
    struct err err = {0};
    assert_int_equal(loop_add_child(loop, pid, -1, on_child, &ended, NULL, &err), -ESRCH);
}

static int last_signal;

static void on_signal(int signo, void *arg) {
    last_signal = signo;
    ++*(int *)arg;
}

static void signals_become_calls(void **state) {
    int a = 0, b = 0;
    assert_int_equal(loop_add_signal(loop, SIGUSR1, on_signal, &a, NULL), 0);
    assert_int_equal(loop_add_signal(loop, SIGUSR2, on_signal, &b, NULL), 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    assert_int_equal(loop_step(loop, -1), 2);
    assert_true(a == 1 && b == 1);
    struct err err = {0};
    assert_int_equal(loop_add_signal(loop, SIGKILL, on_signal, &a, &err), -EINVAL);
    assert_int_equal(loop_add_signal(loop, 1000, on_signal, &a, &err), -EINVAL);
}

struct job {
    pthread_t ran_on;
    int *left;
    pthread_barrier_t *together;
};

static void job_body(void *arg) {
    struct job *job = arg;
    job->ran_on = pthread_self();
    if (job->together) pthread_barrier_wait(job->together);
}

static void job_done(void *arg) {
    struct job *job = arg;
    assert_false(pthread_equal(job->ran_on, pthread_self()));
    if (--*job->left == 0) loop_stop(loop, 0);
}

static void work_runs_on_threads_and_ends_here(void **state) {
    enum { JOBS = 64 };
    struct job jobs[JOBS];
    int left = JOBS;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.left = &left};
        assert_int_equal(loop_work(loop, job_body, job_done, &jobs[i], NULL), 0);
    }
    assert_int_equal(loop_run(loop, NULL), 0);
    // Four at once: they meet at the barrier, or this test hangs.
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, 4);
    left = 4;
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct job){.left = &left, .together = &together};
        assert_int_equal(loop_work(loop, job_body, job_done, &jobs[i], NULL), 0);
    }
    assert_int_equal(loop_run(loop, NULL), 0);
    pthread_barrier_destroy(&together);
    jobs[0] = (struct job){.left = &left};
    assert_int_equal(loop_work(loop, job_body, NULL, &jobs[0], NULL), 0); // ended by loop_free
}

static void *wake_from_thread(void *arg) {
    loop_wake(loop);
    return NULL;
}

static void another_thread_wakes_the_wait(void **state) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, NULL), 0);
    assert_int_equal(loop_step(loop, -1), 0);
    pthread_join(thread, NULL);
}

static void step_inside(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct pipe_test *test = arg;
    test->calls++;
    loop_remove(source);
    loop_step(loop, 0); // may serve the other one; then the outer batch is stale
}

static void a_nested_round_serves_each_event_once(void **state) {
    int a = eventfd(1, EFD_CLOEXEC), b = eventfd(1, EFD_CLOEXEC);
    struct pipe_test test = {0};
    assert_int_equal(loop_add_fd(loop, a, EPOLLIN, step_inside, &test, NULL, NULL), 0);
    assert_int_equal(loop_add_fd(loop, b, EPOLLIN, step_inside, &test, NULL, NULL), 0);
    while (loop_step(loop, 0) > 0) continue;
    assert_int_equal(test.calls, 2);
    close(a);
    close(b);
}

static void everything_left_is_freed(void **state) {
    int n = 0;
    loop_add_timer(loop, INT64_MAX, count, &n, NULL, NULL);
    loop_defer(loop, count, &n);
    loop_free(NULL);
}

#define loop_test(fn) cmocka_unit_test_setup_teardown(fn, loop_setup, loop_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        loop_test(a_descriptor_is_served_paused_and_removed),
        loop_test(a_bad_descriptor_is_refused),
        loop_test(a_callback_may_remove_any_source),
        loop_test(timers_run_in_order_of_time),
        loop_test(a_timer_may_remove_timers),
        loop_test(a_timer_that_is_always_due_starves_nobody),
        loop_test(many_timers_keep_the_heap_whole),
        loop_test(real_time_wakes_a_waiting_loop),
        loop_test(deferred_calls_run_before_the_wait),
        loop_test(a_child_is_reaped),
        loop_test(a_child_that_another_reaped_gives_minus_one),
        loop_test(signals_become_calls),
        loop_test(work_runs_on_threads_and_ends_here),
        loop_test(another_thread_wakes_the_wait),
        loop_test(a_nested_round_serves_each_event_once),
        loop_test(everything_left_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
