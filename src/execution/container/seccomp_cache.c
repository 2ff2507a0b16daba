// SPDX-License-Identifier: Apache-2.0
#include "execution/container/seccomp_cache.h"

#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

// Raised when this file or the way in which profiles are compiled changes.
#define GENERATION 1
#define CACHE_MAGIC UINT64_C(0x3170636573657274) // "tresecp1"

struct header {
    uint64_t magic, checksum; // of the instructions
};

static void hash_text(XXH3_state_t *h, const char *text) {
    // The terminator goes in as well: "ab","c" is not "a","bc".
    const char *t = text ? text : "";
    XXH3_128bits_update(h, t, strlen(t) + 1);
}

static void hash_number(XXH3_state_t *h, uint64_t number) {
    XXH3_128bits_update(h, &number, sizeof(number));
}

static void hash_list(XXH3_state_t *h, const struct oci_strings *list) {
    hash_number(h, list->len);
    for (size_t i = 0; i < list->len; i++) hash_text(h, list->items[i]);
}

static void hash_call(XXH3_state_t *h, const struct oci_syscall *call) {
    hash_list(h, &call->names);
    hash_text(h, call->action);
    hash_number(h, call->errno_ret.set);
    hash_number(h, call->errno_ret.value);
    hash_number(h, call->args.len);
    for (size_t i = 0; i < call->args.len; i++) {
        const struct oci_seccomp_arg *arg = &call->args.items[i];
        hash_number(h, arg->index);
        hash_number(h, arg->value);
        hash_number(h, arg->value_two);
        hash_text(h, arg->op);
    }
}

void seccomp_cache_key(const struct oci_seccomp *profile, char key[SECCOMP_KEY_SIZE]) {
    // On the heap: the state wants an alignment of 64 bytes, which instrumented stacks do not keep.
    XXH3_state_t *h = XXH3_createState();
    if (!h) abort();
    XXH3_128bits_reset(h);
    const struct scmp_version *version = seccomp_version();
    hash_number(h, GENERATION);
    hash_number(h, (uint64_t)version->major << 32 | version->minor << 16 | version->micro);
    hash_number(h, seccomp_arch_native());
    hash_text(h, profile->default_action);
    hash_number(h, profile->default_errno_ret.set);
    hash_number(h, profile->default_errno_ret.value);
    hash_list(h, &profile->architectures);
    hash_number(h, profile->syscalls.len);
    for (size_t i = 0; i < profile->syscalls.len; i++) hash_call(h, &profile->syscalls.items[i]);
    XXH128_hash_t digest = XXH3_128bits_digest(h);
    XXH3_freeState(h);
    snprintf(key, SECCOMP_KEY_SIZE, "%016llx%016llx.bpf", (unsigned long long)digest.high64,
             (unsigned long long)digest.low64);
}

bool seccomp_cache_get(const char *dir, const char *key, struct seccomp_filter *ret) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) return false;
    struct header header;
    size_t size = (size_t)st.st_size - sizeof(header), item = sizeof(struct sock_filter);
    if (st.st_size <= (off_t)sizeof(header) || size % item || size / item > BPF_MAXINSNS)
        return false;
    auto_free struct sock_filter *program = mem_try_zalloc(size);
    if (!program || pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
        pread(fd, program, size, sizeof(header)) != (ssize_t)size)
        return false;
    if (header.magic != CACHE_MAGIC || header.checksum != XXH3_64bits(program, size)) return false;
    ret->program = take(program);
    ret->len = (unsigned short)(size / item);
    return true;
}

void seccomp_cache_put(const char *dir, const char *key, const struct seccomp_filter *filter) {
    size_t size = filter->len * sizeof(struct sock_filter);
    struct header header = {CACHE_MAGIC, XXH3_64bits(filter->program, size)};
    char path[512], temporary[544];
    (void)dir_make(AT_FDCWD, dir, 0700, NULL);
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
    auto_close int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    // Not synced: the checksum finds what a power cut may leave.
    if (file_write_all(fd, &header, sizeof(header)) < 0 ||
        file_write_all(fd, filter->program, size) < 0 || rename(temporary, path) < 0)
        (void)unlink(temporary);
}
