// SPDX-License-Identifier: Apache-2.0
// The registry of levels, in the order in which they are shown.
#include "cloud/kind.h"

#include "base/mem.h"

#include <string.h>

#define ABSENT(word, name) \
    static const struct kind_ops kind_##name = {.level = word, \
                                                .unavailable = \
                                                    "this release has no driver for level " word}
ABSENT("vm", vm);
ABSENT("micro", micro);
ABSENT("partial", partial);
ABSENT("jvm", jvm);
ABSENT("clr", clr);
#undef ABSENT

static const struct kind_ops *const kinds[] = {&kind_container, &kind_vm,  &kind_micro,
                                               &kind_partial,   &kind_jvm, &kind_clr};

const struct kind_ops *kind_at(size_t index) {
    return index < array_len(kinds) ? kinds[index] : NULL;
}

const struct kind_ops *kind_find(const char *level) {
    for (size_t i = 0; i < array_len(kinds); i++) {
        if (strcmp(kinds[i]->level, level) == 0) return kinds[i];
    }
    return NULL;
}
