// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/subid.h"

#include "base/mem.h"
#include "base/str.h"
#include "host/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define SUBID_FILE_MAX (1 << 20)

// Digits up to `end`, at most UINT32_MAX.
static bool parse_number(const char *text, char end, uint32_t *ret, const char **ret_rest) {
    char *rest;
    if (!isdigit((unsigned char)*text)) return false;
    errno = 0;
    unsigned long long value = strtoull(text, &rest, 10);
    if (errno || value > UINT32_MAX || *rest != end) return false;
    *ret = (uint32_t)value;
    *ret_rest = rest + 1;
    return true;
}

// One line, "user:first:count" with its newline replaced by 0.
static bool parse_line(const char *line, const char *user, uid_t uid, struct subid_range *ret) {
    const char *colon = strchr(line, ':'), *rest;
    uint32_t number;
    if (!colon) return false;
    bool by_name = user && strlen(user) == (size_t)(colon - line) &&
                   strncmp(user, line, (size_t)(colon - line)) == 0;
    bool by_number = parse_number(line, ':', &number, &rest) && number == uid;
    if (!by_name && !by_number) return false;
    return parse_number(colon + 1, ':', &ret->first, &rest) &&
           parse_number(rest, '\0', &ret->count, &rest) && ret->count > 0 &&
           ret->count <= UINT32_MAX - ret->first;
}

int subid_parse(const char *text, const char *user, uid_t uid, struct subid_range *ret) {
    char *copy auto_free = mem_strdup(text);
    char *state = NULL;
    *ret = (struct subid_range){0};
    for (char *line = strtok_r(copy, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        struct subid_range range;
        if (parse_line(line, user, uid, &range) && range.count > ret->count) *ret = range;
    }
    return ret->count ? 0 : -ENOENT;
}

int subid_find(const char *path, uid_t uid, struct subid_range *ret) {
    char *text auto_free = NULL;
    int rc = file_read(AT_FDCWD, path, SUBID_FILE_MAX, &text, NULL, NULL);
    if (rc < 0) return rc;
    const struct passwd *user = getpwuid(uid);
    return subid_parse(text, user ? user->pw_name : NULL, uid, ret);
}
