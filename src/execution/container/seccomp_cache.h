// SPDX-License-Identifier: Apache-2.0
// Compiled filters, kept between starts. The directory is trusted (only the runtime writes to it);
// a file that is damaged is as good as none.
#ifndef TRINE_EXECUTION_CONTAINER_SECCOMP_CACHE_H
#define TRINE_EXECUTION_CONTAINER_SECCOMP_CACHE_H

#include "execution/container/seccomp.h"

#define SECCOMP_KEY_SIZE 40
// Hash of all that decides the program: profile, architecture, generator and its version.
void seccomp_cache_key(const struct oci_seccomp *profile, char key[SECCOMP_KEY_SIZE]);
bool seccomp_cache_get(const char *dir, const char *key, struct seccomp_filter *ret);
// Failure is silent: the next start compiles again.
void seccomp_cache_put(const char *dir, const char *key, const struct seccomp_filter *filter);

#endif
