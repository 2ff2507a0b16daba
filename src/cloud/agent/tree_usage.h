// SPDX-License-Identifier: Apache-2.0
// How much a directory tree holds, without following links or crossing mounts.
#ifndef TRINE_CLOUD_AGENT_TREE_USAGE_H
#define TRINE_CLOUD_AGENT_TREE_USAGE_H

#include "base/err.h"

struct tree_usage {
    uint64_t bytes; // allocated on disk; a file with several names counts once a name
    uint64_t files; // everything that is not a directory
};
// Any thread. A tree deeper than 128 directories is ERR_TOO_LARGE; what vanishes meanwhile is not
// counted.
int tree_usage_read(int dirfd, const char *path, struct tree_usage *ret, struct err *err);

#endif
