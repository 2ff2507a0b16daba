// SPDX-License-Identifier: Apache-2.0
// A layer unpacked for real, over a lower layer full of traps: whatever it holds, nothing may appear
// or change outside its directory.
#include "execution/container/image/layer.h"
#include "fuzz.h"
#include "host/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// base/canary  base/lower/{up -> .., etc -> /etc, usr -> lib, lib/}  base/layer/ (anew each time)
static char base[64];
static int base_fd, lower_fd;

static void clean_up(void) {
    dir_remove_tree(AT_FDCWD, base, NULL);
}

static void prepare(void) {
    struct stat st;
    bool memory = stat("/dev/shm", &st) == 0;
    snprintf(base, sizeof(base), "%s/trine-fuzz-layer.XXXXXX", memory ? "/dev/shm" : "/tmp");
    if (!mkdtemp(base)) abort();
    atexit(clean_up);
    base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat(base_fd, "lower", 0755) < 0 || mkdirat(base_fd, "lower/lib", 0755) < 0 ||
        symlinkat("..", base_fd, "lower/up") < 0 || symlinkat("/etc", base_fd, "lower/etc") < 0 ||
        symlinkat("usr", base_fd, "lower/usr") < 0)
        abort();
    lower_fd = openat(base_fd, "lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file_write_atomic(base_fd, "canary", "alive", 5, 0644, NULL) < 0) abort();
}

static int count_entry(int dirfd, const char *name, void *arg) {
    ++*(int *)arg;
    return 0;
}

static void check_outside(void) {
    struct stat st;
    int n = 0, lower = 0;
    if (dir_each(base_fd, ".", count_entry, &n) < 0 || n != 3) abort();
    if (dir_each(base_fd, "lower", count_entry, &lower) < 0 || lower != 4) abort();
    if (fstatat(base_fd, "canary", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size != 5 ||
        st.st_nlink != 1 || (st.st_mode & 07777) != 0644)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!base[0]) prepare();
    if (mkdirat(base_fd, "layer", 0755) < 0) abort();
    auto_close int root = openat(base_fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct image_budget budget = {
        .limits = {.max_bytes = 1 << 20, .max_entries = 1000, .max_ratio = 100}};
    const struct layer_options options = {.object = "fuzz",
                                          .mode = IMAGE_MODE_PLAIN,
                                          .lower_fds = &lower_fd,
                                          .n_lowers = 1,
                                          .budget = &budget};
    struct layer_stats stats;
    struct err err = {0};
    auto_stream struct stream *in = stream_memory(data, size);
    if (in) layer_unpack(in, root, &options, &stats, &err);
    check_outside();
    if (dir_remove_tree(base_fd, "layer", NULL) < 0) abort();
    return 0;
}
