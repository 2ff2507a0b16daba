// SPDX-License-Identifier: Apache-2.0
// The process object of an exec: the container's own process with what the request changes.
#ifndef TRINE_EXECUTION_CONTAINER_SUPERVISOR_EXEC_JSON_H
#define TRINE_EXECUTION_CONTAINER_SUPERVISOR_EXEC_JSON_H

#include "base/err.h"
#include "wire/messages.h"

#include <stddef.h>

// config: text of config.json. *ret: the caller's to free.
int supervisor_exec_json(const char *config, size_t size, const struct wire_shim_exec *request,
                         char **ret, struct err *err);
// The same for the file `name` of the directory `dirfd`, in a short-lived child: the caller's heap
// sees the result only.
int supervisor_exec_json_spawn(int dirfd, const char *name, const struct wire_shim_exec *request,
                               char **ret, size_t *ret_size, struct err *err);

#endif
