// SPDX-License-Identifier: Apache-2.0
// Roles that have a program of their own: `trine oci …` becomes trine-oci.
#ifndef TRINE_CLI_ROLE_H
#define TRINE_CLI_ROLE_H

#include "base/err.h"

// The program of a command, "trine-oci" for "oci"; NULL when the command is no role.
const char *role_of(const char *command);

// Becomes the program; returns only when that fails. ERR_UNSUPPORTED for a role that this release
// or this installation does not have.
int role_exec(const char *program, int argc, char *const *argv, struct err *err);

#endif
