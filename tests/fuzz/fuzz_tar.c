// SPDX-License-Identifier: Apache-2.0
// A tar stream: every entry is read to its end.
#include "execution/container/image/tar.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    auto_stream struct stream *in = stream_memory(data, size);
    if (!in) return 0;
    auto_tar struct tar_reader *tar = tar_reader_new(in, "fuzz");
    if (!tar) return 0;
    struct tar_entry *entry;
    uint64_t total = 0;
    while (tar_next(tar, &entry, &err) == 1) {
        if (strlen(entry->path) > TAR_PATH_MAX) abort();
        const uint8_t *piece;
        for (ssize_t n; (n = tar_read(tar, &piece, &err)) > 0;) {
            total += (uint64_t)n;
            if (total > size) abort(); // content cannot be more than there was
        }
    }
    return 0;
}
