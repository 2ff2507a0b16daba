// SPDX-License-Identifier: Apache-2.0
#include "cli/suggest.h"

#include "base/str.h"

#include <string.h>

#define WORD_MAX 63

static size_t least(size_t a, size_t b, size_t c) {
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

// Optimal string alignment; three rows of the table are enough.
size_t suggest_distance(const char *a, const char *b) {
    size_t n = strnlen(a, WORD_MAX), m = strnlen(b, WORD_MAX);
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                older[j - 2] + 1 < now[j])
                now[j] = older[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

void suggest_offer(struct suggest *suggest, const char *word) {
    size_t length = strlen(suggest->typed);
    if (length == 0) return;
    size_t distance = length >= 2 && str_starts(word, suggest->typed)
                          ? 1
                          : suggest_distance(suggest->typed, word);
    size_t limit = length / 3 > 1 ? length / 3 : 1;
    if (distance > limit || distance >= strlen(word)) return;
    if (suggest->best && distance >= suggest->distance) return;
    suggest->best = word;
    suggest->distance = distance;
}
