// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/report.h"

#include "base/mem.h"
#include "base/text.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// A stream that is read ahead tells its progress from its own thread.
static pthread_mutex_t told = PTHREAD_MUTEX_INITIALIZER;

void report_progress(struct image_report *report, const char *step, uint64_t done, uint64_t total) {
    if (!report || !report->progress) return;
    pthread_mutex_lock(&told);
    report->progress(report, step, done, total);
    pthread_mutex_unlock(&told);
}

void report_warning(struct image_report *report, const char *fmt, ...) {
    if (!report || !report->warning) return;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    pthread_mutex_lock(&told);
    report->warning(report, text);
    pthread_mutex_unlock(&told);
}

void report_result(struct image_report *report, const char *json) {
    if (report && report->result) report->result(report, json);
}

void report_failure(struct image_report *report, const struct err *err) {
    if (report && report->failure) report->failure(report, err);
}

bool report_cancelled(struct image_report *report) {
    return report && report->cancelled && report->cancelled(report);
}

static void end_bar(struct report_text *t) {
    if (t->bar_open) fputs("\r\033[K", stderr);
    t->bar_open = false;
}

static void text_bar(struct report_text *t, const char *step, uint64_t done, uint64_t total) {
    char have[SIZE_TEXT_SIZE], want[SIZE_TEXT_SIZE];
    enum { WIDTH = 30 };
    text_format_size(done, have);
    if (total == 0 || done > total) {
        fprintf(stderr, "\r\033[K%s  %s", step, have);
    } else {
        int full = (int)((double)done / (double)total * WIDTH);
        fprintf(stderr, "\r\033[K%s  [%.*s%*s] %s of %s", step, full,
                "##############################", WIDTH - full, "", have,
                text_format_size(total, want));
    }
    t->bar_open = true;
    fflush(stderr);
}

static void text_lines(struct report_text *t, const char *step, uint64_t done, uint64_t total) {
    uint64_t tenth = total > 0 ? done / (total / 10 + 1) : 0;
    if (strncmp(t->last_step, step, sizeof(t->last_step) - 1) == 0 && tenth <= t->last_tenth)
        return;
    snprintf(t->last_step, sizeof(t->last_step), "%s", step);
    t->last_tenth = tenth;
    char have[SIZE_TEXT_SIZE], want[SIZE_TEXT_SIZE];
    if (total > 0)
        fprintf(stderr, "%s: %s of %s\n", step, text_format_size(done, have),
                text_format_size(total, want));
    else
        fprintf(stderr, "%s\n", step);
}

static void text_progress(struct image_report *report, const char *step, uint64_t done,
                          uint64_t total) {
    struct report_text *t = container_of(report, struct report_text, report);
    if (t->quiet) return;
    if (t->terminal)
        text_bar(t, step, done, total);
    else
        text_lines(t, step, done, total);
}

static void text_warning(struct image_report *report, const char *text) {
    struct report_text *t = container_of(report, struct report_text, report);
    end_bar(t);
    fprintf(stderr, "warning: %s\n", text);
}

static void text_result(struct image_report *report, const char *json) {
    end_bar(container_of(report, struct report_text, report));
    puts(json);
}

static void text_failure(struct image_report *report, const struct err *err) {
    end_bar(container_of(report, struct report_text, report));
    err_print(err);
}

static bool text_cancelled(struct image_report *report) {
    struct report_text *t = container_of(report, struct report_text, report);
    return t->stop && *t->stop != 0;
}

void report_text_init(struct report_text *text, bool quiet, const volatile int *stop) {
    *text = (struct report_text){
        .report = {.progress = text_progress,
                   .warning = text_warning,
                   .result = text_result,
                   .failure = text_failure,
                   .cancelled = text_cancelled},
        .terminal = isatty(STDERR_FILENO) == 1,
        .quiet = quiet,
        .stop = stop,
    };
}
