// SPDX-License-Identifier: Apache-2.0
// Intrusive doubly linked list. A node that is in no list points to itself after list_init or
// list_remove.
#ifndef TRINE_BASE_LIST_H
#define TRINE_BASE_LIST_H

#include "base/mem.h"

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l) {
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l) {
    return l->next == l;
}
static inline void list_insert(struct list *after, struct list *node) {
    node->prev = after;
    node->next = after->next;
    after->next->prev = node;
    after->next = node;
}
static inline void list_add_tail(struct list *head, struct list *node) {
    list_insert(head->prev, node);
}
static inline void list_remove(struct list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

// The body may remove the current node.
#define list_each(head, pos, type, member) \
    for (struct list *pos##_at = (head)->next, *pos##_next = pos##_at->next; \
         pos##_at != (head) && ((pos = container_of(pos##_at, type, member)), true); \
         pos##_at = pos##_next, pos##_next = pos##_at->next)

#endif
