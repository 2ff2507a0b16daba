// SPDX-License-Identifier: Apache-2.0
// The body of instance.create from the flags of create and run.
#ifndef TRINE_CLI_SPEC_H
#define TRINE_CLI_SPEC_H

#include "cli/cli.h"

// The caller owns *ret.
int spec_body(const struct args *args, json_t **ret, struct err *err);

// NAME=VALUE as it is; NAME alone with its value here, or nothing when it has none: then 0 and *ret
// is NULL. The caller frees *ret.
int spec_env(const char *text, char **ret, struct err *err);

// "SOURCE:PATH[:OPTIONS]" and "PATH[:OPTIONS]" as mounts of the API; NULL with err set.
json_t *spec_volume(const char *text, struct err *err);
json_t *spec_tmpfs(const char *text, struct err *err);

#endif
