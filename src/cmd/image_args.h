// SPDX-License-Identifier: Apache-2.0
// The command line of trine-image.
#ifndef TRINE_CMD_IMAGE_ARGS_H
#define TRINE_CMD_IMAGE_ARGS_H

#include "base/vec.h"
#include "execution/container/image/image.h"

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

struct run;

enum operand { OPERAND_NONE, OPERAND_ID, OPERAND_ID_OPTIONAL, OPERAND_DIR };

struct verb {
    const char *name, *operand_word, *summary;
    enum operand operand;
    bool no_store;
    int (*run)(struct run *run, struct err *err);
};

// 0; 1: help or the version was shown. *ret_verb is one of `verbs`. What args points to lives in
// argv.
int image_args_parse(int argc, char **argv, const struct verb *verbs, size_t n_verbs,
                     struct args *args, const struct verb **ret_verb, struct err *err);

#endif
