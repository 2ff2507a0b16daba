// SPDX-License-Identifier: Apache-2.0
// A trine-shim without a container, for the agent's tests. What it does is decided by the name of
// its instance, as config.json has it:
//   ok…     control group with a sleeping process in it, record, socket, hello; serves until killed
//   leave…  as ok; writes exit.json and ends when a byte comes on its first connection
//   warn…   as ok, with two warnings
//   mute…   as ok, but hangs up on whoever connects later
//   refuse… says a failure
//   crash…  ends without a word
//   hang…   never says anything
#include "base/mem.h"
#include "base/str.h"
#include "host/cgroup.h"
#include "host/process.h"
#include "wire/channel.h"
#include "wire/layout.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *value_of(int argc, char **argv, const char *option) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], option) == 0) return argv[i + 1];
    exit(2);
}

// A process that outlives us, in the control group where there can be one. Returns its pidfd.
static int make_container(const char *id, const char *cgroup) {
    struct cgroup_host *host;
    struct cgroup *cg = NULL;
    struct err err = {0};
    struct cgroup_limits limits = {.pids_max = 100};
    if (cgroup_host_open(&host, &err) < 0) exit(1);
    if (cgroup_host_can(host, CGROUP_PIDS, NULL) &&
        cgroup_create(host, cgroup, &limits, &cg, NULL, &err) < 0) {
        wire_send_failure(3, 0, &err);
        exit(1);
    }
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (cg && cgroup_join(cg, &err) < 0) _exit(1);
        close(4);                                      // the lock is the shim's
        execl("/bin/sleep", id, "1000", (char *)NULL); // by this name a test finds it
        _exit(1);
    }
    cgroup_close(cg);
    cgroup_host_free(host);
    return process_pidfd(pid);
}

static void write_record(void) {
    uint64_t start = 0;
    process_start_time(getpid(), &start);
    char *text auto_free = mem_printf("%d %" PRIu64 "\n", (int)getpid(), start);
    if (file_write_atomic(AT_FDCWD, LAYOUT_SHIM_PID, text, strlen(text), 0600, NULL) < 0) exit(3);
}

static void leave(void) {
    static const char record[] = "{\"version\":1,\"exit_code\":7,\"oom_killed\":false,"
                                 "\"started_ns\":1,\"finished_ns\":2,\"failure\":\"\"}";
    file_write_atomic(AT_FDCWD, LAYOUT_EXIT, record, strlen(record), 0600, NULL);
    exit(0);
}

// Until killed, or until the program ends: then it leaves its record, as a shim does.
static void serve(int listener, int program, bool may_leave, bool mute) {
    struct pollfd fds[] = {{.fd = listener, .events = POLLIN},
                           {.fd = 3, .events = POLLIN},
                           {.fd = program, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 3, -1) < 0) continue;
        if (fds[2].revents) leave();
        if (fds[1].revents) {
            char byte;
            if (may_leave && recv(3, &byte, 1, MSG_DONTWAIT) == 1) leave();
            if (fds[1].revents & POLLHUP) fds[1].fd = -1;
        }
        if (!fds[0].revents) continue;
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) continue;
        if (mute)
            close(client);
        else
            wire_handshake(client, "shim", "agent", NULL); // keeps it open, as a shim does
    }
}

int main(int argc, char **argv) {
    struct err err = {0};
    const char *dir = value_of(argc, argv, "--dir"), *cgroup = value_of(argc, argv, "--cgroup");
    char *config = NULL;
    if (chdir(dir) < 0 || file_read(AT_FDCWD, LAYOUT_CONFIG, 1 << 20, &config, NULL, &err) < 0)
        return 2;
    const char *name = strstr(config, "\"org.trine.name\":\"");
    if (!name) return 2;
    name += strlen("\"org.trine.name\":\"");
    if (str_starts(name, "crash")) abort();
    if (str_starts(name, "hang")) pause();
    if (str_starts(name, "refuse")) {
        err_set(&err, ERR_NOT_FOUND, 0, "program", "/bin/nothing is not in the image");
        err_next(&err, "name another one");
        return wire_send_failure(3, 0, &err) < 0;
    }
    write_record();
    int program = make_container(value_of(argc, argv, "--id"), cgroup);
    if (str_starts(name, "warn"))
        file_write_atomic(AT_FDCWD, "warnings", "no swap limit\n\nno cpuset\n", 25, 0600, NULL);
    int listener;
    if (unix_listen(LAYOUT_SHIM_SOCKET, SOCK_SEQPACKET, 0600, &listener, &err) < 0) return 4;
    wire_handshake(3, "shim", "agent", NULL); // the agent may have been killed meanwhile
    fd_set_nonblock(listener, false);
    serve(listener, program, str_starts(name, "leave"), str_starts(name, "mute"));
}
