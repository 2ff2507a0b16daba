// SPDX-License-Identifier: Apache-2.0
// GET …/logs: the instance's log files, oldest first, as the lines that the shim wrote (CRI log format, wire/layout.h).
//
// The daemon copies whole lines and looks at the time stamp alone; the agent opened the files. With `follow` it waits
// for the file to grow (inotify) and for the instance to end (a watch on its document).
#include "cloud/logs.h"

#include "base/log.h"
#include "base/str.h"
#include "cloud/instance.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536
#define QUEUE_HIGH ((size_t)512 << 10)
#define STAMP_SIZE 29 // "2026-11-21T09:44:00.123456789", without the Z

struct tail {
    struct cloud *cloud;
    struct http_request *req; // until the stream is open
    struct http_stream *stream;
    char id[ID_TEXT_SIZE], key[STORE_KEY_MAX + 1];
    char since[STAMP_SIZE + 1], until[STAMP_SIZE + 1]; // "" for none
    int64_t lines;                                     // last lines wanted; -1: all
    bool follow, ended, runs, asking;
    int fds[FD_PASS_MAX];
    size_t n_fds, at; // at: index of the file that is read
    struct str part;  // an unfinished line
    int inotify;
    struct loop_source *source;
    struct store_watch *watch;
};

static void close_files(struct tail *t) {
    for (size_t i = 0; i < t->n_fds; i++) close(t->fds[i]);
    t->n_fds = t->at = 0;
}

static void tail_free(struct tail *t) {
    close_files(t);
    loop_remove(t->source);
    if (t->inotify >= 0) close(t->inotify);
    store_unwatch(t->watch);
    str_free(&t->part);
    free(t);
}

static void on_client_gone(struct http_stream *stream, void *arg) {
    struct tail *t = arg;
    t->stream = NULL;
    if (!t->asking) tail_free(t);
}

static void finish(struct tail *t) {
    http_stream_close(t->stream);
    tail_free(t);
}

static bool line_wanted(const struct tail *t, const char *line, size_t size) {
    if (size < STAMP_SIZE) return false;
    return (!*t->since || memcmp(line, t->since, STAMP_SIZE) >= 0) &&
           (!*t->until || memcmp(line, t->until, STAMP_SIZE) < 0);
}

static void take_lines(struct tail *t, const char *data, size_t size) {
    while (size) {
        const char *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) + 1 : size;
        if (!end || t->part.len) {
            str_add_n(&t->part, data, n);
            if (end && line_wanted(t, t->part.data, t->part.len))
                http_stream_write(t->stream, t->part.data, t->part.len);
            if (end || t->part.len > CHUNK) str_reset(&t->part);
        } else if (line_wanted(t, data, n)) {
            http_stream_write(t->stream, data, n);
        }
        data += n;
        size -= n;
    }
}

static void ask_files(struct tail *t);

// Read on until the end of what is there, or until the client has enough to do. False: the tail is finished and gone.
static bool pump(struct tail *t) {
    char chunk[CHUNK];
    if (t->asking || !t->stream) return true; // goes on with the answer
    while (http_stream_queued(t->stream) < QUEUE_HIGH) {
        ssize_t n = t->at < t->n_fds ? file_read_some(t->fds[t->at], chunk, sizeof(chunk)) : 0;
        if (n > 0) {
            take_lines(t, chunk, (size_t)n);
        } else if (t->at + 1 < t->n_fds) {
            t->at++;
        } else if (!t->follow || t->ended) {
            finish(t);
            return false;
        } else {
            return true;
        }
    }
    return true;
}

static void on_drained(struct http_stream *stream, void *arg) {
    pump(arg);
}

static void watch_file(struct tail *t) {
    char path[FD_PATH_SIZE];
    if (t->n_fds)
        inotify_add_watch(t->inotify, fd_path(t->fds[t->n_fds - 1], path),
                          IN_MODIFY | IN_MOVE_SELF);
}

static void on_inotify(struct loop_source *source, int fd, uint32_t events, void *arg) {
    struct tail *t = arg;
    _Alignas(struct inotify_event) char buf[4096];
    bool moved = false;
    ssize_t n = file_read_some(fd, buf, sizeof(buf));
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
        const struct inotify_event *event = (const void *)(buf + at);
        moved |= (event->mask & IN_MOVE_SELF) != 0;
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    if (pump(t) && moved && !t->asking) ask_files(t); // rotated: a new file stands behind this one
}

static void look_at_instance(struct tail *t) {
    struct object *object;
    bool known =
        object_resolve(t->cloud->objects, OBJECT_INSTANCE, NULL, t->id, &object, NULL) == 0;
    const struct instance *inst = known ? instance_of(object) : NULL;
    t->ended = !inst || (!instance_is_live(inst) && inst->state != INSTANCE_CREATED);
    t->runs = inst && instance_is_live(inst) && inst->state != INSTANCE_STARTING;
}

static void on_document(const struct store_event *event, void *arg) {
    struct tail *t = arg;
    if (event->kind == STORE_COMPACTED || strcmp(event->entry->key, t->key) != 0) return;
    look_at_instance(t);
    if (t->asking) return;
    // Before its first start there was no file yet.
    if (t->n_fds == 0 && (t->ended || t->runs))
        ask_files(t);
    else if (t->ended)
        pump(t);
}

// --- the last N lines: where to begin --------------------------------------------------------------

// Looks backwards through one file; true when the n-th line from the end begins in it (the file is then set there).
static bool seek_lines(int fd, int64_t *lines) {
    struct stat st;
    if (fstat(fd, &st) < 0) return false;
    char chunk[CHUNK];
    for (off_t end = st.st_size; end > 0;) {
        size_t n = end > CHUNK ? CHUNK : (size_t)end;
        end -= (off_t)n;
        if (pread(fd, chunk, n, end) != (ssize_t)n) return false;
        for (size_t i = n; i > 0; i--) {
            bool last_byte = end + (off_t)i == st.st_size;
            if (chunk[i - 1] != '\n' || last_byte) continue;
            if (--*lines == 0) {
                lseek(fd, end + (off_t)i, SEEK_SET);
                return true;
            }
        }
    }
    lseek(fd, 0, SEEK_SET);
    return st.st_size > 0 && --*lines == 0;
}

static void seek_tail(struct tail *t) {
    if (t->lines < 0 || t->n_fds == 0) return;
    int64_t lines = t->lines;
    for (size_t i = t->n_fds; i > 0; i--) {
        t->at = i - 1;
        if (lines == 0) {
            lseek(t->fds[t->at], 0, SEEK_END);
            return;
        }
        if (seek_lines(t->fds[t->at], &lines)) return;
    }
}

// --- files from the agent --------------------------------------------------------------------------

// After a rotation: go on where the reading was. A file that is not kept any more leaves the oldest one.
static void continue_at(struct tail *t, ino_t inode, off_t offset) {
    for (size_t i = 0; i < t->n_fds; i++) {
        struct stat st;
        if (fstat(t->fds[i], &st) < 0 || st.st_ino != inode) continue;
        t->at = i;
        lseek(t->fds[i], offset, SEEK_SET);
        return;
    }
}

static int open_stream(struct tail *t, struct err *err) {
    if (t->follow) {
        t->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (t->inotify < 0) return err_os(err, errno, "logs", "cannot watch the log file");
        int rc = loop_add_fd(t->cloud->loop, t->inotify, EPOLLIN, on_inotify, t, &t->source, err);
        if (rc == 0) rc = store_watch(t->cloud->store, t->key, -1, on_document, t, &t->watch, err);
        if (rc < 0) return rc;
        look_at_instance(t); // it may have ended while the files were asked for
    }
    t->stream = http_stream_open(t->req, 200, "text/plain; charset=utf-8", on_client_gone, t);
    t->req = NULL;
    if (t->stream) http_stream_on_drained(t->stream, on_drained);
    return 0;
}

static void on_files(struct wire_packet *packet, const struct err *err, void *arg) {
    struct tail *t = arg;
    t->asking = false;
    bool first = t->req != NULL;
    if (!first && !t->stream) {
        tail_free(t);
        return;
    }
    if (err && !first) {
        finish(t);
        return;
    }
    struct stat last = {0};
    off_t offset = t->n_fds ? lseek(t->fds[t->at], 0, SEEK_CUR) : 0;
    if (t->n_fds) fstat(t->fds[t->at], &last);
    close_files(t);
    for (size_t i = 0; packet && i < packet->n_fds; i++) {
        int fd = wire_packet_take_fd(packet, i);
        if (fd >= 0) t->fds[t->n_fds++] = fd;
    }
    struct err why = {0};
    if (first && (err || open_stream(t, &why) < 0)) {
        http_reply_error(t->req, err ? err : &why);
        tail_free(t);
        return;
    }
    if (!t->stream) {
        tail_free(t);
        return;
    }
    if (first)
        seek_tail(t);
    else
        continue_at(t, last.st_ino, offset);
    if (t->follow) watch_file(t);
    pump(t);
}

static void on_abandon(struct http_request *req, void *arg) {
    ((struct tail *)arg)->req = NULL; // on_files frees it
}

static void ask_files(struct tail *t) {
    struct wire_agent_log_open ask = {.id = t->id};
    struct err err = {0};
    t->asking = true;
    if (cloud_ask_agent(t->cloud, WIRE_AGENT_LOG_OPEN, &ask, NULL, 0, on_files, t, NULL, &err) < 0)
        on_files(NULL, &err, t);
}

static void stamp_of(const char *time, char stamp[STAMP_SIZE + 1]) {
    int64_t ns;
    char text[TIME_TEXT_SIZE];
    *stamp = 0;
    if (!time || time_parse(time, &ns) < 0) return;
    time_format(ns, text);
    char full[64];
    snprintf(full, sizeof(full), "%.20s%09lld", text, (long long)(ns % SEC_NS));
    memcpy(stamp, full, STAMP_SIZE);
    stamp[STAMP_SIZE] = 0;
}

void logs_serve(struct cloud *cloud, struct http_request *req, struct object *object) {
    struct instance *inst = instance_of(object);
    struct tail *t = mem_new(struct tail);
    *t = (struct tail){.cloud = cloud, .req = req, .inotify = -1};
    snprintf(t->id, sizeof(t->id), "%s", inst->id);
    snprintf(t->key, sizeof(t->key), "%s", object->key);
    stamp_of(http_query(req, "since"), t->since);
    stamp_of(http_query(req, "until"), t->until);
    t->lines = http_query_int(req, "tail", -1);
    t->follow = http_query_bool(req, "follow");
    t->ended = !instance_is_live(inst) && inst->state != INSTANCE_CREATED;
    http_on_abandon(req, on_abandon, t);
    ask_files(t);
}
