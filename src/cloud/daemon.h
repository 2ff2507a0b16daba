// SPDX-License-Identifier: Apache-2.0
// The daemon's life: privileges, directories, agent, store, listener, and the order in which they come and go.
#ifndef TRINE_CLOUD_DAEMON_H
#define TRINE_CLOUD_DAEMON_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct daemon_options {
    const char *state_dir, *run_dir; // NULL: the usual ones for root or the user
    const char *tls_listen;          // "ADDRESS:PORT"; NULL: no TLS
    const char *tls_cert, *tls_key;  // PEM files
    const char *tls_tokens;          // file: "TOKEN USER" a line, mode 0600
    bool background;                 // log to STATE/daemon.log once requests are served
    int ready_fd;                    // closed (after one byte) when requests are served; -1: none
};

// Serves until SIGTERM or SIGINT. Workloads are not touched by its end. Returns the process exit code.
int daemon_run(const struct daemon_options *options, struct err *err);

#endif
