// SPDX-License-Identifier: Apache-2.0
#include "cmd/image_args.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

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
    {"name", "NAME", "name to note in the record; may be repeated", FLAG_NAME, NAMERS},
    {"keep-file", "FILE", "ids of the images to keep, one a line", FLAG_KEEP_FILE, "|sweep|"},
    {"busybox", "PATH", "the static program (/bin/busybox)", FLAG_BUSYBOX, "|build-busybox|"},
    {"suite", "NAME", "the distribution's suite: bookworm, trixie, sid", FLAG_SUITE,
     "|build-debian|"},
    {"package", "NAME", "a further package; may be repeated", FLAG_PACKAGE, "|build-debian|"},
    {"id", "ID", "the image: sha256:… or its first 12 digits", FLAG_ID, "|export|"},
    {"format", "WORD", "oci or docker (oci)", FLAG_FORMAT, "|export|"},
    {"output", "FILE", "file to write, - for standard output", FLAG_OUTPUT, "|export|"},
};

static bool flag_fits(const struct flag_info *info, const struct verb *verb) {
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "|%s|", verb ? verb->name : "");
    return !info->verbs || (verb && strstr(info->verbs, wanted));
}

static void print_help(const struct verb *verbs, size_t n_verbs, const struct verb *verb) {
    if (verb)
        printf("usage: trine-image [--store DIR] %s%s [flags]\n%s\n\n", verb->name,
               verb->operand_word, verb->summary);
    else
        printf("usage: trine-image [--store DIR] VERB [flags]\nWorks on Trine's image store.\n\n");
    for (size_t i = 0; !verb && i < n_verbs; i++)
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

int image_args_parse(int argc, char **argv, const struct verb *verbs, size_t n_verbs,
                     struct args *args, const struct verb **ret_verb, struct err *err) {
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
    for (size_t i = 0; word && i < n_verbs; i++)
        if (strcmp(word, verbs[i].name) == 0) *ret_verb = &verbs[i];
    if (help) return print_help(verbs, n_verbs, *ret_verb), 1;
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
