// SPDX-License-Identifier: Apache-2.0
// trine-agent: the privileged hand of the daemon. Its starter connects the two.
#include "cloud/agent/agent.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "usage: trine-agent --state DIR --run DIR --control FD [--daemon-uid UID] [--daemon-gid GID]\n"
    "                   [--rootless]\n"
    "\n"
    "Starts and clears instances, volumes and image jobs for Trine's daemon, which speaks to it\n"
    "over the socket FD. Ends when that connection does; instances go on.\n"
    "\n"
    "  --state DIR       what is kept: images, instances, volumes\n"
    "  --run DIR         what is gone after a reboot: sockets, records\n"
    "  --control FD      connected SOCK_SEQPACKET socket to the daemon\n"
    "  --daemon-uid UID  user of the daemon (default: the agent's own)\n"
    "  --daemon-gid GID  group that may read logs\n"
    "  --rootless        become root of a user namespace first; for ordinary users\n";

// Internal: the process is inside its user namespace already.
enum { OPTION_INSIDE = 1000 };

static const struct option long_options[] = {
    {"state", required_argument, NULL, 's'},      {"run", required_argument, NULL, 'r'},
    {"control", required_argument, NULL, 'c'},    {"daemon-uid", required_argument, NULL, 'u'},
    {"daemon-gid", required_argument, NULL, 'g'}, {"rootless", no_argument, NULL, 'l'},
    {"inside", no_argument, NULL, OPTION_INSIDE}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},          {0},
};

struct command_line {
    struct agent_options options;
    bool inside;
};

static int parse_option(int option, const char *value, struct command_line *line, struct err *err) {
    uint64_t number = 0;
    int rc = 0;
    switch (option) {
    case 's':
        line->options.state_dir = value;
        break;
    case 'r':
        line->options.run_dir = value;
        break;
    case 'c':
        rc = text_parse_u64("--control", value, 3, 1 << 20, &number, err);
        line->options.control_fd = (int)number;
        break;
    case 'u':
        rc = text_parse_u64("--daemon-uid", value, 0, UINT32_MAX - 1, &number, err);
        line->options.daemon_uid = (uid_t)number;
        break;
    case 'g':
        rc = text_parse_u64("--daemon-gid", value, 0, UINT32_MAX - 1, &number, err);
        line->options.daemon_gid = (gid_t)number;
        break;
    case 'l':
        line->options.rootless = true;
        break;
    case OPTION_INSIDE:
        line->inside = true;
        break;
    default:
        rc = err_set(err, ERR_INVALID, 0, "command line", "an option is not known");
    }
    return rc;
}

static int check_line(const struct command_line *line, struct err *err) {
    const struct agent_options *o = &line->options;
    if (!o->state_dir || !o->run_dir || o->control_fd < 0)
        return err_set(err, ERR_INVALID, 0, "command line",
                       "--state, --run and --control are needed");
    if (o->state_dir[0] != '/' || o->run_dir[0] != '/')
        return err_set(err, ERR_INVALID, 0, "command line", "--state and --run are absolute");
    if (fcntl(o->control_fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, ERR_INVALID, 0, "--control", "descriptor %d is not open",
                       o->control_fd);
    if (geteuid() != 0 && !o->rootless) {
        err_set(err, ERR_DENIED, 0, "trine-agent", "it needs root");
        return err_next(err, "run it as root, or with --rootless");
    }
    return 0;
}

// Into the user namespace, and once more from the start there. Returns only on failure.
static int enter(const struct command_line *line, int argc, char **argv, struct err *err) {
    char *warning auto_free = NULL;
    int rc = agent_enter_user_namespace(line->options.run_dir, &warning, err);
    if (rc < 0) return rc;
    if (warning) LOG_WARN("rootless", "cause=\"%s\"", warning);
    char **again = calloc((size_t)argc + 2, sizeof(*again));
    if (!again || fcntl(line->options.control_fd, F_SETFD, 0) < 0)
        return err_set(err, ERR_NO_SPACE, 0, "trine-agent", "cannot start again");
    for (int i = 0; i < argc; i++) again[i] = argv[i];
    again[argc] = (char[]){"--inside"};
    execv("/proc/self/exe", again);
    free(again);
    return err_os(err, errno, "trine-agent", "cannot execute itself again");
}

static int fail(const struct err *err) {
    err_print(err);
    return err_kind_exit(err->kind);
}

int main(int argc, char **argv) {
    struct err err = {0};
    struct command_line line = {
        .options = {.control_fd = -1, .daemon_uid = (uid_t)-1, .daemon_gid = (gid_t)-1}};
    log_setup("agent", LOG_LEVEL_INFO, false, STDERR_FILENO);
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        if (option == 'h') return fputs(usage, stdout) < 0;
        if (option == 'v') return puts("trine-agent " TRINE_VERSION) < 0;
        if (parse_option(option, optarg, &line, &err) < 0) break;
    }
    if (err.kind == ERR_NONE && optind < argc)
        err_set(&err, ERR_INVALID, 0, "command line", "%s is not an option", argv[optind]);
    if (err.kind == ERR_NONE) check_line(&line, &err);
    if (err.kind != ERR_NONE) {
        if (err.kind == ERR_INVALID) fputs(usage, stderr);
        return fail(&err);
    }
    if (line.options.rootless && !line.inside) {
        enter(&line, argc, argv, &err);
        return fail(&err);
    }
    return agent_run(&line.options, &err) < 0 ? fail(&err) : 0;
}
