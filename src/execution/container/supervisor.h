// SPDX-License-Identifier: Apache-2.0
// The supervisor of one container: holds its gate, its streams, its log and its exit code, and lives
// exactly as long as it. It needs neither daemon nor agent: they come and go on its control socket.
//
//   container_spawn ──▶ created ──shim_start──▶ running ◀──shim_pause──▶ paused
//                          │                       │                        │
//                          └──────── the first process ends ────────────────┴──▶ exited ──▶ exit
//
// Exit, in this order: what is left of the container is killed and its group removed; output that
// is still in the pipes is taken; exit.json is written; connections hear shim_state, attachments
// EXIT; slow readers get 2 s; the supervisor ends.
//
// Invariants: (1) only the end of its container ends the supervisor; (2) exit.json is there before
// anybody is told, and as a whole or not at all; (3) when the supervisor is killed, the container's
// processes die with it; (4) an idle supervisor makes no system calls; (5) JSON is parsed in
// short-lived children only.
//
// Threads: one.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervisor_options {
    const char *id;
    const char *dir;      // run directory of the instance (wire/layout.h)
    const char *log_path; // log file of its output
    uint64_t log_max_bytes;
    unsigned log_files;
    gid_t log_gid;      // (gid_t)-1: as it comes
    const char *cgroup; // path of the control group
    bool terminal;      // as config.json has it
    bool input;         // keep standard input open for attachments
    int control;        // first control connection, SOCK_SEQPACKET; taken over
};

// The bundle is the current directory. Returns when the container has ended and was recorded, or
// with the error that was sent to the first connection when it could not be created: then nothing
// is left of it.
int supervisor_run(const struct supervisor_options *options, struct err *err);

#endif
