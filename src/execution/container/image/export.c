// SPDX-License-Identifier: Apache-2.0
// Images out of the store, as a tar stream: an OCI layout or a docker archive. Blobs are hashed
// again on their way, so that damage is not handed on unseen.
#include "base/str.h"
#include "execution/container/image/json.h"
#include "execution/container/image/query.h"
#include "execution/container/image/report.h"
#include "execution/container/image/tar.h"
#include "host/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OCI_LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

struct writer_to {
    int fd;
    struct image_report *report;
    uint64_t bytes;
};

static int put(void *arg, const void *data, size_t size, struct err *err) {
    struct writer_to *w = arg;
    if (report_cancelled(w->report))
        return err_set(err, ERR_CANCELLED, 0, "output", "the work was stopped on request");
    int r = file_write_all(w->fd, data, size);
    w->bytes += size;
    return r < 0 ? err_os(err, -r, "output", "cannot write") : 0;
}

static int put_data(struct writer_to *w, const char *path, const void *data, size_t size,
                    struct err *err) {
    struct tar_entry entry = {.type = TAR_FILE, .path = path, .mode = 0644, .size = size};
    int r = tar_write_header(&entry, put, w, err);
    if (r == 0) r = put(w, data, size, err);
    return r < 0 ? r : tar_write_pad(size, put, w, err);
}

static int put_json(struct writer_to *w, const char *path, json_t *json, struct err *err) {
    auto_free char *text = json ? json_line(json) : NULL;
    json_decref(json);
    if (!text) return err_os(err, ENOMEM, path, "no memory to write it");
    return put_data(w, path, text, strlen(text), err);
}

static int put_dir(struct writer_to *w, const char *path, struct err *err) {
    struct tar_entry entry = {.type = TAR_DIR, .path = path, .mode = 0755};
    return tar_write_header(&entry, put, w, err);
}

// A file of exactly the size that it has now. `digest` NULL: not checked.
static int put_file(struct writer_to *w, const char *path, int fd, const struct digest *digest,
                    struct err *err) {
    struct stat st;
    if (fstat(fd, &st) < 0) return err_os(err, errno, path, "cannot read it");
    struct tar_entry entry = {.type = TAR_FILE,
                              .path = path,
                              .mode = 0644,
                              .size = (uint64_t)st.st_size};
    auto_hasher struct hasher *hasher = hasher_new();
    auto_stream struct stream *in = stream_fd(fd, path, w->report, path, entry.size);
    if (!in || !hasher) return err_os(err, ENOMEM, path, "no memory to read it");
    int r = tar_write_header(&entry, put, w, err);
    uint64_t left = entry.size;
    while (r == 0 && left > 0) {
        const uint8_t *data;
        ssize_t n = stream_next(in, &data, err);
        if (n < 0) return (int)n;
        if (n == 0)
            return err_set(err, ERR_CORRUPT, 0, path, "it became shorter while it was read");
        if ((uint64_t)n > left) n = (ssize_t)left;
        if (hasher_add(hasher, data, (size_t)n) < 0)
            return err_os(err, ENOMEM, path, "cannot hash it");
        r = put(w, data, (size_t)n, err);
        left -= (uint64_t)n;
    }
    struct digest is;
    if (r == 0 && digest && (hasher_end(hasher, &is) < 0 || !digest_same(&is, digest))) {
        err_set(err, ERR_CORRUPT, 0, digest->text, "the blob in the store is damaged");
        return err_next(err, "import the image again; 'trine-image verify' lists all damage");
    }
    return r < 0 ? r : tar_write_pad(entry.size, put, w, err);
}

static int put_blob(struct image_store *store, struct writer_to *w, const char *path,
                    const struct digest *digest, struct err *err) {
    auto_close int fd = -1;
    int r = store_open_blob(store, digest, &fd, err);
    return r < 0 ? r : put_file(w, path, fd, digest, err);
}

static int put_oci_blob(struct image_store *store, struct writer_to *w, const struct digest *digest,
                        struct err *err) {
    char path[96];
    snprintf(path, sizeof(path), "blobs/sha256/%s", digest_hex(digest));
    return put_blob(store, w, path, digest, err);
}

// The same layer twice in an image is one member.
static bool seen_before(const struct image_record *record, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (digest_same(&record->layers.items[k].digest, &record->layers.items[i].digest))
            return true;
    return false;
}

static json_t *oci_index(const struct image_record *record, const struct strv *names,
                         uint64_t manifest_size) {
    json_t *list = json_array();
    for (size_t i = 0; i < names->len || i == 0; i++) {
        json_t *entry = json_pack("{s:s, s:s, s:I}", "mediaType", MANIFEST_TYPE, "digest",
                                  record->manifest.text, "size", (json_int_t)manifest_size);
        if (i < names->len)
            json_object_set_new(entry, "annotations",
                                json_pack("{s:s}", "org.opencontainers.image.ref.name",
                                          names->items[i]));
        json_array_append_new(list, entry);
    }
    return json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType", INDEX_TYPE, "manifests",
                     list);
}

static int export_oci(struct image_store *store, const struct image_record *record,
                      const struct strv *names, struct writer_to *w, struct err *err) {
    struct stat st;
    if (fstatat(store->blobs_fd, digest_hex(&record->manifest), &st, 0) < 0)
        return err_os(err, errno, record->manifest.text, "cannot open the blob");
    int r = put_data(w, "oci-layout", OCI_LAYOUT_TEXT, strlen(OCI_LAYOUT_TEXT), err);
    if (r == 0) r = put_json(w, "index.json", oci_index(record, names, (uint64_t)st.st_size), err);
    if (r == 0) r = put_dir(w, "blobs/", err);
    if (r == 0) r = put_dir(w, "blobs/sha256/", err);
    if (r == 0) r = put_oci_blob(store, w, &record->manifest, err);
    if (r == 0) r = put_oci_blob(store, w, &record->id, err);
    for (size_t i = 0; r == 0 && i < record->layers.len; i++)
        if (!seen_before(record, i))
            r = put_oci_blob(store, w, &record->layers.items[i].digest, err);
    return r;
}

// Docker wants NAME:TAG; a name by digest is none.
static json_t *repo_tags(const struct strv *names) {
    json_t *list = json_array();
    for (size_t i = 0; i < names->len; i++) {
        const char *name = names->items[i], *slash = strrchr(name, '/');
        if (strchr(name, '@')) continue;
        auto_free char *full =
            mem_printf("%s%s", name, strchr(slash ? slash : name, ':') ? "" : ":latest");
        json_array_append_new(list, json_string(full));
    }
    return list;
}

// Layers stay packed as they are: readers of docker archives look at their first bytes.
static int export_docker(struct image_store *store, const struct image_record *record,
                         const struct strv *names, struct writer_to *w, struct err *err) {
    char path[96];
    json_t *layers = json_array();
    int r = 0;
    for (size_t i = 0; r == 0 && i < record->layers.len; i++) {
        const struct digest *digest = &record->layers.items[i].digest;
        snprintf(path, sizeof(path), "%s.tar", digest_hex(digest));
        json_array_append_new(layers, json_string(path));
        if (!seen_before(record, i)) r = put_blob(store, w, path, digest, err);
    }
    snprintf(path, sizeof(path), "%s.json", digest_hex(&record->id));
    if (r == 0) r = put_blob(store, w, path, &record->id, err);
    json_t *manifest = json_pack("[{s:s, s:o, s:o}]", "Config", path, "RepoTags", repo_tags(names),
                                 "Layers", layers);
    if (r == 0) return put_json(w, "manifest.json", manifest, err);
    json_decref(manifest);
    return r;
}

static int check_names(const struct strv *names, struct err *err) {
    for (size_t i = 0; i < names->len; i++)
        if (!image_name_ok(names->items[i]))
            return err_set(err, ERR_INVALID, 0, "flag --name", "'%.80s' is not a name for an image",
                           names->items[i]);
    return 0;
}

static int export_record(struct image_store *store, const struct image_record *record,
                         const struct image_export_options *options, struct writer_to *w,
                         struct err *err) {
    auto_strv struct strv names = {0};
    for (size_t i = 0; options->names && options->names[i]; i++)
        strv_add(&names, options->names[i]);
    for (size_t i = 0; !options->names && i < record->names.len; i++)
        strv_add(&names, record->names.items[i]);
    int r = check_names(&names, err);
    if (r < 0) return r;
    r = options->format == IMAGE_FORMAT_OCI ? export_oci(store, record, &names, w, err)
                                            : export_docker(store, record, &names, w, err);
    return r < 0 ? r : tar_write_end(put, w, err);
}

int image_export(struct image_store *store, const struct image_export_options *options,
                 char **ret_json, struct err *err) {
    struct image_record record;
    struct writer_to w = {.fd = options->output_fd, .report = store->report};
    int r = query_record(store, options->id, &record, err);
    if (r < 0) return r;
    r = export_record(store, &record, options, &w, err);
    auto_json json_t *json =
        json_pack("{s:s, s:I}", "id", record.id.text, "bytes", (json_int_t)w.bytes);
    record_free(&record);
    if (r < 0) return r;
    *ret_json = json ? json_line(json) : NULL;
    return *ret_json ? 0 : err_os(err, ENOMEM, "result", "no memory to write it");
}

static int add_blob_name(int dirfd, const char *name, void *arg) {
    if (digest_is_hex(name, DIGEST_HEX_LEN)) strv_add(arg, name);
    return 0;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int pack_file(struct writer_to *w, int dir_fd, const char *path, struct err *err) {
    struct stat st;
    auto_close int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return err_os(err, errno, path, "cannot open it");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, 0, path, "it is not a file");
    return put_file(w, path, fd, NULL, err);
}

int image_pack(int dir_fd, int output_fd, struct image_report *report, struct err *err) {
    struct writer_to w = {.fd = output_fd, .report = report};
    auto_strv struct strv names = {0};
    if (faccessat(dir_fd, "oci-layout", F_OK, 0) < 0) {
        err_set(err, ERR_INVALID, 0, "directory", "it is not an OCI layout: no file oci-layout");
        return err_next(err, "name the directory that holds oci-layout, index.json and blobs");
    }
    int r = dir_each(dir_fd, "blobs/sha256", add_blob_name, &names);
    if (r < 0) return err_os(err, -r, "directory", "cannot list its blobs");
    if (names.len > 1) qsort(names.items, names.len, sizeof(char *), compare);
    r = pack_file(&w, dir_fd, "oci-layout", err);
    if (r == 0) r = pack_file(&w, dir_fd, "index.json", err);
    for (size_t i = 0; r == 0 && i < names.len; i++) {
        char path[96];
        snprintf(path, sizeof(path), "blobs/sha256/%s", names.items[i]);
        r = pack_file(&w, dir_fd, path, err);
    }
    return r < 0 ? r : tar_write_end(put, &w, err);
}
