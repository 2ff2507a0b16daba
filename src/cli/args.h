// SPDX-License-Identifier: Apache-2.0
// The command line's words, read by the tables of api/commands.h.
//
// Flags: --name VALUE, --name=VALUE, -n VALUE, -nVALUE, bundles (-it), --flag=false for switches.
// Global flags are taken anywhere among them. "--" ends the flags; so does the first positional
// word of a command whose last argument is the rest of the line (run, exec, create).
#ifndef TRINE_CLI_ARGS_H
#define TRINE_CLI_ARGS_H

#include "api/commands.h"
#include "base/err.h"
#include "base/vec.h"

#include <jansson.h>
#include <stdbool.h>

struct args_flag {
    const struct cli_flag *flag;
    const char *value; // borrowed from argv; "true" or "false" for a switch
};

struct args {
    const struct cli_command *command; // NULL: global flags alone
    VEC(struct args_flag) flags;       // in the order in which they were given
    VEC(const char *) words;           // positional
};

void args_free(struct args *args);
#define auto_args __attribute__((cleanup(args_free)))

// Appends to *ret, which starts zeroed or holds what an earlier call read. command NULL: takes
// global flags and stops at the first other word. *ret_used: words of argv that were read. Values
// are checked against their type here, so that a wrong one is refused before anything is asked.
int args_parse(struct args *ret, const struct cli_command *command, int argc, char *const *argv,
               int *ret_used, struct err *err);
// Are there as many positional words as the command wants? --help comes first.
int args_check_count(const struct args *args, struct err *err);

// The last value of a flag; NULL when it was not given.
const char *args_value(const struct args *args, const char *name);
bool args_has(const struct args *args, const char *name); // a switch that is on
bool args_given(const struct args *args, const char *name);

// The positional words of the argument number i (from 0): *ret_n of them, none when it is absent.
const char *const *args_words(const struct args *args, size_t i, size_t *ret_n);

#endif
