// SPDX-License-Identifier: Apache-2.0
#include "execution/container/supervisor_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MAX_BYTES (UINT64_C(16) << 20)
#define PREFIX_SIZE 40 // "<stamp> stdout F "

static int log_file_open(struct supervisor_log *log) {
    int fd = open(log->options.path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    log->created = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(log->options.path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    struct stat st;
    int rc = fstat(fd, &st) == 0 ? 0 : -errno;
    if (rc == 0 && !S_ISREG(st.st_mode)) rc = -EINVAL;
    // The umask may have narrowed the mode, and a foreign group needs the chown before the chmod.
    if (rc == 0 && log->options.gid != (gid_t)-1 && fchown(fd, (uid_t)-1, log->options.gid) < 0)
        rc = -errno;
    if (rc == 0 && fchmod(fd, 0640) < 0) rc = -errno;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    log->fd = fd;
    log->size = (uint64_t)st.st_size;
    return 0;
}

int supervisor_log_open(struct supervisor_log *log, const struct supervisor_log_options *options,
                        struct err *err) {
    *log = (struct supervisor_log){.options = *options, .fd = -1, .stamp_second = -1};
    if (log->options.max_bytes == 0) log->options.max_bytes = DEFAULT_MAX_BYTES;
    int rc = log_file_open(log);
    if (rc == -EINVAL)
        return err_set(err, ERR_INVALID, 0, "log", "%s is no regular file", options->path);
    return rc < 0 ? err_os(err, -rc, "log", "cannot open %s", options->path) : 0;
}

// path.1 becomes path.2 and so on; the oldest one goes. With no rotated files the log starts again.
static void log_rotate(struct supervisor_log *log) {
    const char *path = log->options.path;
    if (log->fd >= 0) close(take_fd(log->fd));
    for (unsigned i = log->options.files; i > 0; i--) {
        char *to auto_free = mem_printf("%s.%u", path, i);
        char *from auto_free = i == 1 ? mem_strdup(path) : mem_printf("%s.%u", path, i - 1);
        rename(from, to);
    }
    if (log->options.files == 0) unlink(path);
}

static void log_drop(struct supervisor_log *log, int error) {
    log->dropped_bytes += log->used;
    if (log->warned) return;
    log->warned = true;
    LOG_WARN("output is lost: the log cannot be written", "path=%s cause=\"%s\"", log->options.path,
             strerror(error));
}

static void log_flush(struct supervisor_log *log) {
    if (log->used == 0) return;
    if (log->size > 0 && log->size + log->used > log->options.max_bytes) log_rotate(log);
    int rc = log->fd >= 0 ? 0 : log_file_open(log);
    if (rc == 0) rc = file_write_all(log->fd, log->block, log->used);
    if (rc == 0) {
        log->size += log->used;
    } else {
        if (log->fd >= 0 && ftruncate(log->fd, (off_t)log->size) < 0) close(take_fd(log->fd));
        log_drop(log, -rc);
    }
    log->used = 0;
}

static void stamp_update(struct supervisor_log *log, int64_t realtime_ns) {
    int64_t second = realtime_ns / SEC_NS;
    if (second != log->stamp_second) {
        char text[TIME_TEXT_SIZE];
        memcpy(log->stamp, time_format(realtime_ns, text), 19); // to the second
        log->stamp_second = second;
    }
    snprintf(log->stamp + 19, sizeof(log->stamp) - 19, ".%09uZ", (unsigned)(realtime_ns % SEC_NS));
}

// One entry: what waited of the line, then `text`.
static void log_entry_add(struct supervisor_log *log, enum stream_channel channel, char tag,
                          const char *text, size_t size) {
    struct supervisor_log_line *line = &log->line[channel == STREAM_ERR];
    size_t want = PREFIX_SIZE + line->len + size + 1;
    size_t limit = log->options.max_bytes < SUPERVISOR_LOG_BLOCK ? (size_t)log->options.max_bytes
                                                                 : SUPERVISOR_LOG_BLOCK;
    if (log->used > 0 && log->used + want > limit) log_flush(log);
    uint8_t *at = log->block + log->used;
    memcpy(at, log->stamp, 30);
    memcpy(at + 30, channel == STREAM_ERR ? " stderr F " : " stdout F ", 10);
    at[38] = (uint8_t)tag;
    at += PREFIX_SIZE;
    if (line->len > 0) memcpy(at, line->text, line->len);
    if (size > 0) memcpy(at + line->len, text, size);
    at[line->len + size] = '\n';
    log->used += want;
    line->len = 0;
}

// False: no memory to keep it.
static bool line_keep(struct supervisor_log_line *line, const char *text, size_t size) {
    if (!line->text) line->text = mem_try_resize(NULL, SUPERVISOR_LOG_PART, 1);
    if (!line->text) return false;
    memcpy(line->text + line->len, text, size);
    line->len += size;
    return true;
}

void supervisor_log_write(struct supervisor_log *log, enum stream_channel channel, const void *data,
                          size_t size, int64_t realtime_ns) {
    if (!log->block) log->block = mem_try_resize(NULL, SUPERVISOR_LOG_BLOCK, 1);
    if (!log->block) {
        log->dropped_bytes += size;
        return;
    }
    stamp_update(log, realtime_ns);
    struct supervisor_log_line *line = &log->line[channel == STREAM_ERR];
    const char *text = data;
    while (size > 0) {
        size_t room = SUPERVISOR_LOG_PART - line->len;
        const char *newline = memchr(text, '\n', size <= room ? size : room + 1);
        size_t step = newline ? (size_t)(newline - text) + 1 : size <= room ? size : room;
        if (newline)
            log_entry_add(log, channel, 'F', text, step - 1);
        else if (size > room || !line_keep(line, text, step))
            log_entry_add(log, channel, 'P', text, step);
        text += step;
        size -= step;
    }
    log_flush(log);
}

void supervisor_log_close(struct supervisor_log *log, int64_t realtime_ns) {
    static const enum stream_channel channels[2] = {STREAM_OUT, STREAM_ERR};
    for (size_t i = 0; i < 2; i++) {
        if (log->line[i].len > 0) {
            stamp_update(log, realtime_ns);
            log_entry_add(log, channels[i], 'F', "", 0);
        }
        free(take(log->line[i].text));
    }
    log_flush(log);
    if (log->dropped_bytes > 0)
        LOG_WARN("some output is not in the log", "path=%s bytes=%llu", log->options.path,
                 (unsigned long long)log->dropped_bytes);
    free(take(log->block));
    if (log->fd >= 0) close(take_fd(log->fd));
}

void supervisor_log_discard(struct supervisor_log *log) {
    bool remove = log->created && log->fd >= 0 && log->size == 0 && log->used == 0;
    supervisor_log_close(log, 0);
    if (remove) unlink(log->options.path);
}
