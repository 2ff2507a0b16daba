// SPDX-License-Identifier: Apache-2.0
// Operations: long requests that go on in the daemon. Waiting for one shows its progress; Ctrl-C
// cancels it, and says so.
#ifndef TRINE_CLI_WAIT_H
#define TRINE_CLI_WAIT_H

#include "cli/cli.h"

bool wait_is_operation(const json_t *answer);

// Until the operation has ended. Its error becomes err; ERR_CANCELLED when it was cancelled. On
// success *ret (may be NULL) is its result (the caller's; NULL for none).
int wait_operation(const struct cli_call *call, const json_t *operation, json_t **ret,
                   struct err *err);

// SIGINT as something to wait for, so that a Ctrl-C is seen by the client's waits. Restores what
// was on interrupt_end.
struct interrupt {
    int fd; // a signalfd; -1: not possible
    void *old;
};
void interrupt_begin(struct interrupt *interrupt);
void interrupt_end(struct interrupt *interrupt);
#define auto_interrupt __attribute__((cleanup(interrupt_end)))

#endif
