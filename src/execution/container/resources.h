// SPDX-License-Identifier: Apache-2.0
// linux.resources onto the control groups of the host: what host/cgroup.h has limits for goes
// through it, the rest into the controllers' own files.
#ifndef TRINE_EXECUTION_CONTAINER_RESOURCES_H
#define TRINE_EXECUTION_CONTAINER_RESOURCES_H

#include "execution/container/spec.h"
#include "host/cgroup.h"

void resources_limits(const struct oci_resources *res, struct cgroup_limits *ret);
// What could not be had is said through warn; a value that the kernel refuses is an error.
int resources_apply(const struct cgroup_host *host, const char *path,
                    const struct oci_resources *res, container_warn_fn *warn, void *warn_arg,
                    struct err *err);
// Whether the list of devices holds for the group (also when it forbids nothing). Where it does not,
// a root that may make nodes has the disks of the host: see plan_withhold_devices.
bool resources_guard_devices(const struct cgroup_host *host, const char *path,
                             const struct oci_resources *res);

#endif
