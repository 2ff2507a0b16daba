// SPDX-License-Identifier: Apache-2.0
// main() of a fuzzer without libFuzzer: runs each file of each folder named on the command line.
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int replay(int dir, const char *name) {
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        perror(name);
        return 1;
    }
    uint8_t *data = malloc((size_t)st.st_size + 1);
    ssize_t n = data ? read(fd, data, (size_t)st.st_size) : -1;
    if (n >= 0) LLVMFuzzerTestOneInput(data, (size_t)n);
    free(data);
    close(fd);
    return n < 0;
}

int main(int argc, char **argv) {
    int files = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            perror(argv[i]);
            return 1;
        }
        for (const struct dirent *e; (e = readdir(dir));) {
            if (e->d_name[0] == '.') continue;
            failed |= replay(dirfd(dir), e->d_name);
            files++;
        }
        closedir(dir);
    }
    printf("%d files replayed\n", files);
    return failed || files == 0;
}
