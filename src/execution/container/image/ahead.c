// SPDX-License-Identifier: Apache-2.0
// Reading ahead: a worker thread runs the stream behind and copies its blocks into a ring; the
// other side takes them out. Hashing and inflating so overlap with the making of files.
//
// Invariants: (1) slots [taken, filled) hold data and belong to the reader, the others to the
// worker; (2) after `ended` the worker touches nothing; (3) free wakes the worker and joins it.
#include "base/mem.h"
#include "execution/container/image/stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_SIZE ((size_t)1 << 20)
#define SLOTS 4u

struct ahead_stream {
    struct stream stream;
    struct stream *in;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned taken, filled; // counts that only grow
    bool holding;           // the reader still uses slot `taken`
    bool ended, stop;
    ssize_t result; // how the stream behind ended
    struct err err; // and why
    size_t size[SLOTS];
    uint8_t *slot[SLOTS];
};

static bool wait_for_room(struct ahead_stream *s) {
    pthread_mutex_lock(&s->lock);
    while (s->filled - s->taken == SLOTS && !s->stop) pthread_cond_wait(&s->changed, &s->lock);
    bool go_on = !s->stop;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void publish(struct ahead_stream *s, size_t size) {
    pthread_mutex_lock(&s->lock);
    s->size[s->filled % SLOTS] = size;
    s->filled++;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

// Copies one block of the stream behind, filling slots; false when asked to stop.
static bool spread(struct ahead_stream *s, const uint8_t *data, size_t size) {
    while (size > 0) {
        if (!wait_for_room(s)) return false;
        size_t n = size < SLOT_SIZE ? size : SLOT_SIZE;
        memcpy(s->slot[s->filled % SLOTS], data, n);
        publish(s, n);
        data += n;
        size -= n;
    }
    return true;
}

static void *ahead_run(void *arg) {
    struct ahead_stream *s = arg;
    const uint8_t *data;
    ssize_t n;
    while ((n = stream_next(s->in, &data, &s->err)) > 0)
        if (!spread(s, data, (size_t)n)) break;
    pthread_mutex_lock(&s->lock);
    s->result = n;
    s->ended = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static ssize_t ahead_next(struct stream *stream, const uint8_t **ret, struct err *err) {
    struct ahead_stream *s = container_of(stream, struct ahead_stream, stream);
    pthread_mutex_lock(&s->lock);
    if (s->holding) {
        s->holding = false;
        s->taken++;
        pthread_cond_signal(&s->changed);
    }
    while (s->filled == s->taken && !s->ended) pthread_cond_wait(&s->changed, &s->lock);
    ssize_t n = s->result;
    if (s->filled != s->taken) {
        s->holding = true;
        *ret = s->slot[s->taken % SLOTS];
        n = (ssize_t)s->size[s->taken % SLOTS];
    } else if (n < 0 && err) {
        *err = s->err;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void release(struct ahead_stream *s) {
    for (unsigned i = 0; i < SLOTS; i++) free(s->slot[i]);
    stream_free(s->in);
    free(s);
}

static void ahead_free(struct stream *stream) {
    struct ahead_stream *s = container_of(stream, struct ahead_stream, stream);
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    release(s);
}

struct stream *stream_ahead(struct stream *in) {
    struct ahead_stream *s = in ? mem_try(struct ahead_stream) : NULL;
    if (!s) {
        stream_free(in);
        return NULL;
    }
    s->stream = (struct stream){.next = ahead_next, .free = ahead_free};
    s->in = in;
    for (unsigned i = 0; i < SLOTS; i++) {
        s->slot[i] = mem_try_array(SLOT_SIZE, 1);
        if (!s->slot[i]) return release(s), NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    sigset_t all, before; // signals are the main thread's
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&s->thread, NULL, ahead_run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) return release(s), NULL;
    return &s->stream;
}
