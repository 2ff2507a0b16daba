// SPDX-License-Identifier: Apache-2.0
// Telling of progress, warnings and the outcome. Every call accepts a NULL report and NULL
// callbacks.
#ifndef TRINE_IMAGE_REPORT_H
#define TRINE_IMAGE_REPORT_H

#include "execution/container/image/image.h"

void report_progress(struct image_report *report, const char *step, uint64_t done, uint64_t total);
void report_warning(struct image_report *report, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void report_result(struct image_report *report, const char *json);
void report_failure(struct image_report *report, const struct err *err);
bool report_cancelled(struct image_report *report);

// For people and pipes: the result as one line on standard output; progress as a bar on standard
// error where that is a terminal, else as lines; failures as "trine: …". Cancelled when `stop` is
// not 0.
struct report_text {
    struct image_report report;
    bool terminal, quiet;
    bool bar_open;       // a bar stands on the current line
    char last_step[128]; // in lines, a step is told at its start and at every tenth
    uint64_t last_tenth;
    const volatile int *stop; // set by a signal handler
};
void report_text_init(struct report_text *text, bool quiet, const volatile int *stop);

// For the agent: typed messages on a SOCK_SEQPACKET connection (wire/channel.h), after the handshake.
// Progress is told at most ten times a second, except for new steps; warnings are steps.
struct report_wire {
    struct image_report report;
    int sock; // borrowed
    const volatile int *stop;
    char last_step[128];
    int64_t last_ns;
};
int report_wire_init(struct report_wire *wire, int sock, const volatile int *stop, struct err *err);

#endif
