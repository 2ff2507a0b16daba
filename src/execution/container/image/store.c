// SPDX-License-Identifier: Apache-2.0
#include "execution/container/image/store.h"

#include "base/str.h"
#include "base/text.h"
#include "execution/container/image/report.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// Layers hold set-id programs: nobody but the owner may reach them by a path. Containers see them
// through overlayfs, which uses the rights of whoever mounted it.
#define DIR_MODE 0700
#define LOCK_WAIT_MS 20
#define LOCK_TRIES 500

// How many users this process's user namespace has; *ret_whole: it is the first one.
static uint64_t count_users(bool *ret_whole) {
    unsigned long inside, outside, count, sum = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    *ret_whole = !map; // a kernel without user namespaces
    while (map && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3) {
        *ret_whole = inside == 0 && outside == 0 && count == UINT32_MAX;
        sum += count;
    }
    if (map) fclose(map);
    return sum;
}

static void find_mode(struct image_store *store) {
    bool whole;
    uint64_t users = count_users(&whole);
    if (store->mode == IMAGE_MODE_AUTO && geteuid() != 0) store->mode = IMAGE_MODE_PLAIN;
    if (store->mode == IMAGE_MODE_AUTO) store->mode = whole ? IMAGE_MODE_ROOT : IMAGE_MODE_USERNS;
    store->keep_owners = store->mode != IMAGE_MODE_PLAIN && (whole || users > 1);
}

static int open_part(struct image_store *store, const char *name, mode_t mode, int *ret_fd,
                     struct err *err) {
    int r = dir_make(store->dir_fd, name, mode, err);
    if (r < 0) return r;
    *ret_fd = openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? err_os(err, errno, store->path, "cannot open %s", name) : 0;
}

static int open_parts(struct image_store *store, struct err *err) {
    int r = dir_make(AT_FDCWD, store->path, DIR_MODE, err);
    if (r < 0) return r;
    store->dir_fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir_fd < 0) return err_os(err, errno, store->path, "cannot open the image store");
    r = open_part(store, "blobs/sha256", 0700, &store->blobs_fd, err);
    if (r == 0) r = open_part(store, "layers", DIR_MODE, &store->layers_fd, err);
    if (r == 0) r = open_part(store, "images", 0700, &store->images_fd, err);
    if (r == 0) r = open_part(store, "tmp", 0700, &store->tmp_fd, err);
    return r;
}

int image_store_open(const char *path, const struct image_store_options *options,
                     struct image_report *report, struct image_store **ret, struct err *err) {
    struct image_store *store = mem_new(struct image_store);
    store->path = mem_strdup(path);
    store->report = report;
    store->limits = options ? options->limits : IMAGE_LIMITS_DEFAULT;
    store->mode = options ? options->mode : IMAGE_MODE_AUTO;
    find_mode(store);
    store->dir_fd = store->blobs_fd = store->layers_fd = store->images_fd = -1;
    store->tmp_fd = store->lock_fd = store->run_fd = -1;
    int r = open_parts(store, err);
    if (r < 0) {
        image_store_close(store);
        return r;
    }
    *ret = store;
    return 0;
}

void image_store_close(struct image_store *store) {
    if (!store) return;
    if (store->run_fd >= 0) dir_remove_tree(store->tmp_fd, store->run, NULL);
    int *fds[] = {&store->run_fd,   &store->tmp_fd,  &store->images_fd, &store->layers_fd,
                  &store->blobs_fd, &store->lock_fd, &store->dir_fd};
    for (size_t i = 0; i < array_len(fds); i++)
        if (*fds[i] >= 0) close(*fds[i]);
    free(store->path);
    free(store);
}

static int remove_litter(int dirfd, const char *name, void *arg) {
    bool *any = arg;
    *any = true;
    return dir_remove_tree(dirfd, name, NULL);
}

// Alone with the store: what is in tmp/ belongs to nobody, and if there was any, its owner may have
// died half way through showing its work.
static int sweep_litter(struct image_store *store, struct err *err) {
    bool any = false;
    struct store_sweep unused;
    int r = dir_each(store->dir_fd, "tmp", remove_litter, &any);
    if (r < 0) return err_os(err, -r, store->path, "cannot sweep tmp/ of the image store");
    struct err why = {0};
    if (any && store_remove_unreached(store, &unused, &why) < 0) // a damaged record: remove nothing
        report_warning(store->report, "left-overs stay: %s: %s", why.object, why.cause);
    return 0;
}

static int open_lock(struct image_store *store, struct err *err) {
    if (store->lock_fd >= 0) return 0;
    store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return store->lock_fd < 0 ? err_os(err, errno, store->path, "cannot open the lock") : 0;
}

static int lock_shared(struct image_store *store, struct err *err) {
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(store->lock_fd, LOCK_SH | LOCK_NB) == 0) return 0;
        if (errno != EWOULDBLOCK && errno != EINTR) break;
        usleep(LOCK_WAIT_MS * 1000);
    }
    if (errno != EWOULDBLOCK) return err_os(err, errno, store->path, "cannot lock the image store");
    err_set(err, ERR_STATE, 0, store->path, "somebody is removing images");
    return err_next(err, "try again when that is done");
}

static int make_run(struct image_store *store, struct err *err) {
    char id[ID_TEXT_SIZE];
    text_new_id(0, id);
    snprintf(store->run, sizeof(store->run), "%d-%.32s", (int)getpid(), id);
    if (mkdirat(store->tmp_fd, store->run, 0700) < 0)
        return err_os(err, errno, store->path, "cannot make a directory in tmp/");
    store->run_fd =
        openat(store->tmp_fd, store->run, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return store->run_fd < 0 ? err_os(err, errno, store->path, "cannot open tmp/") : 0;
}

int store_begin_write(struct image_store *store, struct err *err) {
    if (store->run_fd >= 0) return 0;
    int r = open_lock(store, err);
    if (r == 0 && flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0) r = sweep_litter(store, err);
    if (r == 0) r = lock_shared(store, err);
    if (r == 0 && !store->keep_owners)
        report_warning(store->report,
                       "owners of files are not kept: only one user is at hand here");
    return r < 0 ? r : make_run(store, err);
}

int store_begin_sweep(struct image_store *store, struct err *err) {
    int r = open_lock(store, err);
    if (r < 0) return r;
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_os(err, errno, store->path, "cannot lock the image store");
        err_set(err, ERR_STATE, 0, store->path, "an import is writing into the image store");
        return err_next(err, "try again when it is done");
    }
    return sweep_litter(store, err);
}

static void temp_name(struct image_store *store, char ret_name[STORE_NAME_SIZE]) {
    snprintf(ret_name, STORE_NAME_SIZE, "%u", store->next_temp++);
}

int store_temp_file(struct image_store *store, char ret_name[STORE_NAME_SIZE], int *ret_fd,
                    struct err *err) {
    temp_name(store, ret_name);
    *ret_fd = openat(store->run_fd, ret_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *ret_fd < 0 ? err_os(err, errno, store->path, "cannot make a file in tmp/") : 0;
}

int store_temp_dir(struct image_store *store, char ret_name[STORE_NAME_SIZE], int *ret_fd,
                   struct err *err) {
    temp_name(store, ret_name);
    if (mkdirat(store->run_fd, ret_name, 0755) < 0)
        return err_os(err, errno, store->path, "cannot make a directory in tmp/");
    *ret_fd = openat(store->run_fd, ret_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? err_os(err, errno, store->path, "cannot open a directory in tmp/") : 0;
}

int store_temp_data(struct image_store *store, const void *data, size_t size,
                    char ret_name[STORE_NAME_SIZE], struct err *err) {
    auto_close int fd = -1;
    int r = store_temp_file(store, ret_name, &fd, err);
    if (r < 0) return r;
    r = file_write_all(fd, data, size);
    return r < 0 ? err_os(err, -r, store->path, "cannot write into tmp/") : 0;
}

void store_temp_remove(struct image_store *store, const char *name) {
    if (unlinkat(store->run_fd, name, 0) < 0 && (errno == EISDIR || errno == EPERM))
        dir_remove_tree(store->run_fd, name, NULL);
}

int store_open_blob(struct image_store *store, const struct digest *digest, int *ret_fd,
                    struct err *err) {
    *ret_fd = openat(store->blobs_fd, digest_hex(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? err_os(err, errno, digest->text, "cannot open the blob") : 0;
}

bool store_has_blob(struct image_store *store, const struct digest *digest) {
    return faccessat(store->blobs_fd, digest_hex(digest), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_read_blob(struct image_store *store, const struct digest *digest, size_t max,
                    char **ret_data, size_t *ret_size, struct err *err) {
    return file_read(store->blobs_fd, digest_hex(digest), max, ret_data, ret_size, err);
}
