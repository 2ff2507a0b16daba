// SPDX-License-Identifier: Apache-2.0
// Open addressing with linear probing. Removal shifts the followers back, so there are no
// tombstones. Invariants: (1) the number of slots is a power of two or 0; (2) at most three
// quarters are full; (3) between a key's home slot and its own there is no empty one.
#include "base/map.h"

#include "base/mem.h"
#include "base/random_int.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct slot {
    char *key; // NULL: empty
    void *value;
    uint64_t hash;
};

struct map {
    struct slot *slots;
    size_t count; // of slots
    size_t len;
    uint64_t seed;
    void (*free_value)(void *);
};

struct map *map_new(void (*free_value)(void *)) {
    struct map *map = mem_new(struct map);
    map->free_value = free_value;
    random_seed(&map->seed, sizeof(map->seed));
    return map;
}

static void free_value(const struct map *map, void *value) {
    if (map->free_value && value) map->free_value(value);
}

void map_free(struct map *map) {
    if (!map) return;
    for (size_t i = 0; i < map->count; i++) {
        if (!map->slots[i].key) continue;
        free(map->slots[i].key);
        free_value(map, map->slots[i].value);
    }
    free(map->slots);
    free(map);
}

static uint64_t hash_key(const struct map *map, const char *key) {
    return XXH3_64bits_withSeed(key, strlen(key), map->seed);
}

// The key's slot, or the empty one where it belongs; NULL only when there are no slots.
static struct slot *find(const struct map *map, const char *key, uint64_t hash) {
    if (map->count == 0) return NULL;
    size_t i = hash & (map->count - 1);
    while (map->slots[i].key && (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0))
        i = (i + 1) & (map->count - 1);
    return &map->slots[i];
}

static bool make_room(struct map *map) {
    if ((map->len + 1) * 4 <= map->count * 3) return true;
    size_t count = map->count ? map->count * 2 : 8;
    struct slot *slots = mem_try_array(count, sizeof(*slots));
    if (!slots) return false;
    for (size_t i = 0; i < map->count; i++) {
        if (!map->slots[i].key) continue;
        size_t to = map->slots[i].hash & (count - 1);
        while (slots[to].key) to = (to + 1) & (count - 1);
        slots[to] = map->slots[i];
    }
    free(map->slots);
    map->slots = slots;
    map->count = count;
    return true;
}

void *map_get(const struct map *map, const char *key) {
    struct slot *slot = find(map, key, hash_key(map, key));
    return slot && slot->key ? slot->value : NULL;
}

bool map_put(struct map *map, const char *key, void *value) {
    uint64_t hash = hash_key(map, key);
    struct slot *slot = find(map, key, hash);
    if (slot && slot->key) {
        if (slot->value != value) free_value(map, slot->value);
        slot->value = value;
        return true;
    }
    if (!make_room(map)) return false;
    char *copy = mem_try_dup(key, strlen(key));
    if (!copy) return false;
    *find(map, key, hash) = (struct slot){.key = copy, .value = value, .hash = hash};
    map->len++;
    return true;
}

// Empties the slot and moves followers back over the hole as long as that brings them no further
// forward than their home.
static void clear_slot(struct map *map, size_t hole) {
    size_t mask = map->count - 1;
    free(map->slots[hole].key);
    for (size_t i = (hole + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct slot){0};
    map->len--;
}

static bool take_value(struct map *map, const char *key, void **ret) {
    struct slot *slot = find(map, key, hash_key(map, key));
    if (!slot || !slot->key) return false;
    *ret = slot->value;
    clear_slot(map, (size_t)(slot - map->slots));
    return true;
}

void *map_take(struct map *map, const char *key) {
    void *value = NULL;
    take_value(map, key, &value);
    return value;
}

bool map_remove(struct map *map, const char *key) {
    void *value;
    if (!take_value(map, key, &value)) return false;
    free_value(map, value);
    return true;
}

size_t map_len(const struct map *map) {
    return map->len;
}

bool map_next(const struct map *map, size_t *at, const char **ret_key, void **ret_value) {
    while (*at < map->count) {
        const struct slot *slot = &map->slots[(*at)++];
        if (!slot->key) continue;
        if (ret_key) *ret_key = slot->key;
        if (ret_value) *ret_value = slot->value;
        return true;
    }
    return false;
}
