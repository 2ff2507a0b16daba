// SPDX-License-Identifier: Apache-2.0
// trine-shim: the supervisor of one container, started by the agent with its first control
// connection as descriptor 3 and the container's bundle as current directory.
#include "base/log.h"
#include "base/text.h"
#include "execution/container/container.h"
#include "execution/container/supervisor.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONTROL_FD 3

static const char usage[] =
    "usage: trine-shim --id ID --dir DIR --log FILE --cgroup PATH [--log-max BYTES]\n"
    "                  [--log-files N] [--log-gid GID] [--terminal] [--stdin]\n"
    "\n"
    "Supervises one container. Trine's agent starts it, in the directory of the bundle and with\n"
    "a control connection as descriptor 3.\n";

static const struct option long_options[] = {
    {"id", required_argument, NULL, 'i'},
    {"dir", required_argument, NULL, 'd'},
    {"log", required_argument, NULL, 'l'},
    {"log-max", required_argument, NULL, 'm'},
    {"log-files", required_argument, NULL, 'n'},
    {"log-gid", required_argument, NULL, 'g'},
    {"cgroup", required_argument, NULL, 'c'},
    {"terminal", no_argument, NULL, 't'},
    {"stdin", no_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int parse_option(int option, const char *value, struct supervisor_options *o,
                        struct err *err) {
    uint64_t number = 0;
    int rc = 0;
    switch (option) {
    case 'i':
        o->id = value;
        break;
    case 'd':
        o->dir = value;
        break;
    case 'l':
        o->log_path = value;
        break;
    case 'c':
        o->cgroup = value;
        break;
    case 't':
        o->terminal = true;
        break;
    case 's':
        o->input = true;
        break;
    case 'm':
        rc = text_parse_u64("--log-max", value, 0, UINT64_MAX, &o->log_max_bytes, err);
        break;
    case 'n':
        rc = text_parse_u64("--log-files", value, 0, 1000, &number, err);
        o->log_files = (unsigned)number;
        break;
    case 'g':
        rc = text_parse_u64("--log-gid", value, 0, UINT32_MAX - 1, &number, err);
        o->log_gid = (gid_t)number;
        break;
    default:
        rc = err_set(err, ERR_INVALID, 0, "command line", "an option is not known");
    }
    return rc;
}

static int check_options(const struct supervisor_options *o, struct err *err) {
    if (!o->id || !*o->id || !o->dir || !o->log_path || !o->cgroup || !*o->cgroup)
        return err_set(err, ERR_INVALID, 0, "command line",
                       "--id, --dir, --log and --cgroup are needed");
    if (o->dir[0] != '/' || o->log_path[0] != '/')
        return err_set(err, ERR_INVALID, 0, "command line", "--dir and --log are absolute paths");
    int rc = fd_set_cloexec(CONTROL_FD, true);
    if (rc < 0) return err_os(err, -rc, "descriptor 3", "there is no control connection");
    return 0;
}

static int fail(struct err *err) {
    err_print(err);
    return err_kind_exit(err->kind);
}

int main(int argc, char **argv) {
    struct err err = {0};
    log_setup("shim", LOG_LEVEL_INFO, false, STDERR_FILENO);
    if (container_seal_self(argv, &err) < 0) return fail(&err);
    struct supervisor_options options = {.control = CONTROL_FD, .log_gid = (gid_t)-1};
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        if (option == 'h') return fputs(usage, stdout) < 0;
        if (parse_option(option, optarg, &options, &err) < 0) break;
    }
    if (err.kind == ERR_NONE && optind < argc)
        err_set(&err, ERR_INVALID, 0, "command line", "%s is not an option", argv[optind]);
    if (err.kind == ERR_NONE) check_options(&options, &err);
    if (err.kind != ERR_NONE) {
        fputs(usage, stderr);
        return fail(&err);
    }
    return supervisor_run(&options, &err) < 0 ? fail(&err) : 0;
}
