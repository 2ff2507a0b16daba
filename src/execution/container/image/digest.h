// SPDX-License-Identifier: Apache-2.0
// Digests as OCI writes them ("sha256:<64 lower-case hex>"), and chain ids (image-spec config.md,
// "Layer ChainID").
#ifndef TRINE_IMAGE_DIGEST_H
#define TRINE_IMAGE_DIGEST_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_HEX_LEN 64
#define LAYER_DIR_LEN 24 // of the chain id's digits: 96 bits; the layer's file holds the full id

struct digest {
    char text[7 + DIGEST_HEX_LEN + 1]; // "" when unset
};

int digest_parse(const char *text, struct digest *ret); // -EINVAL; -EOPNOTSUPP: another algorithm
bool digest_is_hex(const char *text, size_t len);       // `len` lower-case hex digits and the end
int digest_from_hex(const char *hex, struct digest *ret);
bool digest_same(const struct digest *a, const struct digest *b);
static inline bool digest_is_set(const struct digest *d) {
    return d->text[0] != '\0';
}
static inline const char *digest_hex(const struct digest *d) {
    return d->text + 7;
}

struct hasher;
struct hasher *hasher_new(void); // NULL: no memory
void hasher_free(struct hasher *hasher);
void hasher_autofree(struct hasher **hasher);
#define auto_hasher __attribute__((cleanup(hasher_autofree)))
int hasher_add(struct hasher *hasher, const void *data, size_t size); // 0 or -EIO
int hasher_end(struct hasher *hasher, struct digest *ret);            // ready for the next stream
int digest_of(const void *data, size_t size, struct digest *ret);
int digest_of_fd(int fd, struct digest *ret, uint64_t *ret_size); // from offset 0; -errno

// The chain id of a layer with `diff_id` on top of `parent` (NULL or unset: the bottom).
int digest_chain(const struct digest *parent, const struct digest *diff_id, struct digest *ret);

#endif
