// SPDX-License-Identifier: Apache-2.0
// --help, from the tables of api/commands.h.
#ifndef TRINE_CLI_HELP_H
#define TRINE_CLI_HELP_H

#include "api/commands.h"
#include "base/str.h"

// width: columns of the terminal.
void help_all(struct str *ret, int width);
void help_group(struct str *ret, const struct cli_group *group, int width);
void help_command(struct str *ret, const struct cli_command *command, int width);

const struct cli_group *help_find_group(const char *name);

#endif
