// SPDX-License-Identifier: Apache-2.0
// "Did you mean …?": the known word nearest to what was typed.
#ifndef TRINE_CLI_SUGGEST_H
#define TRINE_CLI_SUGGEST_H

#include <stddef.h>

struct suggest {
    const char *typed;
    const char *best; // NULL while nothing is near enough
    size_t distance;
};

// Offers one known word (borrowed). Near enough: one slip for each three letters, at least one; two
// letters swapped are one slip; a word that begins with all that was typed counts as one.
void suggest_offer(struct suggest *suggest, const char *word);
// Edits between two words: insert, remove, replace, swap neighbours. Long words count only as far
// as 63 bytes.
size_t suggest_distance(const char *a, const char *b);

#endif
