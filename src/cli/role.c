// SPDX-License-Identifier: Apache-2.0
#include "cli/role.h"

#include "base/mem.h"
#include "base/vec.h"
#include "host/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Later releases bring what is not there yet: the word is known all the same, so that the answer to
// it is clear.
static const struct {
    const char *command, *program;
    bool later;
} roles[] = {
    {"daemon", "trine-daemon", false}, {"agent", "trine-agent", false},
    {"oci", "trine-oci", false},       {"shim", "trine-shim", false},
    {"vmm", "trine-vmm", true},        {"store", "trine-store", true},
    {"switch", "trine-switch", true},  {"lang", "trine-lang", true},
};

const char *role_of(const char *command) {
    for (size_t i = 0; i < array_len(roles); i++)
        if (strcmp(roles[i].command, command) == 0) return roles[i].program;
    return NULL;
}

static int absent(const char *program, struct err *err) {
    for (size_t i = 0; i < array_len(roles); i++) {
        if (strcmp(roles[i].program, program) != 0 || !roles[i].later) continue;
        err_set(err, ERR_UNSUPPORTED, 0, program, "this release does not have this role yet");
        return err_next(err, "see what this host can do with: trine doctor");
    }
    err_set(err, ERR_UNSUPPORTED, 0, program, "the program is not installed");
    return err_next(err, "install Trine completely, or name its folder in TRINE_LIBEXEC");
}

int role_exec(const char *program, int argc, char *const *argv, struct err *err) {
    char path[4096];
    if (!process_role_path(program, path, sizeof(path))) return absent(program, err);
    auto_strv struct strv words = {0};
    strv_add(&words, program);
    for (int i = 0; i < argc; i++) strv_add(&words, argv[i]);
    execv(path, words.items);
    return err_os(err, errno, program, "cannot start %s", path);
}
