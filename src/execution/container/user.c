// SPDX-License-Identifier: Apache-2.0
#include "execution/container/user.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_FIELDS 7

struct field {
    const char *text;
    size_t len;
};

// One line of colon-separated fields; false at the end of the text.
struct lines {
    const char *rest;
    unsigned number;
};
static size_t next_line(struct lines *lines, struct field fields[LINE_FIELDS], bool *ret_end) {
    const char *line = lines->rest;
    *ret_end = !line || !*line;
    if (*ret_end) return 0;
    size_t len = strcspn(line, "\n"), n = 0;
    lines->rest = line + len + (line[len] == '\n');
    lines->number++;
    const char *end = line + len;
    if (len == 0 || *line == '#' || *line == '+' || *line == '-') return 0;
    for (const char *at = line; n < LINE_FIELDS; at += fields[n - 1].len + 1) {
        size_t field = 0;
        while (at + field < end && at[field] != ':') field++;
        fields[n++] = (struct field){at, field};
        if (at + field >= end) break;
    }
    return n;
}

static bool field_is(const struct field *f, const char *text, size_t len) {
    return f->len == len && !memcmp(f->text, text, len);
}

static bool field_id(const struct field *f, uint32_t *ret) {
    uint64_t value = 0;
    if (f->len == 0 || f->len > 10) return false;
    for (size_t i = 0; i < f->len; i++) {
        if (f->text[i] < '0' || f->text[i] > '9') return false;
        value = value * 10 + (uint64_t)(f->text[i] - '0');
    }
    if (value >= UINT32_MAX) return false; // -1 means "no change" to the kernel
    *ret = (uint32_t)value;
    return true;
}

static int bad_line(const char *file, unsigned number, const char *what, struct err *err) {
    err_set(err, ERR_CORRUPT, 0, file, "line %u: %s", number, what);
    return err_next(err, "correct the file in the image, or give numeric ids");
}

static void copy_home(const struct field *f, char *buf, size_t size) {
    snprintf(buf, size, "%.*s", (int)f->len, f->text);
    if (f->len >= size) buf[0] = 0;
}

struct found {
    bool user;
    char name[64];
};

static int find_user(const struct field *who, const char *passwd, struct user *ret,
                     struct found *found, struct err *err) {
    uint32_t number = 0;
    bool numeric = field_id(who, &number);
    struct lines lines = {.rest = passwd};
    struct field f[LINE_FIELDS];
    for (bool end = false; !end;) {
        size_t n = next_line(&lines, f, &end);
        if (n == 0) continue;
        uint32_t uid = 0, gid = 0;
        bool by_name = field_is(&f[0], who->text, who->len);
        if (n < 4 || !field_id(&f[2], &uid) || !field_id(&f[3], &gid)) {
            if (by_name)
                return bad_line("/etc/passwd", lines.number, "user or group id missing", err);
            continue;
        }
        if (!by_name && !(numeric && uid == number)) continue;
        ret->uid = uid;
        ret->gid = gid;
        if (n > 5) copy_home(&f[5], ret->home, sizeof(ret->home));
        snprintf(found->name, sizeof(found->name), "%.*s", (int)f[0].len, f[0].text);
        found->user = true;
        return 0;
    }
    if (numeric) {
        ret->uid = number;
        return 0;
    }
    err_set(err, ERR_NOT_FOUND, 0, "user", "\"%.*s\" is not in the container's /etc/passwd",
            (int)(who->len < 64 ? who->len : 64), who->text);
    return err_next(err, "give a numeric id, or a name that the image has");
}

static int find_group(const struct field *which, const char *group, gid_t *ret, struct err *err) {
    uint32_t gid = 0;
    struct lines lines = {.rest = group};
    struct field f[LINE_FIELDS];
    for (bool end = false; !end;) {
        size_t n = next_line(&lines, f, &end);
        if (n == 0 || !field_is(&f[0], which->text, which->len)) continue;
        if (n < 3 || !field_id(&f[2], &gid))
            return bad_line("/etc/group", lines.number, "group id missing", err);
        *ret = gid;
        return 0;
    }
    if (field_id(which, &gid)) {
        *ret = gid;
        return 0;
    }
    err_set(err, ERR_NOT_FOUND, 0, "group", "\"%.*s\" is not in the container's /etc/group",
            (int)(which->len < 64 ? which->len : 64), which->text);
    return err_next(err, "give a numeric id, or a name that the image has");
}

// "…:member,member": is the name among them?
static bool is_member(const struct field *members, const char *name) {
    size_t len = strlen(name);
    const char *at = members->text, *end = at + members->len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t n = (size_t)((comma ? comma : end) - at);
        if (n == len && !memcmp(at, name, len)) return true;
        at += n + 1;
    }
    return false;
}

static int add_groups(const char *name, const char *group, struct user *ret, struct err *err) {
    struct lines lines = {.rest = group};
    struct field f[LINE_FIELDS];
    for (bool end = false; !end;) {
        size_t n = next_line(&lines, f, &end);
        uint32_t gid = 0;
        if (n < 4 || !is_member(&f[3], name)) continue;
        if (!field_id(&f[2], &gid))
            return bad_line("/etc/group", lines.number, "group id missing", err);
        if (ret->n_groups == USER_GROUPS_MAX)
            return bad_line("/etc/group", lines.number, "more than 256 groups for one user", err);
        ret->groups[ret->n_groups++] = gid;
    }
    return 0;
}

int user_resolve(const char *word, const char *passwd, const char *group, struct user *ret,
                 struct err *err) {
    struct user user = {0};
    struct found found = {0};
    const char *colon = strchr(word, ':');
    struct field who = {word, colon ? (size_t)(colon - word) : strlen(word)};
    if (who.len == 0 || (colon && !colon[1]))
        return err_set(err, ERR_INVALID, 0, "user", "\"%.64s\" is not of the form name[:group]",
                       word);
    int r = find_user(&who, passwd, &user, &found, err);
    if (r == 0 && colon) {
        struct field which = {colon + 1, strlen(colon + 1)};
        r = find_group(&which, group, &user.gid, err);
    } else if (r == 0 && found.user) {
        r = add_groups(found.name, group, &user, err);
    }
    if (r < 0) return r;
    *ret = user;
    return 0;
}

bool user_home(const char *passwd, uid_t uid, char *buf, size_t size) {
    struct lines lines = {.rest = passwd};
    struct field f[LINE_FIELDS];
    for (bool end = false; !end;) {
        size_t n = next_line(&lines, f, &end);
        uint32_t id = 0;
        if (n < 6 || !field_id(&f[2], &id) || id != uid) continue;
        copy_home(&f[5], buf, size);
        return buf[0];
    }
    return false;
}
