// SPDX-License-Identifier: Apache-2.0
#include "cloud/agent/image_arguments.h"

#include "base/str.h"
#include "base/text.h"
#include "wire/layout.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@"
#define SUITE_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"
#define PACKAGE_CHARS "abcdefghijklmnopqrstuvwxyz0123456789+.:-"

enum stream {
    STREAM_NONE,
    STREAM_INPUT,  // comes with the request
    STREAM_OUTPUT, // comes with the request
    STREAM_KEEP,   // made by the agent: too long for a command line
};
enum field {
    FIELD_TYPE = 1,
    FIELD_NAMES = 2,
    FIELD_ID = 4,
    FIELD_SUITE = 8,
    FIELD_PACKAGES = 16,
    FIELD_KEEP = 32
};

static const struct verb {
    const char *word;
    enum stream stream;
    unsigned fields; // that it may have, of enum field
    const char *types[5];
} verbs[] = {
    {"import", STREAM_INPUT, FIELD_TYPE | FIELD_NAMES, {"auto", "oci", "docker", "rootfs"}},
    {"build-busybox", STREAM_NONE, FIELD_NAMES, {NULL}},
    {"build-debian", STREAM_NONE, FIELD_NAMES | FIELD_SUITE | FIELD_PACKAGES, {NULL}},
    {"export", STREAM_OUTPUT, FIELD_TYPE | FIELD_NAMES | FIELD_ID, {"oci", "docker"}},
    {"sweep", STREAM_KEEP, FIELD_KEEP, {NULL}},
    {"verify", STREAM_NONE, FIELD_ID, {NULL}},
};

static const struct verb *find_verb(const char *word) {
    for (size_t i = 0; i < array_len(verbs); i++)
        if (str_same(verbs[i].word, word)) return &verbs[i];
    return NULL;
}

static unsigned fields_of(const struct wire_agent_image_job *job) {
    return (job->type[0] ? FIELD_TYPE : 0) | (job->names.count ? FIELD_NAMES : 0) |
           (job->id[0] ? FIELD_ID : 0) | (job->suite[0] ? FIELD_SUITE : 0) |
           (job->packages.count ? FIELD_PACKAGES : 0) | (job->keep.count ? FIELD_KEEP : 0);
}

// What goes on a command line that may reach a package manager: known characters, no option.
static int check_word(const char *what, const char *word, const char *chars, struct err *err) {
    size_t n = strlen(word);
    if (n >= 1 && n <= 255 && word[0] != '-' && strspn(word, chars) == n) return 0;
    return err_set(err, ERR_INVALID, 0, what, "\"%.64s\" is not possible", word);
}

static int check_words(const char *what, struct wire_strings list, const char *chars,
                       struct err *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        rc = check_word(what, list.items[i], chars, err);
    return rc;
}

static int check_image_id(const char *id, struct err *err) {
    if (str_starts(id, "sha256:") && strlen(id) == 71 && strspn(id + 7, "0123456789abcdef") == 64)
        return 0;
    return err_set(err, ERR_INVALID, 0, "image id", "\"%.80s\" is not sha256: and 64 digits", id);
}

static int check_type(const struct verb *verb, const char *type, struct err *err) {
    if (!type[0]) return 0;
    for (size_t i = 0; verb->types[i]; i++)
        if (str_same(verb->types[i], type)) return 0;
    return err_set(err, ERR_INVALID, 0, "image type", "\"%.32s\" is not known to %s", type,
                   verb->word);
}

static int check_job(const struct verb *verb, const struct wire_agent_image_job *job, size_t n_fds,
                     struct err *err) {
    if (fields_of(job) & ~verb->fields)
        return err_set(err, ERR_INVALID, 0, "image job", "it has fields that %s does not know",
                       verb->word);
    if (n_fds != (verb->stream == STREAM_INPUT || verb->stream == STREAM_OUTPUT ? 1 : 0))
        return err_set(err, ERR_INVALID, 0, "image job", "%s came with %zu descriptors", verb->word,
                       n_fds);
    if (verb->stream == STREAM_OUTPUT && !job->id[0])
        return err_set(err, ERR_INVALID, 0, "image job", "export needs the id of an image");
    int rc = check_type(verb, job->type, err);
    if (rc == 0) rc = check_words("image name", job->names, NAME_CHARS, err);
    if (rc == 0) rc = check_words("package", job->packages, PACKAGE_CHARS, err);
    if (rc == 0 && job->suite[0]) rc = check_word("suite", job->suite, SUITE_CHARS, err);
    if (rc == 0 && job->id[0]) rc = check_image_id(job->id, err);
    for (size_t i = 0; rc == 0 && i < job->keep.count; i++)
        rc = check_image_id(job->keep.items[i], err);
    return rc;
}

static void add_option(struct strv *argv, const char *option, const char *value) {
    strv_add(argv, option);
    strv_add(argv, value);
}

static void add_options(struct strv *argv, const char *option, struct wire_strings values) {
    for (size_t i = 0; i < values.count; i++) add_option(argv, option, values.items[i]);
}

int image_arguments(const struct wire_agent_image_job *job, const char *state_dir, size_t n_fds,
                    struct strv *argv, struct image_stream *ret_stream, struct err *err) {
    const struct verb *verb = find_verb(job->verb);
    if (!verb)
        return err_set(err, ERR_UNSUPPORTED, 0, "image job", "there is no verb \"%.32s\"",
                       job->verb);
    int rc = check_job(verb, job, n_fds, err);
    if (rc < 0) return rc;
    strv_add(argv, "trine-image");
    strv_add(argv, "--store");
    strv_printf(argv, "%s/" LAYOUT_IMAGES, state_dir);
    strv_add(argv, verb->word);
    strv_add(argv, "--wire");
    strv_printf(argv, "%d", IMAGE_WIRE_FD);
    if (verb->stream == STREAM_INPUT) add_option(argv, "--input", "-");
    if (verb->stream == STREAM_OUTPUT) add_option(argv, "--output", "-");
    if (job->type[0])
        add_option(argv, verb->stream == STREAM_OUTPUT ? "--format" : "--type", job->type);
    add_options(argv, "--name", job->names);
    if (job->suite[0]) add_option(argv, "--suite", job->suite);
    add_options(argv, "--package", job->packages);
    if (verb->stream == STREAM_KEEP) add_option(argv, "--keep-file", "/dev/stdin");
    if (job->id[0] && verb->stream == STREAM_OUTPUT)
        add_option(argv, "--id", job->id);
    else if (job->id[0])
        strv_add(argv, job->id);
    *ret_stream = (struct image_stream){.fd = -1,
                                        .to = verb->stream == STREAM_OUTPUT ? 1 : 0,
                                        .keep_list = verb->stream == STREAM_KEEP};
    return 0;
}
