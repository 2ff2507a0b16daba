// SPDX-License-Identifier: Apache-2.0
#include "cloud/tokens.h"

#include "base/text.h"
#include "base/vec.h"
#include "cloud/sha256.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

struct token {
    uint8_t hash[SHA256_SIZE];
    char user[NAME_MAX_LEN + 1];
};

struct tokens {
    VEC(struct token) all;
};

static int add_line(struct tokens *tokens, const char *path, int number, char *line,
                    struct err *err) {
    char *rest = line;
    const char *token = strsep(&rest, " \t");
    if (!*token || *token == '#') return 0;
    const char *user = rest ? rest + strspn(rest, " \t") : "";
    if (strlen(token) < TOKEN_MIN_LEN || !*user) {
        err_set(err, ERR_INVALID, 0, path,
                "line %d is not \"TOKEN USER\" with a token of %d characters at least", number,
                TOKEN_MIN_LEN);
        return err_next(err, "make one with: openssl rand -hex 32");
    }
    int rc = text_check_name("user", user, err);
    if (rc < 0) return rc;
    struct token entry = {0};
    sha256_of(token, strlen(token), entry.hash);
    snprintf(entry.user, sizeof(entry.user), "%s", user);
    vec_add(&tokens->all, entry);
    return 0;
}

int tokens_read(const char *path, struct tokens **ret, struct err *err) {
    char *text auto_free = NULL;
    size_t size;
    struct stat st;
    int rc = file_read(AT_FDCWD, path, 1u << 20, &text, &size, err);
    if (rc < 0) return rc;
    if (stat(path, &st) == 0 && (st.st_mode & 077)) {
        err_set(err, ERR_DENIED, 0, path, "others may read the tokens (mode %03o)",
                st.st_mode & 0777);
        return err_next(err, "chmod 600 %s", path);
    }
    struct tokens *tokens = mem_new(struct tokens);
    char *rest = text, *line;
    for (int number = 1; rc == 0 && (line = strsep(&rest, "\n")); number++)
        rc = add_line(tokens, path, number, line, err);
    explicit_bzero(text, size);
    if (rc < 0) {
        tokens_free(tokens);
        return rc;
    }
    *ret = tokens;
    return 0;
}

bool tokens_check(const char *token, void *arg, char *ret_user, size_t user_size) {
    const struct tokens *tokens = arg;
    uint8_t hash[SHA256_SIZE];
    bool found = false;
    if (!tokens) return false;
    sha256_of(token, strlen(token), hash);
    for (size_t i = 0; i < tokens->all.len; i++) {
        if (!sha256_same(hash, tokens->all.items[i].hash)) continue;
        snprintf(ret_user, user_size, "%s", tokens->all.items[i].user);
        found = true;
    }
    return found;
}

void tokens_free(struct tokens *tokens) {
    if (!tokens) return;
    vec_free(&tokens->all);
    free(tokens);
}
