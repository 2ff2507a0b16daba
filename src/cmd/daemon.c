// SPDX-License-Identifier: Apache-2.0
// trine-daemon: the control plane's role. Command line here, everything else in cloud/daemon.c.
#include "cloud/daemon.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "Usage: trine daemon [FLAGS]\n"
    "\n"
    "Serve the API, keep the state, and let the agent start what is wanted. Ends on SIGTERM; "
    "instances go on.\n"
    "As root it serves the machine, as anybody else that user alone.\n"
    "\n"
    "  --state DIR        where the state is kept (root: /var/lib/trine, else "
    "~/.local/share/trine)\n"
    "  --run DIR          where sockets are (root: /run/trine, else $XDG_RUNTIME_DIR/trine)\n"
    "  --background       return when the API answers, and go on as a daemon that logs to "
    "STATE/daemon.log\n"
    "  --log FILE         write the log there instead of standard error\n"
    "  --log-level LEVEL  debug, info (the default), warn, error, none\n"
    "  --log-json         one JSON object a line\n"
    "  --listen ADDR:PORT serve HTTPS too; needs --tls-cert, --tls-key and --tokens\n"
    "  --tls-cert FILE    certificate chain (PEM)\n"
    "  --tls-key FILE     private key (PEM)\n"
    "  --tokens FILE      who may use HTTPS: \"TOKEN USER\" a line, mode 0600\n"
    "  --ready-fd N       write a byte there and close it when the API answers\n"
    "  -h, --help         this text\n"
    "  --version          the version\n"
    "\n"
    "Examples:\n"
    "  trine daemon --background\n"
    "  trine daemon --state /srv/trine --listen 127.0.0.1:8443 --tls-cert c.pem --tls-key k.pem "
    "--tokens t\n";

struct flags {
    struct daemon_options daemon;
    const char *log_file;
    enum log_level level;
    bool json;
};

static int parse(int argc, char **argv, struct flags *f, struct err *err) {
    static const struct option options[] = {
        {"state", required_argument, NULL, 's'},     {"run", required_argument, NULL, 'r'},
        {"background", no_argument, NULL, 'b'},      {"log", required_argument, NULL, 'l'},
        {"log-level", required_argument, NULL, 'L'}, {"log-json", no_argument, NULL, 'j'},
        {"listen", required_argument, NULL, 'a'},    {"tls-cert", required_argument, NULL, 'c'},
        {"tls-key", required_argument, NULL, 'k'},   {"tokens", required_argument, NULL, 't'},
        {"ready-fd", required_argument, NULL, 'f'},  {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},         {0},
    };
    uint64_t number;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) >= 0;) {
        switch (c) {
        case 's':
            f->daemon.state_dir = optarg;
            break;
        case 'r':
            f->daemon.run_dir = optarg;
            break;
        case 'b':
            f->daemon.background = true;
            break;
        case 'l':
            f->log_file = optarg;
            break;
        case 'L':
            if (log_level_parse(optarg, &f->level) < 0)
                return err_set(err, ERR_INVALID, 0, "flag --log-level",
                               "\"%s\" is none of debug, info, warn, error, none", optarg);
            break;
        case 'j':
            f->json = true;
            break;
        case 'a':
            f->daemon.tls_listen = optarg;
            break;
        case 'c':
            f->daemon.tls_cert = optarg;
            break;
        case 'k':
            f->daemon.tls_key = optarg;
            break;
        case 't':
            f->daemon.tls_tokens = optarg;
            break;
        case 'f':
            if (text_parse_u64("flag --ready-fd", optarg, 0, 1023, &number, err) < 0)
                return err_code(err);
            f->daemon.ready_fd = (int)number;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        case 'v':
            puts("trine " TRINE_VERSION);
            exit(0);
        default:
            err_set(err, ERR_INVALID, 0, "command line", "a flag is not known, or has no value");
            return err_next(err, "'trine daemon --help' lists the flags");
        }
    }
    if (optind < argc)
        return err_set(err, ERR_INVALID, 0, argv[optind], "the daemon takes no arguments");
    bool tls = f->daemon.tls_cert && f->daemon.tls_key && f->daemon.tls_tokens;
    if (f->daemon.tls_listen && !tls)
        return err_set(err, ERR_INVALID, 0, "flag --listen",
                       "needs --tls-cert, --tls-key and --tokens");
    return 0;
}

// The parent returns when the child serves (exit 0), or passes on that it could not.
static int into_background(struct flags *f, struct err *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_os(err, errno, "daemon", "cannot go to the background");
    pid_t pid = fork();
    if (pid < 0) return err_os(err, errno, "daemon", "cannot go to the background");
    if (pid > 0) {
        char byte;
        close(ends[1]);
        bool ready = read(ends[0], &byte, 1) == 1;
        if (ready && f->daemon.ready_fd >= 0 && write(f->daemon.ready_fd, "1", 1) < 0)
            ready = false;
        exit(ready ? 0 : err_kind_exit(ERR_UNAVAILABLE)); // the child has said why
    }
    if (f->daemon.ready_fd >= 0) close(f->daemon.ready_fd);
    f->daemon.ready_fd = ends[1];
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
        close(null);
    }
    return 0;
}

int main(int argc, char **argv) {
    struct flags f = {.level = LOG_LEVEL_INFO, .daemon.ready_fd = -1};
    struct err err = {0};
    int rc = parse(argc, argv, &f, &err);
    if (rc == 0 && f.daemon.background) rc = into_background(&f, &err);
    if (rc == 0 && f.log_file) {
        int fd = open(f.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0 || dup2(fd, 2) < 0)
            rc = err_os(&err, errno, f.log_file, "cannot write the log there");
        if (fd > 2) close(fd);
    }
    log_setup("daemon", f.level, f.json, 2);
    if (rc == 0) rc = daemon_run(&f.daemon, &err);
    if (err.kind) err_print(&err);
    return err.kind ? err_kind_exit(err.kind) : rc;
}
