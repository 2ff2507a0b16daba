// SPDX-License-Identifier: Apache-2.0
// Capabilities by name and number (capabilities(7), linux/capability.h).
#ifndef TRINE_HOST_CAPABILITY_H
#define TRINE_HOST_CAPABILITY_H

#define CAPABILITY_COUNT 41

const char *capability_name(unsigned number); // "CAP_CHOWN"; NULL past the last
int capability_number(const char *name);      // "CAP_CHOWN", "chown" → 0; -1 when unknown

#endif
