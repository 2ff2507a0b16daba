// SPDX-License-Identifier: Apache-2.0
// The log of a container's output: the CRI log format (wire/layout.h), rotation by size, and a full
// disk that stops nobody.
//
// Entries of one chunk of output are formatted into a block and written at once. A line longer than
// SUPERVISOR_LOG_PART bytes becomes several entries, all but the last marked P. A line without its
// newline waits here until the newline, the part limit or the close.
//
// Invariants: (1) the file holds whole entries only: what a full disk cut short is cut off again;
// (2) nothing here fails its caller after the open: what cannot be written is counted and dropped;
// (3) no clock is read: the caller says when the chunk came.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_LOG_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_LOG_H

#include "base/err.h"
#include "wire/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SUPERVISOR_LOG_PART 16384  // bytes of text in one entry, at most
#define SUPERVISOR_LOG_BLOCK 32768 // bytes formatted before they are written
#define SUPERVISOR_LOG_STAMP 31    // "2026-11-21T09:44:00.123456789Z" and a 0

struct supervisor_log_options {
    const char *path;   // borrowed for the log's life; rotated files are path.1, path.2 …
    uint64_t max_bytes; // of one file, more only where a single entry is larger; 0: 16 MiB
    unsigned files;     // rotated ones that are kept
    gid_t gid;          // group of the files (mode 0640); (gid_t)-1: the process's
};

struct supervisor_log_line {
    char *text; // unfinished line, SUPERVISOR_LOG_PART bytes, made when first needed
    size_t len;
};

struct supervisor_log {
    struct supervisor_log_options options;
    int fd; // -1: could not be opened again after a rotation; tried with each block
    bool created, warned;
    uint64_t size;                      // of the current file
    uint64_t dropped_bytes;             // formatted bytes that found no room
    struct supervisor_log_line line[2]; // stdout, stderr
    uint8_t *block;
    size_t used;
    int64_t stamp_second; // of `stamp`
    char stamp[SUPERVISOR_LOG_STAMP];
};

int supervisor_log_open(struct supervisor_log *log, const struct supervisor_log_options *options,
                        struct err *err);
// channel: STREAM_OUT or STREAM_ERR.
void supervisor_log_write(struct supervisor_log *log, enum stream_channel channel, const void *data,
                          size_t size, int64_t realtime_ns);
// Writes unfinished lines and lets go. Fine for one that was never opened but is zeroed with fd -1.
void supervisor_log_close(struct supervisor_log *log, int64_t realtime_ns);
// As close; removes the file again when this log made it and nothing was written.
void supervisor_log_discard(struct supervisor_log *log);

#endif
