// SPDX-License-Identifier: Apache-2.0
// The command line: one handler for each command of api/commands.h, in one table (handlers.c).
#ifndef TRINE_CLI_CLI_H
#define TRINE_CLI_CLI_H

#include "base/err.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/output.h"

struct cli_call {
    const struct cli_command *command;
    const struct args *args; // flags (global ones included) and positional words, checked
    const char *project;     // --project, TRINE_PROJECT or "default"
    struct output output;    // how to print
    struct client *client;   // connects when it is first asked
    const struct endpoint *endpoint;
    char *const *argv; // the words behind the command's name, as they were typed
    int argc;
};

// Returns the exit code of the process, or a negative errno with err set: it is printed once, and
// the exit code is that of its kind (base/err.h).
typedef int cli_handler_fn(const struct cli_call *call, struct err *err);

struct cli_handler {
    const char *command; // "image ls"
    cli_handler_fn *fn;
    int own_failure; // exit code when Trine itself fails; 0: that of the error's kind
};

// Ended by a NULL command.
extern const struct cli_handler cli_handlers[];
const struct cli_handler *cli_handler_find(const char *command);
const struct cli_command *cli_command_find(const char *name);

// trine __complete KIND PREFIX, for the completion scripts: names on lines, never an error.
int cli_complete_names(int argc, char *const *argv);

// The whole of the `trine` executable.
int cli_main(int argc, char **argv);

#endif
