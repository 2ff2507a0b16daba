// SPDX-License-Identifier: Apache-2.0
// Subordinate ids that the administrator granted (subuid(5), subgid(5)).
#ifndef TRINE_CLOUD_AGENT_SUBID_H
#define TRINE_CLOUD_AGENT_SUBID_H

#include <stdint.h>
#include <sys/types.h>

struct subid_range {
    uint32_t first, count; // count > 0
};
// The largest range of the user in a file's text, by name (may be NULL) or number. -ENOENT: none.
int subid_parse(const char *text, const char *user, uid_t uid, struct subid_range *ret);
int subid_find(const char *path, uid_t uid, struct subid_range *ret);

#endif
