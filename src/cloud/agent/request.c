// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/request.h"

#include "base/str.h"
#include "base/text.h"

#include <stdlib.h>

#define HEX "0123456789abcdef"
#define PATH_MAX_LEN 4095

static int check_text(const char *what, const char *text, struct err *err) {
    if (text_is_utf8(text, strlen(text))) return 0;
    return err_set(err, ERR_INVALID, 0, what, "\"%.64s\" is not UTF-8", text);
}

// Paths and words end up in JSON, in mount tables and in messages to people.
static bool has_control(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return true;
    return false;
}

int request_check_path(const char *what, const char *path, struct err *err) {
    const char *cause = NULL;
    if (path[0] != '/')
        cause = "is not absolute";
    else if (strlen(path) > PATH_MAX_LEN)
        cause = "is too long";
    else if (has_control(path) || !text_is_utf8(path, strlen(path)))
        cause = "contains control characters or is not UTF-8";
    for (const char *p = path; *p && !cause;) {
        p++;
        size_t n = strcspn(p, "/");
        bool last = p[n] == '\0';
        if (n == 0 && !last) cause = "contains an empty component";
        if (n == 1 && p[0] == '.') cause = "contains \".\"";
        if (n == 2 && p[0] == '.' && p[1] == '.') cause = "contains \"..\"";
        p += n;
    }
    if (!cause) return 0;
    err_set(err, ERR_INVALID, 0, what, "the path \"%.200s\" %s", path, cause);
    return err_next(err, "give an absolute path without \".\", \"..\" and \"//\"");
}

bool request_is_layer(const char *name) {
    return strspn(name, HEX) == 24 && name[24] == '\0';
}

bool request_shares_host_network(const struct wire_agent_instance_create *request) {
    return str_same(request->network, "host");
}

static int check_hostname(const char *name, struct err *err) {
    size_t n = strlen(name);
    if (n >= 1 && n <= 63 && name[0] != '-' && name[n - 1] != '-' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == n)
        return 0;
    err_set(err, ERR_INVALID, 0, "hostname", "\"%.64s\" cannot be a host name", name);
    return err_next(err, "use 1 to 63 letters, digits, '-' and '.'");
}

// "name[:group]" or "uid[:gid]"; which of them exist is known only inside the root file system.
static int check_user(const char *user, struct err *err) {
    const char *colon = strchr(user, ':');
    bool ok = !has_control(user) && !strpbrk(user, " /\\\"'") && text_is_utf8(user, strlen(user));
    if (colon && (colon == user || !colon[1] || strchr(colon + 1, ':'))) ok = false;
    if (ok) return 0;
    err_set(err, ERR_INVALID, 0, "user", "\"%.64s\" is not a user", user);
    return err_next(err, "use NAME, NAME:GROUP, UID or UID:GID");
}

static int check_layers(struct wire_strings layers, struct err *err) {
    if (layers.count == 0) return err_set(err, ERR_INVALID, 0, "image", "it has no layers");
    for (size_t i = 0; i < layers.count; i++)
        if (!request_is_layer(layers.items[i]))
            return err_set(err, ERR_INVALID, 0, "image", "\"%.64s\" is not a layer",
                           layers.items[i]);
    return 0;
}

static int check_program(const struct wire_agent_instance_create *r, struct err *err) {
    int rc = 0;
    if (r->args.count == 0 || !r->args.items[0][0]) {
        err_set(err, ERR_INVALID, 0, "command", "there is no program to run");
        return err_next(err, "name one, or use an image that has a default command");
    }
    for (size_t i = 0; rc == 0 && i < r->args.count; i++)
        rc = check_text("command", r->args.items[i], err);
    for (size_t i = 0; rc == 0 && i < r->env.count; i++) {
        const char *entry = r->env.items[i], *equals = strchr(entry, '=');
        if (!equals || equals == entry) {
            err_set(err, ERR_INVALID, 0, "environment", "\"%.64s\" is not KEY=value", entry);
            return err_next(err, "write KEY=value");
        }
        rc = check_text("environment", entry, err);
    }
    if (rc == 0 && r->working_dir[0])
        rc = request_check_path("working directory", r->working_dir, err);
    if (rc == 0 && r->user[0]) rc = check_user(r->user, err);
    return rc;
}

static int check_limits(const struct wire_agent_instance_create *r, struct err *err) {
    // The kernel's smallest quota is 1 ms in a period.
    if (r->cpu_nano && r->cpu_nano < UINT64_C(10000000)) {
        err_set(err, ERR_INVALID, 0, "cpus", "less than 0.01 CPU cannot be given");
        return err_next(err, "give at least 0.01");
    }
    if (r->cpu_nano > UINT64_C(1000000000) * 65536)
        return err_set(err, ERR_INVALID, 0, "cpus", "more than 65536 CPUs");
    if (r->cpu_shares && (r->cpu_shares < 2 || r->cpu_shares > 262144)) {
        err_set(err, ERR_INVALID, 0, "CPU shares", "%llu is out of range",
                (unsigned long long)r->cpu_shares);
        return err_next(err, "give 2 to 262144");
    }
    if (r->memory_swap_max_bytes && !r->memory_max_bytes) {
        err_set(err, ERR_INVALID, 0, "swap", "it is limited without a limit of memory");
        return err_next(err, "limit memory too");
    }
    if (r->log_files > 1000) {
        err_set(err, ERR_INVALID, 0, "log files", "%u are too many", r->log_files);
        return err_next(err, "keep at most 1000");
    }
    const char *cpus = r->cpuset_cpus;
    if (strspn(cpus, "0123456789,-") != strlen(cpus)) {
        err_set(err, ERR_INVALID, 0, "CPU set", "\"%.64s\" is not a list of CPUs", cpus);
        return err_next(err, "write it as 0-2,5");
    }
    return 0;
}

// Options of bind mounts; those of tmpfs are these without the propagation and recursion words.
static const char *const flag_words[] = {
    "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "relatime",
};
static const char *const bind_words[] = {
    "bind", "rbind", "private", "rprivate", "slave", "rslave", "shared", "rshared",
};

static bool in_words(const char *word, size_t n, const char *const *words, size_t n_words) {
    for (size_t i = 0; i < n_words; i++)
        if (strlen(words[i]) == n && memcmp(words[i], word, n) == 0) return true;
    return false;
}

// KEY=number of tmpfs(5), with the units that the kernel knows.
static bool is_tmpfs_setting(const char *word, size_t n) {
    static const char *const keys[] = {"size=", "nr_inodes=", "mode=", "uid=", "gid="};
    for (size_t i = 0; i < array_len(keys); i++) {
        size_t k = strlen(keys[i]);
        if (n <= k || memcmp(word, keys[i], k) != 0) continue;
        size_t digits = strspn(word + k, "0123456789");
        if (digits == 0 || digits > 18) return false;
        bool unit = i < 2 && k + digits + 1 == n && strchr("kKmMgG%", word[n - 1]);
        return k + digits == n || unit;
    }
    return false;
}

static int check_mount_options(const struct request_mount *m, struct err *err) {
    for (const char *p = m->options; *p;) {
        size_t n = strcspn(p, ",");
        bool tmpfs = m->kind == REQUEST_MOUNT_TMPFS;
        bool ok =
            in_words(p, n, flag_words, array_len(flag_words)) ||
            (tmpfs ? is_tmpfs_setting(p, n) : in_words(p, n, bind_words, array_len(bind_words)));
        if (!ok) {
            err_set(err, ERR_INVALID, 0, "mount", "the option \"%.*s\" of %.200s is not known",
                    n > 64 ? 64 : (int)n, p, m->destination);
            return err_next(err, "known are ro, rw, nosuid, nodev, noexec, noatime%s",
                            tmpfs ? ", size=, mode=, nr_inodes=, uid=, gid="
                                  : ", rbind and the propagations");
        }
        p += n + (p[n] == ',');
    }
    return 0;
}

static int check_mount(const char *const item[4], struct request_mount *ret, struct err *err) {
    const char *kind = item[0];
    *ret = (struct request_mount){.source = item[1], .destination = item[2], .options = item[3]};
    int rc;
    if (str_same(kind, "volume")) {
        ret->kind = REQUEST_MOUNT_VOLUME;
        rc = text_check_id("volume", ret->source, err);
    } else if (str_same(kind, "bind")) {
        ret->kind = REQUEST_MOUNT_BIND;
        rc = request_check_path("mount source", ret->source, err);
    } else if (str_same(kind, "tmpfs")) {
        ret->kind = REQUEST_MOUNT_TMPFS;
        rc = 0;
    } else {
        err_set(err, ERR_INVALID, 0, "mount", "\"%.32s\" is not a kind of mount", kind);
        return err_next(err, "use volume, bind or tmpfs");
    }
    if (rc == 0) rc = request_check_path("mount destination", ret->destination, err);
    if (rc == 0 && !ret->destination[1])
        rc = err_set(err, ERR_INVALID, 0, "mount", "the root of an instance cannot be replaced");
    return rc < 0 ? rc : check_mount_options(ret, err);
}

static int check_mounts(struct wire_strings list, struct request_mount *mounts, size_t *ret,
                        struct err *err) {
    if (list.count % 4)
        return err_set(err, ERR_INVALID, 0, "mounts", "%zu strings are not four for each",
                       list.count);
    if (list.count / 4 > REQUEST_MOUNTS_MAX)
        return err_set(err, ERR_TOO_LARGE, 0, "mounts", "%zu mounts, at most %d are possible",
                       list.count / 4, REQUEST_MOUNTS_MAX);
    for (size_t i = 0; i < list.count / 4; i++) {
        int rc = check_mount(list.items + 4 * i, &mounts[i], err);
        if (rc < 0) return rc;
        for (size_t k = 0; k < i; k++)
            if (str_same(mounts[k].destination, mounts[i].destination))
                return err_set(err, ERR_INVALID, 0, "mount", "%.200s is mounted twice",
                               mounts[i].destination);
    }
    *ret = list.count / 4;
    return 0;
}

int request_check(const struct wire_agent_instance_create *r,
                  struct request_mount mounts[REQUEST_MOUNTS_MAX], size_t *ret_mounts,
                  struct err *err) {
    int rc = text_check_id("instance", r->id, err);
    if (rc == 0) rc = text_check_name("instance", r->name, err);
    if (rc == 0) rc = text_check_name("project", r->project, err);
    if (rc == 0) rc = check_layers(r->layers, err);
    if (rc == 0) rc = check_program(r, err);
    if (rc == 0 && r->hostname[0]) rc = check_hostname(r->hostname, err);
    if (rc == 0 && !str_same(r->network, "none") && !str_same(r->network, "host")) {
        err_set(err, ERR_UNSUPPORTED, 0, "network", "\"%.63s\" cannot be joined", r->network);
        rc = err_next(err, "use none or host");
    }
    if (rc == 0) rc = check_limits(r, err);
    if (rc == 0) rc = check_mounts(r->mounts, mounts, ret_mounts, err);
    return rc;
}
