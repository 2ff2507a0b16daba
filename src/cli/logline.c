// SPDX-License-Identifier: Apache-2.0
#include "cli/logline.h"

#include <string.h>

static void put(struct logline *log, const char *text, size_t size) {
    if (size) log->sink(log->stream, text, size, log->arg);
}

// The head "TIME STREAM FLAG " is complete when its third blank is there.
static bool head_parse(struct logline *log) {
    const char *head = log->head, *end = head + log->head_len;
    const char *stream = memchr(head, ' ', log->head_len);
    if (!stream++) return false;
    const char *flag = memchr(stream, ' ', (size_t)(end - stream));
    if (!flag++ || end - flag != 2 || flag[1] != ' ' || (*flag != 'F' && *flag != 'P'))
        return false;
    size_t n = (size_t)(flag - 1 - stream);
    if (n != 6 || (memcmp(stream, "stdout", 6) != 0 && memcmp(stream, "stderr", 6) != 0))
        return false;
    log->stream = stream[3] == 'o' ? 1 : 2;
    log->partial = *flag == 'P';
    if (log->timestamps && !log->open[log->stream]) put(log, head, (size_t)(stream - head));
    return true;
}

// What cannot be a head is shown as it is.
static void head_give_up(struct logline *log) {
    log->stream = 1;
    log->partial = false;
    put(log, log->head, log->head_len);
}

static int blanks(const struct logline *log) {
    int n = 0;
    for (size_t i = 0; i < log->head_len; i++) n += log->head[i] == ' ';
    return n;
}

static void head_add(struct logline *log, char c) {
    log->head[log->head_len++] = c;
    bool full = log->head_len == sizeof(log->head);
    if (!full && !(c == ' ' && blanks(log) == 3)) return;
    if (!head_parse(log)) head_give_up(log);
    log->in_text = true;
}

static void line_end(struct logline *log) {
    if (!log->in_text) { // a flag without text ends here too: "TIME stdout F"
        log->head[log->head_len++] = ' ';
        if (!head_parse(log)) {
            log->head_len--;
            head_give_up(log);
        }
    }
    if (!log->partial) put(log, "\n", 1);
    log->open[log->stream] = log->partial;
    log->in_text = false;
    log->head_len = 0;
}

void logline_push(struct logline *log, const char *data, size_t size) {
    while (size > 0) {
        if (!log->in_text && *data != '\n') {
            head_add(log, *data++);
            size--;
            continue;
        }
        const char *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) : size;
        if (log->in_text) put(log, data, n);
        data += n;
        size -= n;
        if (!end) return;
        line_end(log);
        data++;
        size--;
    }
}

void logline_finish(struct logline *log) {
    if (log->in_text || log->head_len) {
        log->partial = false;
        line_end(log);
    }
    for (int stream = 1; stream <= 2; stream++) {
        log->stream = stream;
        if (log->open[stream]) put(log, "\n", 1);
        log->open[stream] = false;
    }
}
