// SPDX-License-Identifier: Apache-2.0
// Hashing everything again: blobs against their names, layers against what they unpack to, and
// every file of an unpacked layer against the blob that it came from.
#include "base/map.h"
#include "base/str.h"
#include "execution/container/image/json.h"
#include "execution/container/image/layer_int.h"
#include "execution/container/image/query.h"
#include "execution/container/image/report.h"
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check {
    struct image_store *store;
    struct map *done; // names of what was looked at
    json_t *damaged;
    uint64_t checked;
};

static char present;

static int damage(struct check *c, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int damage(struct check *c, const char *object, const char *fmt, ...) {
    char text[640];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_t *item = json_pack("{s:s, s:s%}", "object", object, "problem", text, strlen(text));
    if (!item) item = json_pack("{s:s, s:s}", "object", object, "problem", "damaged");
    return json_array_append_new(c->damaged, item) < 0 ? -ENOMEM : 0;
}

// true the first time.
static bool first_look(struct check *c, const char *kind, const char *name) {
    char key[96];
    snprintf(key, sizeof(key), "%s %s", kind, name);
    if (map_get(c->done, key)) return false;
    c->checked++;
    return map_put(c->done, key, &present);
}

static int check_blob(struct check *c, const struct digest *digest, struct err *err) {
    struct digest is;
    uint64_t size;
    auto_close int fd = -1;
    if (!first_look(c, "blob", digest->text)) return 0;
    if (report_cancelled(c->store->report))
        return err_set(err, ERR_CANCELLED, 0, c->store->path, "the work was stopped on request");
    fd = openat(c->store->blobs_fd, digest_hex(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return damage(c, digest->text, "the blob is missing");
    int r = digest_of_fd(fd, &is, &size);
    if (r < 0) return damage(c, digest->text, "cannot read the blob: %s", strerror(-r));
    if (!digest_same(&is, digest))
        return damage(c, digest->text, "its bytes have digest %s", is.text);
    return 0;
}

// Entries are compared with what the directory holds only where the layer has the name once.
struct tree {
    struct check *check;
    const struct record_layer *layer;
    bool redirects;    // entries may stand elsewhere
    struct map *names; // how often: present once, twice more than once
    int dir_fd;
};
static char twice;

static int compare_content(struct tree *t, struct tar_reader *tar, int fd, const char *path,
                           struct err *err) {
    const uint8_t *data;
    ssize_t n;
    uint64_t at = 0;
    auto_free uint8_t *have = mem_try_array(1 << 20, 1);
    if (!have) return err_os(err, ENOMEM, t->layer->dir, "no memory to check it");
    while ((n = tar_read(tar, &data, err)) > 0) {
        for (size_t used = 0; used < (size_t)n;) {
            size_t want = (size_t)n - used < (1 << 20) ? (size_t)n - used : 1 << 20;
            ssize_t got = pread(fd, have, want, (off_t)at);
            if (got <= 0 || memcmp(have, data + used, (size_t)got) != 0)
                return damage(t->check, t->layer->dir, "the content of '%s' is not the layer's",
                              path);
            used += (size_t)got;
            at += (uint64_t)got;
        }
    }
    return (int)n;
}

static int compare_entry(struct tree *t, struct tar_reader *tar, const struct tar_entry *entry,
                         struct err *err) {
    char path[TAR_PATH_MAX + 1];
    struct stat st;
    if (entry->type != TAR_FILE || entry->sparse || layer_clean_path(entry->path, path)) return 0;
    if (map_get(t->names, path) != &present || strstr(path, ".wh.")) return 0;
    auto_close int fd = unpack_open_beneath(t->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (t->redirects && (fd == -ELOOP || fd == -ENOTDIR || fd == -ENOENT)) return 0;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return damage(t->check, t->layer->dir, "'%s' is missing", path);
    if ((uint64_t)st.st_size != entry->size)
        return damage(t->check, t->layer->dir, "'%s' has %lld bytes, not %llu", path,
                      (long long)st.st_size, (unsigned long long)entry->size);
    return compare_content(t, tar, fd, path, err);
}

static int count_name(struct tree *t, const struct tar_entry *entry) {
    char path[TAR_PATH_MAX + 1];
    if (layer_clean_path(entry->path, path)) return 0;
    return map_put(t->names, path, map_get(t->names, path) ? &twice : &present) ? 0 : -ENOMEM;
}

// One pass over the layer's stream; compare says which of the two.
static int read_layer(struct tree *t, bool compare, struct digest *ret_diff, struct err *err) {
    struct image_store *store = t->check->store;
    auto_close int fd = -1;
    auto_hasher struct hasher *hasher = hasher_new();
    struct tap tap = {.hasher = hasher, .copy_fd = -1};
    int r = store_open_blob(store, &t->layer->digest, &fd, err);
    if (r < 0) return r;
    struct stream *s = stream_fd(fd, t->layer->dir, store->report,
                                 compare ? "comparing files" : "hashing", t->layer->size_bytes);
    auto_stream struct stream *in =
        stream_tap(stream_inflate(s, t->layer->dir, store->limits.max_ratio), &tap);
    auto_tar struct tar_reader *tar = in ? tar_reader_new(in, t->layer->dir) : NULL;
    struct tar_entry *entry;
    if (!tar || !hasher) return err_os(err, ENOMEM, t->layer->dir, "no memory to check it");
    while ((r = tar_next(tar, &entry, err)) > 0) {
        r = compare ? compare_entry(t, tar, entry, err) : count_name(t, entry);
        if (r < 0) return r;
    }
    if (r == 0) r = stream_drain(in, err);
    return r < 0 ? r : hasher_end(hasher, ret_diff);
}

static int check_tree(struct check *c, const struct record_layer *layer, bool redirects,
                      struct err *err) {
    struct tree t = {.check = c, .layer = layer, .redirects = redirects, .names = map_new(NULL)};
    struct err why = {0};
    struct digest diff;
    t.dir_fd = openat(c->store->layers_fd, layer->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = read_layer(&t, false, &diff, &why);
    if (r == 0 && !digest_same(&diff, &layer->diff_id))
        r = damage(c, layer->digest.text, "it unpacks to %s", diff.text);
    else if (r == 0 && t.dir_fd < 0)
        r = damage(c, layer->dir, "the layer's directory is missing");
    else if (r == 0)
        r = read_layer(&t, true, &diff, &why);
    if (r < 0 && why.kind == ERR_CANCELLED) {
        if (err) *err = why;
    } else if (r < 0) {
        r = damage(c, layer->dir, "%s", why.cause);
    }
    map_free(t.names);
    if (t.dir_fd >= 0) close(t.dir_fd);
    return r;
}

static int check_layers(struct check *c, const struct image_record *record, struct err *err) {
    struct digest chain = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < record->layers.len; i++) {
        const struct record_layer *layer = &record->layers.items[i];
        struct digest parent = chain;
        struct layer_info info;
        struct err why = {0};
        char dir[LAYER_DIR_LEN + 1];
        if (digest_chain(&parent, &layer->diff_id, &chain) < 0) return -EIO;
        store_layer_dir(&chain, dir);
        r = check_blob(c, &layer->digest, err);
        if (r < 0 || !first_look(c, "layer", layer->dir)) continue;
        if (strcmp(dir, layer->dir) != 0)
            r = damage(c, record->id.text, "layer %zu is noted as %s and belongs at %s", i + 1,
                       layer->dir, dir);
        int found = store_find_layer(c->store, &chain, &info, &why);
        if (r == 0 && found < 0) r = damage(c, layer->dir, "%s", why.cause);
        if (r == 0) r = check_tree(c, layer, found > 0 && info.redirects > 0, err);
    }
    return r;
}

static int check_record(const struct image_record *record, void *arg, struct err *err) {
    struct check *c = arg;
    c->checked++;
    int r = check_blob(c, &record->id, err);
    if (r == 0) r = check_blob(c, &record->manifest, err);
    return r < 0 ? r : check_layers(c, record, err);
}

static int bad_record(const char *name, const struct err *why, void *arg) {
    return damage(arg, name, "%s", why->cause);
}

static int check_loose_blob(int dirfd, const char *name, void *arg) {
    struct digest digest;
    if (digest_from_hex(name, &digest) < 0) return damage(arg, name, "it is no blob's name");
    return check_blob(arg, &digest, NULL);
}

static int check_one(struct check *c, const char *id, struct err *err) {
    struct image_record record;
    int r = query_record(c->store, id, &record, err);
    if (r < 0) return r;
    r = check_record(&record, c, err);
    record_free(&record);
    return r;
}

int image_verify(struct image_store *store, const char *id, size_t *ret_damaged, char **ret_json,
                 struct err *err) {
    auto_json json_t *root = json_object();
    struct check c = {.store = store, .done = map_new(NULL), .damaged = json_array()};
    json_object_set_new(root, "damaged", c.damaged);
    int r = id ? check_one(&c, id, err) : query_each(store, check_record, bad_record, &c, err);
    if (r == 0 && !id) r = dir_each(store->dir_fd, "blobs/sha256", check_loose_blob, &c);
    map_free(c.done);
    if (r < 0) return err_code(err) < 0 ? r : err_os(err, -r, store->path, "cannot check it");
    json_object_set_new(root, "checked", json_integer((json_int_t)c.checked));
    *ret_damaged = json_array_size(c.damaged);
    *ret_json = json_line(root);
    return *ret_json ? 0 : err_os(err, ENOMEM, "result", "no memory to write it");
}
