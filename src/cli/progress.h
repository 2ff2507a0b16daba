// SPDX-License-Identifier: Apache-2.0
// Progress of long work on standard error: a bar on a terminal, plain lines in a pipe (one for each
// step, and at most one a second).
#ifndef TRINE_CLI_PROGRESS_H
#define TRINE_CLI_PROGRESS_H

#include "base/clock.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *file;
    struct clock *clock;
    bool terminal, silent;
    int width; // of the terminal
    // Private.
    char step[64];
    uint64_t done;      // last shown
    int64_t step_at_ns; // when the step began
    int64_t shown_at_ns;
    bool drawn; // the terminal's line holds a bar
};

// On standard error.
void progress_init(struct progress *progress, struct clock *clock, bool silent);
// total 0: unknown. bytes: done and total are bytes, else a plain count.
void progress_update(struct progress *progress, const char *step, uint64_t done, uint64_t total,
                     bool bytes);
void progress_end(struct progress *progress); // clears the bar

// The line for these figures, for the tests: no control characters, at most `width` columns.
void progress_line(struct str *ret, const char *step, uint64_t done, uint64_t total, bool bytes,
                   int64_t elapsed_ns, int width);

#endif
