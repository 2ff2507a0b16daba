// SPDX-License-Identifier: Apache-2.0
// A hash map from strings to pointers. Keys are copied; values are borrowed unless a free function
// is given. Open addressing, seeded per map against chosen-key floods. Iteration order is
// unspecified.
#ifndef TRINE_BASE_MAP_H
#define TRINE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map;
struct map *map_new(void (*free_value)(void *)); // free_value may be NULL
void map_free(struct map *map);                  // NULL is fine
void *map_get(const struct map *map, const char *key);
bool map_put(struct map *map, const char *key,
             void *value); // replaces (and frees) an older value; false: no memory
void *map_take(struct map *map, const char *key);  // removes without freeing; NULL when absent
bool map_remove(struct map *map, const char *key); // removes and frees; false when absent
size_t map_len(const struct map *map);
// for (size_t at = 0; map_next(map, &at, &key, &value);) …   The map must not change meanwhile.
bool map_next(const struct map *map, size_t *at, const char **ret_key, void **ret_value);

#endif
