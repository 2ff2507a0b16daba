// SPDX-License-Identifier: Apache-2.0
// What the container runtime is given: the first byte chooses. 'u' a user's word, a line feed, and the
// image's passwd file, which serves as its group file too; else a config.json, whose mounts are read
// as well.
#include "base/mem.h"
#include "execution/container/mount_option.h"
#include "execution/container/user.h"
#include "fuzz.h"

#include <stdlib.h>

static void try_user(const char *text, size_t size) {
    auto_free char *word = mem_try_dup(text, size);
    char *files = word ? strchr(word, '\n') : NULL;
    if (!files) return;
    *files++ = 0;
    struct user user;
    struct err err = {0};
    int r = user_resolve(word, files, files, &user, &err);
    if (r < 0 ? err.kind == ERR_NONE : user.uid == (uid_t)-1 || user.gid == (gid_t)-1) abort();
    char home[64] = "";
    if (user_home(files, 0, home, sizeof(home)) && !strstr(files, home))
        abort(); // a home is always text of the file
}

static void try_config(const char *json, size_t size) {
    struct oci_spec *spec = NULL;
    struct err err = {0};
    if (oci_spec_parse(json, size, &spec, &err) < 0) {
        if (err.kind == ERR_NONE || !err.cause[0] || spec) abort(); // a refusal says why
        return;
    }
    if (!spec->oci_version) abort();
    for (size_t i = 0; i < spec->mounts.len; i++) {
        struct mount_options options;
        (void)mount_options_parse(&spec->mounts.items[i], spec->arena, &options, &err);
    }
    oci_spec_free(spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (data[0] == 'u')
        try_user((const char *)data + 1, size - 1);
    else
        try_config((const char *)data + 1, size - 1);
    return 0;
}
