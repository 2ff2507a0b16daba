// SPDX-License-Identifier: Apache-2.0
// SHA-256 by OpenSSL, which uses the processor's instructions for it.
#include "execution/container/image/digest.h"

#include "base/mem.h"
#include "base/str.h"
#include "host/file.h"

#include <errno.h>
// OpenSSL has a type of the name of one of our constants; nothing here uses it.
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#undef ERR_STATE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct hasher {
    EVP_MD_CTX *ctx;
};

bool digest_is_hex(const char *text, size_t len) {
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

int digest_from_hex(const char *hex, struct digest *ret) {
    if (!digest_is_hex(hex, DIGEST_HEX_LEN)) return -EINVAL;
    snprintf(ret->text, sizeof(ret->text), "sha256:%s", hex);
    return 0;
}

int digest_parse(const char *text, struct digest *ret) {
    if (str_starts(text, "sha512:") || str_starts(text, "sha384:") || str_starts(text, "blake3:"))
        return -EOPNOTSUPP;
    if (!str_starts(text, "sha256:")) return -EINVAL;
    return digest_from_hex(text + 7, ret);
}

bool digest_same(const struct digest *a, const struct digest *b) {
    return strcmp(a->text, b->text) == 0;
}

struct hasher *hasher_new(void) {
    struct hasher *hasher = mem_try(struct hasher);
    if (!hasher) return NULL;
    hasher->ctx = EVP_MD_CTX_new();
    if (hasher->ctx && EVP_DigestInit_ex(hasher->ctx, EVP_sha256(), NULL) == 1) return hasher;
    hasher_free(hasher);
    return NULL;
}

void hasher_free(struct hasher *hasher) {
    if (!hasher) return;
    EVP_MD_CTX_free(hasher->ctx);
    free(hasher);
}

void hasher_autofree(struct hasher **hasher) {
    hasher_free(*hasher);
}

int hasher_add(struct hasher *hasher, const void *data, size_t size) {
    return EVP_DigestUpdate(hasher->ctx, data, size) == 1 ? 0 : -EIO;
}

int hasher_end(struct hasher *hasher, struct digest *ret) {
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (EVP_DigestFinal_ex(hasher->ctx, raw, &len) != 1 || len != DIGEST_HEX_LEN / 2) return -EIO;
    memcpy(ret->text, "sha256:", 8);
    for (unsigned int i = 0; i < len; i++) snprintf(ret->text + 7 + 2 * i, 3, "%02x", raw[i]);
    return EVP_DigestInit_ex(hasher->ctx, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int digest_of(const void *data, size_t size, struct digest *ret) {
    auto_hasher struct hasher *hasher = hasher_new();
    if (!hasher) return -ENOMEM;
    int r = hasher_add(hasher, data, size);
    return r < 0 ? r : hasher_end(hasher, ret);
}

int digest_of_fd(int fd, struct digest *ret, uint64_t *ret_size) {
    enum { BLOCK = 1 << 20 };
    auto_hasher struct hasher *hasher = hasher_new();
    auto_free char *block = mem_try_array(BLOCK, 1);
    if (!hasher || !block) return -ENOMEM;
    uint64_t at = 0;
    for (;;) {
        ssize_t n = pread(fd, block, BLOCK, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        int r = hasher_add(hasher, block, (size_t)n);
        if (r < 0) return r;
        at += (uint64_t)n;
    }
    *ret_size = at;
    return hasher_end(hasher, ret);
}

int digest_chain(const struct digest *parent, const struct digest *diff_id, struct digest *ret) {
    if (!parent || !digest_is_set(parent)) {
        *ret = *diff_id;
        return 0;
    }
    char text[2 * sizeof(parent->text) + 2];
    int n = snprintf(text, sizeof(text), "%s %s", parent->text, diff_id->text);
    return digest_of(text, (size_t)n, ret);
}
