// SPDX-License-Identifier: Apache-2.0
// trine-image: the role that works on the image store. A short-lived process: it opens what it was
// told to, gives up its rights, does one verb, and ends.
#include "execution/container/image/image.h"
#include "cmd/image_args.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "execution/container/image/report.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run {
    const struct args *args;
    struct image_store *store; // NULL for verbs that need none
    struct image_report *report;
    bool result_hidden;
    bool damaged; // verify found something
    char *result; // the verb's line of JSON; NULL: the verb wrote its output itself
};

static volatile int stop;

static void on_stop(int signo) {
    stop = signo;
}

static const char *const *names_of(const struct args *args) {
    return (const char *const *)args->names.items; // NULL while empty
}

static int open_input(const char *path, int *ret_fd, struct err *err) {
    *ret_fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                     : open(path, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? err_os(err, errno, path, "cannot open the input") : 0;
}

static int open_output(const char *path, int *ret_fd, struct err *err) {
    *ret_fd = strcmp(path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                                     : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return *ret_fd < 0 ? err_os(err, errno, path, "cannot open the output") : 0;
}

static int run_import(struct run *run, struct err *err) {
    auto_close int fd = -1;
    struct image_import_options options = IMAGE_IMPORT_OPTIONS_DEFAULT;
    const char *input = run->args->input ? run->args->input : "-";
    int r = open_input(input, &fd, err);
    if (r == 0) r = image_narrow(run->store, strcmp(input, "-") == 0 ? NULL : input, err);
    if (r < 0) return r;
    options.input_fd = fd;
    options.type = run->args->type;
    options.names = names_of(run->args);
    options.created_ns = run->args->created_ns;
    static const char *const shell[] = {"/bin/sh", NULL};
    options.cmd = shell;
    return image_import(run->store, &options, &run->result, err);
}

static int run_build_busybox(struct run *run, struct err *err) {
    const char *path = run->args->busybox ? run->args->busybox : "/bin/busybox";
    char *const list[] = {(char *)path, (char *)"--list-full", NULL};
    auto_free char *applets = NULL;
    struct stat st;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_os(err, errno, path, "cannot open busybox");
        return err_next(err, "apt install busybox-static, or name a static one with --busybox");
    }
    int code = process_run(list, 1 << 20, false, &applets, err);
    if (code < 0) return code;
    if (code > 0) return err_set(err, ERR_INVALID, 0, path, "it does not list its applets");
    int r = image_narrow(run->store, path, err);
    if (r < 0) return r;
    const struct image_busybox_options options = {
        .busybox_fd = fd,
        .applets = applets,
        .names = names_of(run->args),
        .created_ns = run->args->epoch_set ? run->args->created_ns : st.st_mtim.tv_sec * SEC_NS,
    };
    return image_build_busybox(run->store, &options, &run->result, err);
}

static int run_build_debian(struct run *run, struct err *err) {
    const struct image_debian_options options = {
        .suite = run->args->suite,
        .packages = (const char *const *)run->args->packages.items,
        .names = names_of(run->args),
        .created_ns = run->args->created_ns,
    };
    return image_build_debian(run->store, &options, &run->result, err);
}

static int run_export(struct run *run, struct err *err) {
    auto_close int fd = -1;
    const char *output = run->args->output ? run->args->output : "-";
    const struct args *args = run->args;
    if (!args->id) {
        err_set(err, ERR_INVALID, 0, "flag --id", "it is missing, and so is the operand");
        return err_next(err, "name the image to export; 'trine-image ls' shows what there is");
    }
    run->result_hidden = strcmp(output, "-") == 0; // the archive is on standard output
    if (run->result_hidden && isatty(STDOUT_FILENO) == 1) {
        err_set(err, ERR_INVALID, 0, "output", "an archive is not written to a terminal");
        return err_next(err, "name a file with --output, or redirect standard output");
    }
    int r = open_output(output, &fd, err);
    if (r == 0) r = image_narrow(run->store, NULL, err);
    if (r < 0) return r;
    const struct image_export_options options = {
        .id = args->id,
        .names = names_of(args),
        .format = args->format,
        .output_fd = fd,
    };
    return image_export(run->store, &options, &run->result, err);
}

static int run_pack(struct run *run, struct err *err) {
    auto_close int fd = open(run->args->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_os(err, errno, run->args->dir, "cannot open the directory");
    return image_pack(fd, STDOUT_FILENO, run->report, err);
}

static int run_verify(struct run *run, struct err *err) {
    size_t damaged = 0;
    int r = image_narrow(run->store, NULL, err);
    if (r == 0) r = image_verify(run->store, run->args->id, &damaged, &run->result, err);
    run->damaged = damaged > 0;
    return r;
}

static int run_ls(struct run *run, struct err *err) {
    int r = image_narrow(run->store, NULL, err);
    return r < 0 ? r : image_list(run->store, &run->result, err);
}

static int run_inspect(struct run *run, struct err *err) {
    int r = image_narrow(run->store, NULL, err);
    return r < 0 ? r : image_inspect(run->store, run->args->id, &run->result, err);
}

// One id a line; blank lines are fine.
static int read_ids(const char *path, struct strv *ret, struct err *err) {
    enum { KEEP_FILE_MAX = 64 << 20 };
    auto_free char *text = NULL;
    size_t size;
    char *save = NULL;
    int r = file_read(AT_FDCWD, path, KEEP_FILE_MAX, &text, &size, err);
    if (r < 0) return r;
    for (char *line = strtok_r(text, " \t\r\n", &save); line;
         line = strtok_r(NULL, " \t\r\n", &save))
        strv_add(ret, line);
    return 0;
}

static int run_sweep(struct run *run, struct err *err) {
    auto_strv struct strv keep = {0};
    if (!run->args->keep_file) {
        err_set(err, ERR_INVALID, 0, "flag --keep-file", "it is missing");
        return err_next(err, "name a file with the ids of the images to keep, one a line");
    }
    int r = read_ids(run->args->keep_file, &keep, err);
    if (r == 0) r = image_narrow(run->store, NULL, err);
    if (r < 0) return r;
    return image_sweep(run->store, (const char *const *)keep.items, keep.len, &run->result, err);
}

static int run_rootfs_usage(struct run *run, struct err *err) {
    auto_close int fd = open(run->args->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_os(err, errno, run->args->dir, "cannot open the directory");
    return image_usage(fd, &run->result, err);
}

static const struct verb verbs[] = {
    {"import", "", "take in an OCI layout, a docker archive or a root file system", OPERAND_NONE,
     false, run_import},
    {"build-busybox", "", "make an image out of a static busybox", OPERAND_NONE, false,
     run_build_busybox},
    {"build-debian", "", "make a small Debian system from the host's mirrors", OPERAND_NONE, false,
     run_build_debian},
    {"export", " [ID]", "write an image as a tar archive", OPERAND_ID_OPTIONAL, false, run_export},
    {"pack", " DIR", "write an OCI layout directory as a tar archive", OPERAND_DIR, true, run_pack},
    {"verify", " [ID]", "hash everything again and say what is damaged", OPERAND_ID_OPTIONAL, false,
     run_verify},
    {"ls", "", "list the records of all images", OPERAND_NONE, false, run_ls},
    {"inspect", " ID", "show one record", OPERAND_ID, false, run_inspect},
    {"sweep", "", "remove all images but those in a list, and what only they used", OPERAND_NONE,
     false, run_sweep},
    {"rootfs-usage", " DIR", "bytes and entries below a directory", OPERAND_DIR, true,
     run_rootfs_usage},
};

// SOURCE_DATE_EPOCH makes what is built repeatable.
static int find_time(struct args *args, struct err *err) {
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint64_t seconds;
    args->created_ns = clock_realtime(clock_system());
    if (!epoch || !*epoch) return 0;
    int r = text_parse_u64("variable SOURCE_DATE_EPOCH", epoch, 0, INT32_MAX, &seconds, err);
    if (r == 0) args->created_ns = (int64_t)seconds * SEC_NS;
    args->epoch_set = r == 0;
    return r;
}

static int run_verb(struct run *run, const struct verb *verb, struct err *err) {
    int r = 0;
    if (!verb->no_store)
        r = image_store_open(run->args->store, &run->args->options, run->report, &run->store, err);
    if (r == 0) r = verb->run(run, err);
    image_store_close(run->store);
    bool show = run->result && (!run->result_hidden || run->args->wire_fd > 0);
    if (r == 0 && show) report_result(run->report, run->result);
    free(run->result);
    return r;
}

static void catch_signals(void) {
    const struct sigaction action = {.sa_handler = on_stop}; // without SA_RESTART
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv) {
    struct args args = {.store = STORE_DEFAULT, .options = {.limits = IMAGE_LIMITS_DEFAULT}};
    struct err err = {0};
    struct report_text text;
    struct report_wire wire;
    const struct verb *verb = NULL;
    int r = image_args_parse(argc, argv, verbs, array_len(verbs), &args, &verb, &err);
    if (r > 0) return 0;
    report_text_init(&text, args.quiet, &stop);
    struct run run = {.args = &args, .report = &text.report};
    catch_signals();
    if (r == 0) r = find_time(&args, &err);
    if (args.wire_fd > 0) {
        int w = report_wire_init(&wire, args.wire_fd, &stop, r == 0 ? &err : NULL);
        if (w == 0) run.report = &wire.report;
        if (r == 0) r = w;
    }
    if (r == 0) r = run_verb(&run, verb, &err);
    if (r < 0) report_failure(run.report, &err);
    strv_free(&args.names);
    strv_free(&args.packages);
    if (r == 0 && run.damaged && args.wire_fd == 0) return err_kind_exit(ERR_CORRUPT);
    return r < 0 ? err_kind_exit(err.kind) : 0;
}
