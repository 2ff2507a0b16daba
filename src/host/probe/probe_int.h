// SPDX-License-Identifier: Apache-2.0
// The families of probes, each in a file of its own, and what they share.
#ifndef TRINE_HOST_PROBE_PROBE_INT_H
#define TRINE_HOST_PROBE_PROBE_INT_H

#include "host/probe/probe.h"

typedef void probe_fn(const struct probe *probe, struct probe_result *ret);
probe_fn probe_kvm, probe_soft, probe_containers, probe_language; // levels
probe_fn probe_cgroups, probe_namespaces, probe_rootless, probe_overlay, probe_seccomp,
    probe_landlock; // containers
probe_fn probe_resources;
probe_fn probe_filesystem, probe_device, probe_io_uring; // storage
probe_fn probe_link, probe_nftables, probe_tcx;          // network

void probe_say(struct probe_result *ret, enum probe_verdict verdict, const char *fix,
               const char *fmt, ...) __attribute__((format(printf, 4, 5)));
// Run fn in a child; its return value (0..255), -ETIMEDOUT when it took longer than PROBE_TIME_MS, or -errno.
int probe_child(int (*fn)(const void *arg), const void *arg);

#endif
