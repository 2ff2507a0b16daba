// SPDX-License-Identifier: Apache-2.0
// Worker threads. Invariants: (1) everything below is under `lock` but the bodies; (2) a thread's
// slot is ENDED only after its last use of the pool under the lock, and is joined before it is used
// again; (3) an item is in exactly one place: waiting, on a worker, or done.
#include "host/loop_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { WORKERS_MAX = 4, IDLE_S = 10 };
enum slot_state { SLOT_EMPTY, SLOT_RUNNING, SLOT_ENDED };

struct work {
    struct list node;
    loop_call_fn *body, *done;
    void *arg;
};

struct work_pool {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list waiting, done;
    size_t n_waiting, n_idle, n_running; // threads: idle ones are running ones
    bool ending;
    struct slot {
        struct work_pool *pool;
        pthread_t thread;
        enum slot_state state;
    } slots[WORKERS_MAX];
};

static struct work_pool *pool_new(struct loop *loop) {
    struct work_pool *pool = mem_new(struct work_pool);
    pool->loop = loop;
    list_init(&pool->waiting);
    list_init(&pool->done);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->more, &attr);
    pthread_condattr_destroy(&attr);
    return pool;
}

// The next item, or NULL when the worker shall end. With the lock.
static struct work *next_work(struct work_pool *pool) {
    int64_t until_ns = clock_monotonic(clock_system()) + IDLE_S * SEC_NS;
    struct timespec until = {until_ns / SEC_NS, until_ns % SEC_NS};
    int r = 0;
    pool->n_idle++;
    while (list_empty(&pool->waiting) && !pool->ending && r == 0)
        r = pthread_cond_timedwait(&pool->more, &pool->lock, &until);
    pool->n_idle--;
    if (pool->ending || list_empty(&pool->waiting)) return NULL;
    struct work *work = container_of(pool->waiting.next, struct work, node);
    list_remove(&work->node);
    pool->n_waiting--;
    return work;
}

static void *worker(void *arg) {
    struct slot *slot = arg;
    struct work_pool *pool = slot->pool;
    pthread_mutex_lock(&pool->lock);
    for (struct work *work; (work = next_work(pool));) {
        pthread_mutex_unlock(&pool->lock);
        work->body(work->arg);
        pthread_mutex_lock(&pool->lock);
        list_add_tail(&pool->done, &work->node);
        loop_wake(pool->loop);
    }
    pool->n_running--;
    slot->state = SLOT_ENDED;
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

// Signals are the loop's: workers block them all. With the lock.
static int start_worker(struct work_pool *pool) {
    struct slot *slot = pool->slots;
    while (slot->state == SLOT_RUNNING) slot++; // the caller knows that there is one
    if (slot->state == SLOT_ENDED) pthread_join(slot->thread, NULL);
    slot->state = SLOT_EMPTY;
    slot->pool = pool;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&slot->thread, NULL, worker, slot);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r > 0) return -r;
    slot->state = SLOT_RUNNING;
    pool->n_running++;
    return 0;
}

int loop_work(struct loop *loop, loop_call_fn *body, loop_call_fn *done, void *arg,
              struct err *err) {
    if (!loop->pool) loop->pool = pool_new(loop);
    struct work_pool *pool = loop->pool;
    pthread_mutex_lock(&pool->lock);
    int r = 0;
    if (pool->n_waiting >= pool->n_idle && pool->n_running < WORKERS_MAX) r = start_worker(pool);
    if (r < 0 && pool->n_running == 0) { // otherwise one of the others will do it
        pthread_mutex_unlock(&pool->lock);
        return err_os(err, -r, "worker thread", "cannot start one");
    }
    struct work *work = mem_new(struct work);
    work->body = body;
    work->done = done;
    work->arg = arg;
    list_add_tail(&pool->waiting, &work->node);
    pool->n_waiting++;
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

static struct work *take_done(struct work_pool *pool) {
    struct work *work = NULL;
    pthread_mutex_lock(&pool->lock);
    if (!list_empty(&pool->done)) {
        work = container_of(pool->done.next, struct work, node);
        list_remove(&work->node);
    }
    pthread_mutex_unlock(&pool->lock);
    return work;
}

int loop_work_dispatch(struct loop *loop) {
    int n = 0;
    if (!loop->pool) return 0;
    for (struct work *work; (work = take_done(loop->pool)); n++) {
        struct work copy = *work;
        free(work);
        if (copy.done) copy.done(copy.arg);
    }
    return n;
}

static void free_works(struct list *list) {
    struct work *work;
    list_each (list, work, struct work, node) free(work);
}

void loop_work_free(struct loop *loop) {
    struct work_pool *pool = loop->pool;
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < WORKERS_MAX; i++)
        if (pool->slots[i].state != SLOT_EMPTY) pthread_join(pool->slots[i].thread, NULL);
    free_works(&pool->waiting);
    free_works(&pool->done);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    loop->pool = NULL;
}
