// SPDX-License-Identifier: Apache-2.0
// Which hierarchies there are: proc_pid_mountinfo(5), cgroups(7).
#include "host/cgroup_int.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOUNTINFO_MAX = 16 << 20 };

static const char *const V1_WORDS[CGROUP_CONTROLLER_COUNT] = {
    [CGROUP_CPU] = "cpu",         [CGROUP_CPUACCT] = "cpuacct",
    [CGROUP_CPUSET] = "cpuset",   [CGROUP_MEMORY] = "memory",
    [CGROUP_PIDS] = "pids",       [CGROUP_DEVICES] = "devices",
    [CGROUP_FREEZER] = "freezer", [CGROUP_BLKIO] = "blkio",
    [CGROUP_HUGETLB] = "hugetlb", [CGROUP_NAMED_SYSTEMD] = "name=systemd",
};

const char *cgroup_controller_word(enum cgroup_controller c) {
    return (unsigned)c < CGROUP_CONTROLLER_COUNT ? V1_WORDS[c] : "unknown";
}

// Bits of the controllers in a list of words; `io` is how version 2 calls blkio.
static unsigned parse_words(const char *list, const char *separators, const char *blkio_word) {
    unsigned bits = 0;
    while (*list) {
        size_t len = strcspn(list, separators);
        for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
            const char *word = c == CGROUP_BLKIO ? blkio_word : V1_WORDS[c];
            if (strlen(word) == len && memcmp(word, list, len) == 0) bits |= CGROUP_BIT(c);
        }
        list += len + (list[len] != '\0');
    }
    return bits;
}

unsigned cgroup_v2_parse_controllers(const char *words) {
    return parse_words(words, " \n", "io");
}

// mountinfo writes space, tab, newline and backslash as \ooo. In place.
static void decode_octal(char *text) {
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static const char *why_not_usable(const char *mount) {
    if (access(mount, W_OK | X_OK) == 0) return NULL;
    if (errno == EROFS) return "it is mounted read-only";
    if (errno == EACCES || errno == EPERM) return "this user may not create groups in it";
    return "its mount point cannot be reached";
}

// Controllers that the hierarchy adds; those of an earlier mount stay where they are.
static void add_hierarchy(struct cgroup_host *host, int version, const char *mount,
                          unsigned controllers) {
    unsigned fresh = 0;
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
        if (controllers & CGROUP_BIT(c) && host->of[c] < 0) fresh |= CGROUP_BIT(c);
    if (host->n == CGROUP_HIERARCHIES_MAX || (version == 1 && !fresh)) return;
    if (version == 2 && host->unified >= 0) return;
    int index = (int)host->n++;
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++)
        if (fresh & CGROUP_BIT(c)) host->of[c] = index;
    host->hierarchies[index] = (struct cgroup_hierarchy){.version = version,
                                                         .controllers = controllers,
                                                         .mount = mem_strdup(mount),
                                                         .why_not = why_not_usable(mount)};
    if (version == 2) host->unified = index;
}

static unsigned read_v2_controllers(const char *mount) {
    auto_free char *path = mem_printf("%s/cgroup.controllers", mount), *text = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0) return 0;
    return cgroup_v2_parse_controllers(text);
}

// "ID parent major:minor root mount options [optional...] - type source super-options"
static void parse_line(struct cgroup_host *host, char *line) {
    char *tail = strstr(line, " - "), *rest = line, *mount = NULL;
    if (!tail) return;
    *tail = '\0';
    tail += 3;
    for (int field = 0; field < 5 && rest; field++) mount = strsep(&rest, " ");
    char *type = strsep(&tail, " ");
    strsep(&tail, " ");
    char *options = tail;
    if (!mount || mount[0] != '/' || !options) return;
    decode_octal(mount);
    if (strcmp(type, "cgroup2") == 0) add_hierarchy(host, 2, mount, read_v2_controllers(mount));
    if (strcmp(type, "cgroup") == 0)
        add_hierarchy(host, 1, mount, parse_words(options, ",", "blkio"));
}

// Version 2 has these without a controller of that name: cpu.stat, cgroup.freeze, BPF programs.
static void add_v2_built_in(struct cgroup_host *host) {
    static const enum cgroup_controller built_in[] = {CGROUP_CPUACCT, CGROUP_FREEZER,
                                                      CGROUP_DEVICES};
    if (host->unified < 0) return;
    for (size_t i = 0; i < array_len(built_in); i++)
        if (host->of[built_in[i]] < 0) host->of[built_in[i]] = host->unified;
}

int cgroup_host_parse(const char *mountinfo, struct cgroup_host **ret, struct err *err) {
    struct cgroup_host *host = mem_new(struct cgroup_host);
    host->unified = -1;
    for (int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) host->of[c] = -1;
    auto_free char *copy = mem_try_dup(mountinfo, strlen(mountinfo));
    if (!copy) {
        cgroup_host_free(host);
        return err_os(err, ENOMEM, "control groups", "cannot read the mounts");
    }
    for (char *rest = copy, *line; (line = strsep(&rest, "\n"));) parse_line(host, line);
    add_v2_built_in(host);
    bool v1 = host->n > (host->unified >= 0 ? 1u : 0u);
    host->mode = v1 ? (host->unified >= 0 ? CGROUP_HYBRID : CGROUP_V1)
                    : (host->unified >= 0 ? CGROUP_V2 : CGROUP_NONE);
    *ret = host;
    return 0;
}

int cgroup_host_open(struct cgroup_host **ret, struct err *err) {
    auto_free char *text = NULL;
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);
    if (r < 0) return err_while(err, "looking for control groups");
    return cgroup_host_parse(text, ret, err);
}

void cgroup_host_free(struct cgroup_host *host) {
    if (!host) return;
    for (size_t i = 0; i < host->n; i++) free(host->hierarchies[i].mount);
    free(host);
}

enum cgroup_mode cgroup_host_mode(const struct cgroup_host *host) {
    return host->mode;
}

const char *cgroup_mode_word(enum cgroup_mode mode) {
    static const char *const words[] = {"none", "v1", "v2", "hybrid"};
    return (unsigned)mode < array_len(words) ? words[mode] : "none";
}

static const struct cgroup_hierarchy *hierarchy_of(const struct cgroup_host *host,
                                                   enum cgroup_controller c) {
    if ((unsigned)c >= CGROUP_CONTROLLER_COUNT || host->of[c] < 0) return NULL;
    return &host->hierarchies[host->of[c]];
}

bool cgroup_host_can(const struct cgroup_host *host, enum cgroup_controller c,
                     const char **ret_why) {
    const struct cgroup_hierarchy *hierarchy = hierarchy_of(host, c);
    const char *why = hierarchy ? hierarchy->why_not : "no hierarchy has the controller";
    if (ret_why) *ret_why = why;
    return !why;
}

int cgroup_host_version(const struct cgroup_host *host, enum cgroup_controller c) {
    const struct cgroup_hierarchy *hierarchy = hierarchy_of(host, c);
    return hierarchy ? hierarchy->version : 0;
}

char *cgroup_host_dir(const struct cgroup_host *host, enum cgroup_controller c, const char *path) {
    const struct cgroup_hierarchy *hierarchy = hierarchy_of(host, c);
    if (!hierarchy) return NULL;
    while (*path == '/') path++;
    return *path ? mem_printf("%s/%s", hierarchy->mount, path) : mem_strdup(hierarchy->mount);
}
