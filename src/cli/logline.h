// SPDX-License-Identifier: Apache-2.0
// Renders an instance's log: lines "TIME stdout|stderr F|P TEXT" (the CRI log format), where P says
// that the line goes on with the next one of the same stream.
//
// Works on any cut of the byte stream, keeps no text: lines may be of any length.
#ifndef TRINE_CLI_LOGLINE_H
#define TRINE_CLI_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>

// stream: 1 standard output, 2 standard error.
typedef void logline_sink_fn(int stream, const char *text, size_t size, void *arg);

struct logline {
    bool timestamps; // show each line's time in front of it
    logline_sink_fn *sink;
    void *arg;
    // Private.
    char head[96];
    size_t head_len;
    bool in_text, partial;
    int stream;
    bool open[3]; // by stream: the last part was a P
};

void logline_push(struct logline *log, const char *data, size_t size);
// The end of the log: a line that was not completed is shown.
void logline_finish(struct logline *log);

#endif
