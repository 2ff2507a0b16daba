// SPDX-License-Identifier: Apache-2.0
// trine-image: the role that works on the image store. A short-lived process: it opens what it was
// told to, gives up its rights, does one verb, and ends.
#include "execution/container/image/image.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "execution/container/image/report.h"
#include "host/file.h"
#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_DEFAULT "/var/lib/trine/image"

struct args {
    const char *store, *input, *output, *id, *suite, *busybox, *keep_file, *dir;
    struct strv names, packages;
    enum image_type type;
    enum image_format format;
    struct image_store_options options;
    bool quiet;
    int wire_fd; // 0: none
    int64_t created_ns;
    bool epoch_set; // created_ns was given, not read from the clock
};

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

static const char *first_name(const struct args *args) {
    return args->names.len > 0 ? args->names.items[0] : NULL;
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
    options.name = first_name(run->args);
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
        .name = first_name(run->args),
        .created_ns = run->args->epoch_set ? run->args->created_ns : st.st_mtim.tv_sec * SEC_NS,
    };
    return image_build_busybox(run->store, &options, &run->result, err);
}

static int run_build_debian(struct run *run, struct err *err) {
    const struct image_debian_options options = {
        .suite = run->args->suite,
        .packages = (const char *const *)run->args->packages.items,
        .name = first_name(run->args),
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
        .names = args->names.len > 0 ? (const char *const *)args->names.items : NULL,
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

enum operand { OPERAND_NONE, OPERAND_ID, OPERAND_ID_OPTIONAL, OPERAND_DIR };

enum flag {
    FLAG_STORE = 256,
    FLAG_MODE,
    FLAG_MAX_BYTES,
    FLAG_MAX_ENTRIES,
    FLAG_MAX_RATIO,
    FLAG_QUIET,
    FLAG_HELP,
    FLAG_VERSION,
    FLAG_INPUT,
    FLAG_TYPE,
    FLAG_NAME,
    FLAG_KEEP_FILE,
    FLAG_BUSYBOX,
    FLAG_SUITE,
    FLAG_PACKAGE,
    FLAG_ID,
    FLAG_FORMAT,
    FLAG_OUTPUT,
    FLAG_WIRE,
};

struct flag_info {
    const char *name, *value, *help;
    enum flag flag;
    const char *verbs; // "|verb|verb|"; NULL: all
};
#define IMPORTS "|import|build-busybox|build-debian|"
#define NAMERS IMPORTS "export|"
static const struct flag_info flags[] = {
    {"store", "DIR", "the image store (" STORE_DEFAULT ")", FLAG_STORE, NULL},
    {"mode", "WORD", "auto, root, userns or plain: which rights to count on", FLAG_MODE, NULL},
    {"max-bytes", "SIZE", "unpacked content at most (64G)", FLAG_MAX_BYTES, IMPORTS},
    {"max-entries", "N", "files at most (10000000)", FLAG_MAX_ENTRIES, IMPORTS},
    {"max-ratio", "N", "unpacked to packed size of a layer at most (1100)", FLAG_MAX_RATIO,
     IMPORTS},
    {"wire", "FD", "tell the agent, on this connection, instead of people", FLAG_WIRE, NULL},
    {"quiet", NULL, "no progress", FLAG_QUIET, NULL},
    {"help", NULL, "this text", FLAG_HELP, NULL},
    {"version", NULL, "the version", FLAG_VERSION, NULL},
    {"input", "FILE", "file or directory to read, - for standard input", FLAG_INPUT, "|import|"},
    {"type", "WORD", "auto, oci, docker or rootfs; for export as --format", FLAG_TYPE,
     "|import|export|"},
    {"name", "NAME", "name to note in the record", FLAG_NAME, NAMERS},
    {"keep-file", "FILE", "ids of the images to keep, one a line", FLAG_KEEP_FILE, "|sweep|"},
    {"busybox", "PATH", "the static program (/bin/busybox)", FLAG_BUSYBOX, "|build-busybox|"},
    {"suite", "NAME", "the distribution's suite: bookworm, trixie, sid", FLAG_SUITE,
     "|build-debian|"},
    {"package", "NAME", "a further package; may be repeated", FLAG_PACKAGE, "|build-debian|"},
    {"id", "ID", "the image: sha256:… or its first 12 digits", FLAG_ID, "|export|"},
    {"format", "WORD", "oci or docker (oci)", FLAG_FORMAT, "|export|"},
    {"output", "FILE", "file to write, - for standard output", FLAG_OUTPUT, "|export|"},
};

struct verb {
    const char *name, *operand_word, *summary;
    enum operand operand;
    bool no_store;
    int (*run)(struct run *run, struct err *err);
};
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

static bool flag_fits(const struct flag_info *info, const struct verb *verb) {
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "|%s|", verb ? verb->name : "");
    return !info->verbs || (verb && strstr(info->verbs, wanted));
}

static void print_help(const struct verb *verb) {
    if (verb)
        printf("usage: trine-image [--store DIR] %s%s [flags]\n%s\n\n", verb->name,
               verb->operand_word, verb->summary);
    else
        printf("usage: trine-image [--store DIR] VERB [flags]\nWorks on Trine's image store.\n\n");
    for (size_t i = 0; !verb && i < array_len(verbs); i++)
        printf("  %-14s %s\n", verbs[i].name, verbs[i].summary);
    printf("%sflags:\n", verb ? "" : "\n");
    for (size_t i = 0; i < array_len(flags); i++)
        if (flag_fits(&flags[i], verb))
            printf("  --%s%s%-*s %s\n", flags[i].name, flags[i].value ? " " : "",
                   (int)(18 - strlen(flags[i].name) - (flags[i].value != NULL)),
                   flags[i].value ? flags[i].value : "", flags[i].help);
    printf(
        "\nThe result is one line of JSON on standard output, progress goes to standard error.\n");
}

static int parse_mode(const char *word, enum image_mode *ret, struct err *err) {
    static const char *const words[] = {"auto", "root", "userns", "plain"};
    for (size_t i = 0; i < array_len(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum image_mode)i;
            return 0;
        }
    err_set(err, ERR_INVALID, 0, "flag --mode", "'%.40s' is not a mode", word);
    return err_next(err, "use auto, root, userns or plain");
}

static int take_flag(struct args *args, int flag, const char *value, struct err *err) {
    struct image_limits *limits = &args->options.limits;
    uint64_t fd;
    int r;
    switch (flag) {
    case FLAG_STORE:
        args->store = value;
        return 0;
    case FLAG_MODE:
        return parse_mode(value, &args->options.mode, err);
    case FLAG_MAX_BYTES:
        return text_parse_size("flag --max-bytes", value, &limits->max_bytes, err);
    case FLAG_MAX_ENTRIES:
        return text_parse_u64("flag --max-entries", value, 1, UINT32_MAX, &limits->max_entries,
                              err);
    case FLAG_MAX_RATIO:
        return text_parse_u64("flag --max-ratio", value, 1, UINT32_MAX, &limits->max_ratio, err);
    case FLAG_WIRE:
        r = text_parse_u64("flag --wire", value, 3, INT32_MAX, &fd, err);
        if (r == 0) args->wire_fd = (int)fd;
        return r;
    case FLAG_QUIET:
        args->quiet = true;
        return 0;
    case FLAG_INPUT:
        args->input = value;
        return 0;
    case FLAG_TYPE:
        if (image_type_parse(value, &args->type) == 0) {
            if (args->type == IMAGE_TYPE_DOCKER) args->format = IMAGE_FORMAT_DOCKER;
            return 0;
        }
        err_set(err, ERR_INVALID, 0, "flag --type", "'%.40s' is not a type", value);
        return err_next(err, "use auto, oci, docker or rootfs");
    case FLAG_NAME:
        strv_add(&args->names, value);
        return 0;
    case FLAG_KEEP_FILE:
        args->keep_file = value;
        return 0;
    case FLAG_BUSYBOX:
        args->busybox = value;
        return 0;
    case FLAG_SUITE:
        args->suite = value;
        return 0;
    case FLAG_PACKAGE:
        strv_add(&args->packages, value);
        return 0;
    case FLAG_ID:
        args->id = value;
        return 0;
    case FLAG_OUTPUT:
        args->output = value;
        return 0;
    case FLAG_FORMAT:
        args->format = strcmp(value, "docker") == 0 ? IMAGE_FORMAT_DOCKER : IMAGE_FORMAT_OCI;
        if (args->format == IMAGE_FORMAT_DOCKER || strcmp(value, "oci") == 0) return 0;
        err_set(err, ERR_INVALID, 0, "flag --format", "'%.40s' is not a format", value);
        return err_next(err, "use oci or docker");
    }
    return err_set(err, ERR_INTERNAL, 0, "trine-image", "flag %d has no meaning", flag);
}

static int bad_usage(const char *object, const char *cause, const struct verb *verb,
                     struct err *err) {
    err_set(err, ERR_INVALID, 0, object, "%s", cause);
    return err_next(err, "see trine-image %s%s--help", verb ? verb->name : "", verb ? " " : "");
}

static int take_operands(struct args *args, const struct verb *verb, char **operands, int n,
                         struct err *err) {
    int max = verb->operand != OPERAND_NONE;
    int min = verb->operand == OPERAND_ID || verb->operand == OPERAND_DIR;
    if (n > max) return bad_usage(operands[max], "one word too many", verb, err);
    if (n < min) return bad_usage(verb->name, "its operand is missing", verb, err);
    if (n == 0) return 0;
    if (verb->operand == OPERAND_DIR)
        args->dir = operands[0];
    else
        args->id = operands[0];
    return 0;
}

// 1: help or version was shown.
static int parse(int argc, char **argv, struct args *args, const struct verb **ret_verb,
                 struct err *err) {
    struct option options[array_len(flags) + 1] = {0};
    bool used[array_len(flags)] = {0}, help = false;
    for (size_t i = 0; i < array_len(flags); i++)
        options[i] =
            (struct option){flags[i].name, flags[i].value ? required_argument : no_argument, NULL,
                            flags[i].flag};
    opterr = 0;
    int c, at = 0;
    while ((c = getopt_long(argc, argv, ":hq", options, &at)) != -1) {
        if (c == ':') return bad_usage(argv[optind - 1], "it needs a value", NULL, err);
        if (c == '?') return bad_usage(argv[optind - 1], "unknown flag", NULL, err);
        if (c == 'q') {
            args->quiet = true;
            continue;
        }
        if (c == 'h' || c == FLAG_HELP) {
            help = true;
            continue;
        }
        if (c == FLAG_VERSION) return puts("trine-image " TRINE_VERSION), 1;
        used[at] = true;
        int r = take_flag(args, c, optarg, err);
        if (r < 0) return r;
    }
    const char *word = optind < argc ? argv[optind] : NULL;
    for (size_t i = 0; word && i < array_len(verbs); i++)
        if (strcmp(word, verbs[i].name) == 0) *ret_verb = &verbs[i];
    if (help) return print_help(*ret_verb), 1;
    if (!word) return bad_usage("trine-image", "a verb is missing", NULL, err);
    if (!*ret_verb) return bad_usage(word, "unknown verb", NULL, err);
    for (size_t i = 0; i < array_len(flags); i++)
        if (used[i] && !flag_fits(&flags[i], *ret_verb)) {
            char name[64];
            snprintf(name, sizeof(name), "flag --%s", flags[i].name);
            return bad_usage(name, "it does not belong to this verb", *ret_verb, err);
        }
    return take_operands(args, *ret_verb, argv + optind + 1, argc - optind - 1, err);
}

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
    int r = parse(argc, argv, &args, &verb, &err);
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
