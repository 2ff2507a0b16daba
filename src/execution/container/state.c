// SPDX-License-Identifier: Apache-2.0
#include "execution/container/state.h"

#include "base/str.h"
#include "execution/container/schema.h"
#include "execution/container/spec.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define STATE_FILE_MAX ((size_t)1 << 20)

// Said aloud: a process that was made meanwhile may share the descriptor, and the lock with it.
void state_unlock(struct state *s) {
    if (s->dir_fd < 0) return;
    (void)flock(s->dir_fd, LOCK_UN);
    close(take_fd(s->dir_fd));
}

void state_release(struct state *s) {
    free(s->id);
    free(s->bundle);
    free(s->root_path);
    free(s->cgroup_path);
    free(s->freezer);
    state_unlock(s);
    *s = (struct state){.dir_fd = -1};
}

const char *state_status_word(enum state_status status) {
    return (const char *[]){"created", "running", "paused", "stopped"}[status];
}

static bool is_frozen(const struct state *s) {
    static const struct {
        const char *file, *word;
    } ways[] = {{"freezer.state", "FROZEN"}, {"cgroup.events", "frozen 1"}};
    for (size_t i = 0; s->freezer[0] && i < array_len(ways); i++) {
        auto_free char *path = mem_printf("%s/%s", s->freezer, ways[i].file);
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        char text[256];
        ssize_t n = fd < 0 ? -1 : file_read_some(fd, text, sizeof(text) - 1);
        if (n <= 0) continue;
        text[n] = 0;
        return strstr(text, ways[i].word) != NULL;
    }
    return false;
}

static bool is_alive(const struct state *s) {
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)s->pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : file_read_some(fd, text, sizeof(text) - 1);
    if (n <= 0) return false;
    text[n] = 0;
    const char *state = strrchr(text, ')');
    if (!state || !state[1] || state[2] == 'Z' || state[2] == 'X') return false;
    uint64_t start = 0;
    return process_start_time(s->pid, &start) == 0 && start == s->start_time;
}

enum state_status state_status(const struct state *s) {
    if (s->pid <= 0 || !is_alive(s)) return STATE_STOPPED;
    if (faccessat(s->dir_fd, STATE_GATE, F_OK, 0) == 0) return STATE_CREATED;
    return is_frozen(s) ? STATE_PAUSED : STATE_RUNNING;
}

int state_pidfd(const struct state *s) {
    auto_close int fd = s->pid > 0 ? process_pidfd(s->pid) : -ESRCH;
    if (fd < 0) return fd;
    return is_alive(s) ? take_fd(fd) : -ESRCH;
}

int state_check_id(const char *id, struct err *err) {
    size_t len = strlen(id);
    size_t good = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-");
    if (len > 0 && len <= STATE_ID_MAX && good == len && strcmp(id, ".") && strcmp(id, ".."))
        return 0;
    err_set(err, ERR_INVALID, 0, "container id", "\"%.64s\" is not valid", id);
    return err_next(err, "use 1 to 1024 letters, digits and _+.-");
}

static int lock_dir(int fd, bool shared) {
    int r;
    do r = flock(fd, shared ? LOCK_SH : LOCK_EX);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int make_dir(const char *root, const char *path) {
    if (mkdir(path, 0711) == 0) return 0;
    if (errno != ENOENT) return -errno;
    int r = dir_make(AT_FDCWD, root, 0711, NULL);
    if (r < 0) return r;
    return mkdir(path, 0711) < 0 ? -errno : 0;
}

int state_new(const char *root, const char *id, struct state *ret, struct err *err) {
    *ret = (struct state){.dir_fd = -1};
    int r = state_check_id(id, err);
    if (r < 0) return r;
    auto_free char *path = mem_printf("%s/%s", root, id);
    r = make_dir(root, path);
    if (r == -EEXIST) {
        err_set(err, ERR_EXISTS, 0, id, "a container with this id exists");
        return err_next(err, "delete it, or choose another id");
    }
    if (r < 0) return err_os(err, -r, path, "cannot make the state directory");
    ret->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    r = ret->dir_fd < 0 ? -errno : lock_dir(ret->dir_fd, false);
    if (r < 0) return err_os(err, -r, path, "cannot open the state directory");
    ret->id = mem_strdup(id);
    ret->owner = geteuid();
    return 0;
}

static int write_file(int dir_fd, const char *name, const void *data, size_t size,
                      struct err *err) {
    char temporary[64];
    snprintf(temporary, sizeof(temporary), ".%s.new", name);
    auto_close int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : file_write_all(fd, data, size);
    if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0) r = -errno;
    return r < 0 ? err_os(err, -r, name, "cannot save the container's state") : 0;
}

int state_save_config(const struct state *s, const char *json, size_t size, struct err *err) {
    return write_file(s->dir_fd, "config.json", json, size, err);
}

int state_save(const struct state *s, struct err *err) {
    auto_str struct str text = {0};
    str_printf(
        &text,
        "{\"version\":%d,\"pid\":%d,\"startTime\":%llu,\"created\":%lld,\"owner\":%u,\"id\":",
        STATE_VERSION, (int)s->pid, (unsigned long long)s->start_time, (long long)s->created_ns,
        s->owner);
    str_add_json(&text, s->id);
    str_add(&text, ",\"bundle\":");
    str_add_json(&text, s->bundle);
    str_add(&text, ",\"rootfs\":");
    str_add_json(&text, s->root_path);
    str_add(&text, ",\"cgroupPath\":");
    str_add_json(&text, s->cgroup_path);
    str_add(&text, ",\"freezer\":");
    str_add_json(&text, s->freezer);
    str_add(&text, "}\n");
    if (text.failed) return err_set(err, ERR_NO_SPACE, 0, s->id, "no memory for its state");
    return write_file(s->dir_fd, "state.json", text.data, text.len, err);
}

struct saved {
    uint64_t version, start_time;
    int64_t pid, created;
    uint32_t owner;
    char *id, *bundle, *root_path, *cgroup_path, *freezer;
};
#define FIELD(kind, name, member) \
    { name, SCHEMA_##kind, offsetof(struct saved, member), true, NULL }
SCHEMA(saved_schema, struct saved, FIELD(U64, "version", version), FIELD(I64, "pid", pid),
       FIELD(U64, "startTime", start_time), FIELD(I64, "created", created),
       FIELD(U32, "owner", owner), FIELD(STRING, "id", id), FIELD(STRING, "bundle", bundle),
       FIELD(STRING, "rootfs", root_path), FIELD(STRING, "cgroupPath", cgroup_path),
       FIELD(STRING, "freezer", freezer));

static int parse(const char *json, size_t size, struct state *ret, struct err *err) {
    json_error_t where;
    json_t *root = json_loadb(json, size, 0, &where);
    if (!root)
        return err_set(err, ERR_CORRUPT, 0, "state.json", "line %d: %s", where.line, where.text);
    auto_arena struct arena *arena = arena_new(STATE_FILE_MAX * 2);
    struct saved saved = {0};
    int r = schema_fill(arena, "state.json", "", root, &saved_schema, &saved, err);
    json_decref(root);
    if (r < 0) return r;
    if (saved.version != STATE_VERSION) {
        err_set(err, ERR_VERSION, 0, "state.json", "it has version %llu, this program knows %d",
                (unsigned long long)saved.version, STATE_VERSION);
        return err_next(err, "use the program that made the container");
    }
    ret->id = mem_strdup(saved.id);
    ret->bundle = mem_strdup(saved.bundle);
    ret->root_path = mem_strdup(saved.root_path);
    ret->cgroup_path = mem_strdup(saved.cgroup_path);
    ret->freezer = mem_strdup(saved.freezer);
    ret->pid = (pid_t)saved.pid;
    ret->start_time = saved.start_time;
    ret->created_ns = saved.created;
    ret->owner = saved.owner;
    return 0;
}

int state_load(const char *root, const char *id, bool shared, struct state *ret, struct err *err) {
    *ret = (struct state){.dir_fd = -1};
    int r = state_check_id(id, err);
    if (r < 0) return r;
    auto_free char *path = mem_printf("%s/%s", root, id);
    ret->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ret->dir_fd < 0) {
        if (errno == ENOENT) return err_set(err, ERR_NOT_FOUND, 0, id, "container does not exist");
        return err_os(err, errno, path, "cannot open the state directory");
    }
    if ((r = lock_dir(ret->dir_fd, shared)) < 0)
        return err_os(err, -r, path, "cannot lock the state directory");
    auto_free char *json = NULL;
    size_t size = 0;
    r = file_read(ret->dir_fd, "state.json", STATE_FILE_MAX, &json, &size, err);
    if (r == -ENOENT) {
        err_clear(err);
        err_set(err, ERR_NOT_FOUND, 0, id, "container does not exist (its creation was cut short)");
        err_next(err, "delete --force removes what is left");
        r = -ENOENT;
    }
    if (r == 0) r = parse(json, size, ret, err);
    if (r < 0) state_release(ret);
    return r;
}

int state_remove(const char *root, struct state *s, struct err *err) {
    auto_free char *path = mem_printf("%s/%s", root, s->id);
    return dir_remove_tree(AT_FDCWD, path, err);
}

struct each {
    int (*fn)(const char *id, void *arg);
    void *arg;
};
static int visit(int dirfd, const char *name, void *arg) {
    struct each *each = arg;
    struct stat st;
    // Names with a dot in front are the runtime's own ("." is allowed inside ids, not there).
    if (name[0] == '.' || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(st.st_mode))
        return 0;
    return each->fn(name, each->arg);
}

int state_each(const char *root, int (*fn)(const char *id, void *arg), void *arg, struct err *err) {
    struct each each = {fn, arg};
    int r = dir_each(AT_FDCWD, root, visit, &each);
    if (r == -ENOENT) return 0;
    return r < 0 ? err_os(err, -r, root, "cannot list it") : 0;
}
