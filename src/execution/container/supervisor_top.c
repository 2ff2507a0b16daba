// SPDX-License-Identifier: Apache-2.0
// What runs in the container, read from /proc (proc(5)). Names and command lines are the container's own words: they
// are cut, made printable text by whoever shows them, and never interpreted.
#include "execution/container/supervisor_int.h"

#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCESSES_MAX 1024
#define COMMAND_MAX 1024

// Reads at most size - 1 bytes of /proc/PID/name and ends them with a 0. The length, or -errno.
static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t size) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t n = file_read_some(fd, buf, size - 1);
    if (n >= 0) buf[n] = 0;
    return n;
}

static const char *figures_of(pid_t pid, struct arena *arena) {
    char text[1024], path[64];
    struct stat st;
    unsigned long long user, system;
    int ppid;
    long pages;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    if (stat(path, &st) < 0 || read_proc(pid, "stat", text, sizeof(text)) <= 0) return NULL;
    // The name in parentheses may hold anything: what follows its last ')' is fixed.
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
                        "%*d %*u %*u %ld",
                        &ppid, &user, &system, &pages) != 4)
        return NULL;
    unsigned long long tick_ns = 1000000000ull / (unsigned long long)sysconf(_SC_CLK_TCK);
    return arena_printf(arena, "%d %d %u %llu %llu", (int)pid, ppid, st.st_uid,
                        (user + system) * tick_ns,
                        (unsigned long long)pages * (unsigned long long)sysconf(_SC_PAGESIZE));
}

static const char *command_of(pid_t pid, struct arena *arena) {
    char text[COMMAND_MAX];
    ssize_t n = read_proc(pid, "cmdline", text, sizeof(text));
    if (n > 0) {
        while (n > 0 && !text[n - 1]) n--;
        for (ssize_t i = 0; i < n; i++) text[i] = text[i] ? text[i] : ' ';
        return arena_strndup(arena, text, (size_t)n);
    }
    n = read_proc(pid, "comm", text, sizeof(text));
    return n > 0 ? arena_printf(arena, "[%.*s]", (int)n - 1, text) : NULL;
}

int supervisor_list_processes(struct cgroup *cg, struct arena *arena,
                              struct wire_shim_processes *ret, struct err *err) {
    pid_t *pids auto_free = NULL;
    size_t n = 0, kept = 0;
    int rc = cgroup_procs(cg, &pids, &n, err);
    if (rc < 0) return rc;
    if (n > PROCESSES_MAX) n = PROCESSES_MAX;
    const char **figures = arena_array(arena, n + 1, sizeof(*figures));
    const char **commands = arena_array(arena, n + 1, sizeof(*commands));
    if (!figures || !commands)
        return err_set(err, ERR_NO_SPACE, ENOMEM, "instance", "cannot list its processes");
    for (size_t i = 0; i < n; i++) {
        figures[kept] = figures_of(pids[i], arena);
        commands[kept] = command_of(pids[i], arena);
        kept += figures[kept] && commands[kept];
    }
    *ret = (struct wire_shim_processes){.figures = {figures, kept}, .commands = {commands, kept}};
    return 0;
}
