// SPDX-License-Identifier: Apache-2.0
// User and group names of an image, after its own /etc/passwd and /etc/group (passwd(5), group(5)).
// The files come from the image: bounded, and every line is checked.
#ifndef TRINE_EXECUTION_CONTAINER_USER_H
#define TRINE_EXECUTION_CONTAINER_USER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USER_GROUPS_MAX 256
struct user {
    uid_t uid;
    gid_t gid;
    char home[256]; // "" when not known
    gid_t groups[USER_GROUPS_MAX];
    size_t n_groups;
};

// word: "name", "uid", either with ":group" or ":gid". The texts may be NULL (no such file): then
// only numbers resolve. Without a group part the gid and the supplementary groups are those of the
// user's entries, 0 and none for an id without entry.
int user_resolve(const char *word, const char *passwd, const char *group, struct user *ret,
                 struct err *err);
// Home of a uid; false when it is not listed. Broken lines are skipped.
bool user_home(const char *passwd, uid_t uid, char *buf, size_t size);

#endif
