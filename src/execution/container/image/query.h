// SPDX-License-Identifier: Apache-2.0
// Reading records back.
#ifndef TRINE_IMAGE_QUERY_H
#define TRINE_IMAGE_QUERY_H

#include "execution/container/image/record.h"
#include "execution/container/image/store.h"

// `id`: "sha256:<64 hex>", the bare digits, or at least 12 of them that fit one image only.
int query_record(struct image_store *store, const char *id, struct image_record *ret,
                 struct err *err);
typedef int query_fn(const struct image_record *record, void *arg, struct err *err);
// Every record, in the order of their ids. A damaged one: `damaged` is called with its file's name
// and why, or, where that is NULL, the walk fails.
int query_each(struct image_store *store, query_fn *fn,
               int (*damaged)(const char *name, const struct err *why, void *arg), void *arg,
               struct err *err);

#endif
