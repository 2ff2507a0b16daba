// SPDX-License-Identifier: Apache-2.0
// Which daemon the command line talks to, and starting one where none answers.
//
// --host or TRINE_HOST name a socket as unix:///path. Without them: root talks to the machine's
// daemon; anybody else to their own one when it answers, else to the machine's one when its socket
// lets them.
#ifndef TRINE_CLI_ENDPOINT_H
#define TRINE_CLI_ENDPOINT_H

#include "base/err.h"

#include <stdbool.h>

#define ENDPOINT_PATH_SIZE 512

struct endpoint {
    char own[ENDPOINT_PATH_SIZE];    // the daemon that would be started; "" when there can be none
    char others[ENDPOINT_PATH_SIZE]; // asked second; "" for none
    bool named;                      // --host: never started by us
};

// host: the value of --host or NULL. Reads TRINE_HOST, XDG_RUNTIME_DIR,
// XDG_DATA_HOME and HOME. ERR_INVALID for a host
// that is not unix:///path.
int endpoint_choose(const char *host, struct endpoint *ret, struct err *err);

// A connected socket (the caller's, blocking). ERR_UNAVAILABLE when nobody answers: the next step
// says how to start a daemon.
int endpoint_connect(const struct endpoint *endpoint, int *ret_fd, struct err *err);

// As endpoint_connect, but starts a daemon for whoever asks when none answers, and says so on
// standard error.
int endpoint_connect_or_start(const struct endpoint *endpoint, int *ret_fd, struct err *err);

#endif
