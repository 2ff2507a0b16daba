// SPDX-License-Identifier: Apache-2.0
// A Debian root file system from the mirrors of the host, by mmdebstrap.
//
//   mmdebstrap (the caller's rights) ── tar ──▶ child (narrowed) ── result ──▶ this process
//        └────────── messages ──────────────────────────────────────────────▶   │
//                                           child ◀── gate: it ended well ──────┘
//
// The child keeps nothing before the gate opens: a system that was cut short never shows.
#include "base/str.h"
#include "execution/container/image/apt_sources.h"
#include "execution/container/image/image.h"
#include "execution/container/image/manifest.h"
#include "execution/container/image/report.h"
#include "execution/container/image/store.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_LINES 6
#define LINE_MAX_LEN 512
#define RESULT_MAX ((size_t)16 << 20)
#define POLL_MS 250

struct debian {
    struct image_store *store;
    struct image_report *report;
    const struct image_debian_options *options;
    int tar[2], messages[2], gate[2], result[2]; // pipes: read end, write end
    pid_t bootstrap, child;
    char line[LINE_MAX_LEN];
    size_t line_len;
    char last[LAST_LINES][LINE_MAX_LEN]; // a ring of its latest words
    unsigned n_lines;
    bool unknown_suite;
};

static void close_end(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_pipes(struct debian *d) {
    int *pipes[] = {d->tar, d->messages, d->gate, d->result};
    for (size_t i = 0; i < array_len(pipes); i++) {
        close_end(&pipes[i][0]);
        close_end(&pipes[i][1]);
    }
}

static bool word_ok(const char *word, const char *extra) {
    static const char base[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    if (!*word || strlen(word) > 128 || *word == '-' || *word == '.') return false;
    for (const char *p = word; *p; p++)
        if (!strchr(base, *p) && !strchr(extra, *p)) return false;
    return true;
}

static int check_options(const struct image_debian_options *options, struct err *err) {
    if (!options->suite || !word_ok(options->suite, "")) {
        err_set(err, ERR_INVALID, 0, "flag --suite", "'%.60s' is not a suite's name",
                options->suite ? options->suite : "");
        return err_next(err,
                        "name one of the distribution's suites: stable, bookworm, trixie, sid");
    }
    for (size_t i = 0; options->packages && options->packages[i]; i++)
        if (!word_ok(options->packages[i], "+:=~")) {
            err_set(err, ERR_INVALID, 0, "flag --package", "'%.60s' is not a package's name",
                    options->packages[i]);
            return err_next(err, "repeat the flag for each package: --package curl --package jq");
        }
    return 0;
}

// What the host's apt needs to reach its mirrors and mmdebstrap's own configuration would lose.
static void add_apt_options(struct strv *argv) {
    static const char *const kept[] = {"Acquire::http::", "Acquire::https::", "Acquire::Check-",
                                       "Acquire::Retries"};
    char *const command[] = {(char *)"apt-config", (char *)"dump", NULL};
    auto_free char *text = NULL;
    char *save = NULL;
    if (process_run(command, 1 << 20, false, &text, NULL) != 0 || !text) return;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        for (size_t i = 0; i < array_len(kept); i++)
            if (str_starts(line, kept[i])) strv_printf(argv, "--aptopt=%s", line);
}

static int make_argv(const struct image_debian_options *options, struct strv *argv,
                     struct err *err) {
    auto_str struct str packages = {0};
    auto_strv struct strv sources = {0};
    int r = apt_sources_read(options->suite, &sources, err);
    if (r < 0) return r;
    strv_add(argv, "mmdebstrap");
    strv_add(argv, "--variant=minbase");
    strv_add(argv, "--format=tar");
    for (size_t i = 0; options->packages && options->packages[i]; i++)
        str_printf(&packages, "%s%s", i > 0 ? "," : "", options->packages[i]);
    if (packages.len > 0) strv_printf(argv, "--include=%s", packages.data);
    add_apt_options(argv);
    // The host's own: its name, its resolver, how its apt reaches the mirror.
    strv_add(argv, "--customize-hook=rm -f \"$1/etc/resolv.conf\" \"$1/etc/hostname\" "
                   "\"$1/etc/apt/apt.conf.d/99mmdebstrap\"");
    strv_add(argv, options->suite);
    strv_add(argv, "-");
    for (size_t i = 0; i < sources.len; i++) strv_add(argv, sources.items[i]);
    return 0;
}

static int make_pipes(struct debian *d, struct err *err) {
    if (pipe2(d->tar, O_CLOEXEC) == 0 && pipe2(d->messages, O_CLOEXEC) == 0 &&
        pipe2(d->gate, O_CLOEXEC) == 0 && pipe2(d->result, O_CLOEXEC) == 0)
        return 0;
    return err_os(err, errno, "mmdebstrap", "cannot make pipes");
}

static int start_bootstrap(struct debian *d, struct err *err) {
    auto_strv struct strv argv = {0};
    int r = make_argv(d->options, &argv, err);
    if (r < 0) return r;
    const struct process_fd fds[] = {{d->tar[1], STDOUT_FILENO}, {d->messages[1], STDERR_FILENO}};
    const struct process_spec spec = {.argv = argv.items,
                                      .fds = fds,
                                      .n_fds = array_len(fds),
                                      .new_session = true,
                                      .die_with_parent = true};
    r = process_spawn(&spec, &d->bootstrap, NULL, err);
    close_end(&d->tar[1]);
    close_end(&d->messages[1]);
    if (r == -ENOENT) {
        err_clear(err);
        err_set(err, ERR_UNSUPPORTED, 0, "mmdebstrap", "the program is not installed");
        return err_next(err, "apt install mmdebstrap");
    }
    return r;
}

// The child's whole life. Its outcome goes to the pipe: one byte of kind, then the record or the
// struct err as it is in memory, for the same program reads it.
static _Noreturn void run_child(struct debian *d) {
    struct err err = {0};
    auto_free char *json = NULL;
    auto_free char *name = mem_printf("debian:%s", d->options->suite);
    auto_free char *comment = mem_printf("Debian %s", d->options->suite);
    const char *const names[] = {name, NULL};
    static const char *const shell[] = {"/bin/bash", NULL};
    struct image_import_options options = IMAGE_IMPORT_OPTIONS_DEFAULT;
    close_end(&d->gate[1]);
    close_end(&d->result[0]);
    close_end(&d->messages[0]);
    options.input_fd = d->tar[0];
    options.type = IMAGE_TYPE_ROOTFS;
    options.names = d->options->names ? d->options->names : names;
    options.created_ns = d->options->created_ns;
    options.comment = comment;
    options.cmd = shell;
    options.gate_fd = d->gate[0];
    int r = image_narrow(d->store, NULL, &err);
    if (r == 0) r = image_import(d->store, &options, &json, &err);
    image_store_close(d->store);
    const char kind = r == 0 ? '+' : '-';
    file_write_all(d->result[1], &kind, 1);
    if (r == 0)
        file_write_all(d->result[1], json, strlen(json));
    else
        file_write_all(d->result[1], &err, sizeof(err));
    _exit(r == 0 ? 0 : 1);
}

static int start_child(struct debian *d, struct err *err) {
    fflush(NULL);
    d->child = fork();
    if (d->child < 0) return err_os(err, errno, "mmdebstrap", "cannot start a process");
    if (d->child == 0) run_child(d);
    close_end(&d->tar[0]);
    close_end(&d->gate[0]);
    close_end(&d->result[1]);
    return 0;
}

// "I: installing essential packages..." is a step; other lines are kept for the case of failure.
static void take_line(struct debian *d) {
    char *line = d->line;
    bool step = d->line_len > 3 && memcmp(line + d->line_len - 3, "...", 3) == 0;
    while (d->line_len > 0 && strchr(".\r ", line[d->line_len - 1])) d->line_len--;
    line[d->line_len] = '\0';
    d->line_len = 0;
    if (!*line) return;
    if (str_starts(line, "I: ")) {
        if (step) report_progress(d->report, line + 3, 0, 0);
        return;
    }
    if (strcmp(line, "done") == 0) return;
    if (strstr(line, "does not have a Release file") || strstr(line, "404  Not Found"))
        d->unknown_suite = true;
    snprintf(d->last[d->n_lines++ % LAST_LINES], LINE_MAX_LEN, "%s", line);
}

static void take_bytes(struct debian *d, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            take_line(d);
        else if (d->line_len < LINE_MAX_LEN - 1)
            d->line[d->line_len++] = (unsigned char)bytes[i] < ' ' ? ' ' : bytes[i];
    }
}

// Until mmdebstrap closes its messages. Its exit code, or -ECANCELED.
static int follow_bootstrap(struct debian *d) {
    char block[4096];
    for (;;) {
        struct pollfd poll_fd = {.fd = d->messages[0], .events = POLLIN};
        if (report_cancelled(d->report)) return -ECANCELED;
        if (poll(&poll_fd, 1, POLL_MS) <= 0) continue;
        ssize_t n = file_read_some(d->messages[0], block, sizeof(block));
        if (n <= 0) break;
        take_bytes(d, block, (size_t)n);
    }
    take_line(d);
    int code = process_wait(d->bootstrap);
    d->bootstrap = -1;
    return code;
}

static int bootstrap_failed(struct debian *d, int code, struct err *err) {
    auto_str struct str words = {0};
    unsigned first = d->n_lines > LAST_LINES ? d->n_lines - LAST_LINES : 0;
    for (unsigned i = first; i < d->n_lines; i++)
        str_printf(&words, "%s%s", i > first ? " | " : "", d->last[i % LAST_LINES]);
    const char *text = str_text(&words);
    size_t len = strlen(text), most = 380; // the end says most
    if (len > most) text += len - most;
    err_clear(err);
    if (d->unknown_suite) {
        err_set(err, ERR_NOT_FOUND, 0, "suite", "the mirrors of this host have no '%s': %s",
                d->options->suite, text);
        return err_next(err, "check its name, and the mirrors in /etc/apt/sources.list(.d)");
    }
    err_set(err, ERR_IO, 0, "mmdebstrap", "it failed with exit code %d: %s", code, text);
    return err_next(err, "run it alone to see more: mmdebstrap --variant=minbase %s /dev/null",
                    d->options->suite);
}

// 0 and the record, or the child's error.
static int read_result(struct debian *d, char **ret_json, struct err *err) {
    auto_str struct str got = {0};
    char block[65536];
    ssize_t n;
    while ((n = file_read_some(d->result[0], block, sizeof(block))) > 0 && got.len < RESULT_MAX)
        str_add_n(&got, block, (size_t)n);
    process_wait(d->child);
    d->child = -1;
    if (!got.failed && got.len > 1 && got.data[0] == '+') {
        *ret_json = mem_strndup(got.data + 1, got.len - 1);
        return 0;
    }
    if (!got.failed && got.len == 1 + sizeof(struct err) && got.data[0] == '-') {
        struct err theirs;
        memcpy(&theirs, got.data + 1, sizeof(theirs));
        if (err) *err = theirs;
        return err_code(&theirs);
    }
    return err_set(err, ERR_INTERNAL, 0, "import", "the unpacking process died");
}

// When the unpacking stopped first, mmdebstrap only failed for it.
static bool is_own_failure(const struct err *err) {
    return err->kind != ERR_CORRUPT && err->kind != ERR_CANCELLED;
}

static int finish(struct debian *d, int code, char **ret_json, struct err *err) {
    struct err theirs = {0};
    if (code == 0) file_write_all(d->gate[1], "+", 1);
    close_end(&d->gate[1]);
    int r = read_result(d, ret_json, &theirs);
    if (code == -ECANCELED)
        return err_set(err, ERR_CANCELLED, 0, "mmdebstrap", "the work was stopped on request");
    if (r < 0 && (code == 0 || is_own_failure(&theirs))) {
        if (err) *err = theirs;
        return r;
    }
    return code == 0 ? r : bootstrap_failed(d, code, err);
}

static void stop_bootstrap(struct debian *d) {
    if (d->bootstrap <= 0) return;
    kill(-d->bootstrap, SIGTERM); // its whole session; it cleans up its own mounts
    process_wait(d->bootstrap);
    d->bootstrap = -1;
}

static void stop_all(struct debian *d) {
    stop_bootstrap(d);
    close_pipes(d);
    if (d->child > 0) process_wait(d->child);
}

int image_build_debian(struct image_store *store, const struct image_debian_options *options,
                       char **ret_json, struct err *err) {
    struct debian d = {.store = store,
                       .report = store->report,
                       .options = options,
                       .tar = {-1, -1},
                       .messages = {-1, -1},
                       .gate = {-1, -1},
                       .result = {-1, -1},
                       .bootstrap = -1,
                       .child = -1};
    int r = check_options(options, err);
    if (r == 0) r = make_pipes(&d, err);
    if (r == 0) r = start_bootstrap(&d, err);
    if (r == 0) r = start_child(&d, err);
    if (r == 0) {
        int code = follow_bootstrap(&d);
        stop_bootstrap(&d); // only when it was cancelled
        r = finish(&d, code, ret_json, err);
    }
    stop_all(&d);
    return r;
}
