// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include "base/text.h"
#include "cli/output.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_NS (100 * MSEC_NS) // on a terminal
#define BAR_MAX 30
#define RATE_AFTER_NS (500 * MSEC_NS) // a rate of less time is noise

void progress_init(struct progress *progress, struct clock *clock, bool silent) {
    *progress = (struct progress){.file = stderr,
                                  .clock = clock,
                                  .silent = silent,
                                  .terminal = isatty(STDERR_FILENO) == 1};
    struct winsize size;
    progress->width =
        progress->terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col
            ? size.ws_col
            : 80;
}

static void add_amount(struct str *ret, uint64_t amount, bool bytes) {
    char text[SIZE_TEXT_SIZE];
    if (bytes)
        str_add(ret, text_format_size(amount, text));
    else
        str_printf(ret, "%llu", (unsigned long long)amount);
}

static void add_rate(struct str *ret, uint64_t done, uint64_t total, bool bytes,
                     int64_t elapsed_ns) {
    if (elapsed_ns < RATE_AFTER_NS || done == 0) return;
    double seconds = (double)elapsed_ns / 1e9, rate = (double)done / seconds;
    if (bytes) {
        str_add(ret, ", ");
        add_amount(ret, (uint64_t)rate, true);
        str_add(ret, "/s");
    }
    char text[AGE_TEXT_SIZE];
    if (total > done)
        str_printf(ret, ", %s left",
                   text_format_age((int64_t)((double)(total - done) / rate * 1e9), text));
}

static void add_bar(struct str *ret, uint64_t done, uint64_t total, size_t cells) {
    size_t full = (size_t)((double)done / (double)total * (double)cells);
    if (full > cells) full = cells;
    str_add(ret, " [");
    for (size_t i = 0; i < cells; i++) str_add_char(ret, i < full ? '#' : '.');
    str_add_char(ret, ']');
}

void progress_line(struct str *ret, const char *step, uint64_t done, uint64_t total, bool bytes,
                   int64_t elapsed_ns, int width) {
    auto_str struct str head = {0}, tail = {0};
    output_escape(&head, step);
    if (done || total) {
        str_add_char(&tail, ' ');
        add_amount(&tail, done, bytes);
        if (total) {
            str_add(&tail, " of ");
            add_amount(&tail, total, bytes);
        }
        add_rate(&tail, done, total, bytes, elapsed_ns);
    }
    size_t used = output_text_width(str_text(&head)) + tail.len;
    str_add(ret, str_text(&head));
    if (total && width > 0 && used + 8 < (size_t)width) {
        size_t room = (size_t)width - used - 4;
        add_bar(ret, done, total, room < BAR_MAX ? room : BAR_MAX);
    }
    if (width <= 0 || used < (size_t)width) str_add(ret, str_text(&tail));
}

void progress_update(struct progress *progress, const char *step, uint64_t done, uint64_t total,
                     bool bytes) {
    if (progress->silent || !*step) return;
    int64_t now = clock_monotonic(progress->clock);
    bool new_step = strncmp(progress->step, step, sizeof(progress->step) - 1) != 0;
    int64_t pause = progress->terminal ? REDRAW_NS : SEC_NS;
    if (new_step) {
        snprintf(progress->step, sizeof(progress->step), "%s", step);
        progress->step_at_ns = now;
    } else if (now - progress->shown_at_ns < pause || done == progress->done) {
        return;
    }
    progress->shown_at_ns = now;
    progress->done = done;
    auto_str struct str line = {0};
    progress_line(&line, progress->step, done, total, bytes, now - progress->step_at_ns,
                  progress->terminal ? progress->width - 1 : 0);
    if (progress->terminal)
        fprintf(progress->file, "\r\x1b[K%s", str_text(&line));
    else
        fprintf(progress->file, "%s\n", str_text(&line));
    fflush(progress->file);
    progress->drawn = progress->terminal;
}

void progress_end(struct progress *progress) {
    if (progress->drawn) {
        fputs("\r\x1b[K", progress->file);
        fflush(progress->file);
    }
    progress->drawn = false;
}
