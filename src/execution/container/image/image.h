// SPDX-License-Identifier: Apache-2.0
// The image store: what an instance starts from, content-addressed and unpacked once.
//
// This is the library's face; trine-image is its one program. Everything that parses bytes of an
// image lives behind it, so a program that uses it gives up its rights first (image_narrow).
//
//   DIR/blobs/sha256/<64 hex>             manifests, configurations and layers as imported
//   DIR/layers/<24 hex of the chain id>/  an unpacked layer: a lower directory of overlayfs
//   DIR/layers/<24 hex>.json              {"diff_id","chain_id","blob","size_bytes","entries",…}
//   DIR/images/<64 hex of config>.json    the image record (record.h)
//   DIR/tmp/<run>/  DIR/lock
//
// Invariants:
// (1) Whatever stands outside tmp/ is complete: it was made in tmp/, synced, and renamed.
// (2) A blob's name is the digest of its bytes; a layer directory's name comes from the digests of
//     the tar streams below and in it.
// (3) A record is written after all that it names; it is removed before any of it.
// (4) Whoever writes holds `lock` shared; whoever removes holds it alone. Litter in tmp/ is removed
//     by the first writer that finds itself alone.
//
// Threads: a store and what is made from it belong to one thread.
#ifndef TRINE_IMAGE_IMAGE_H
#define TRINE_IMAGE_IMAGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where progress, warnings and the outcome go. A callback may be NULL. Strings are borrowed.
struct image_report {
    // `step` is a few words ("layer 2 of 3"); total 0: unknown. Called at most every few MiB.
    void (*progress)(struct image_report *report, const char *step, uint64_t done, uint64_t total);
    void (*warning)(struct image_report *report, const char *text);
    void (*result)(struct image_report *report, const char *json);
    void (*failure)(struct image_report *report, const struct err *err);
    bool (*cancelled)(struct image_report *report); // asked at every buffer; true ends the work
};

struct image_limits {
    uint64_t max_bytes;   // unpacked content of one import
    uint64_t max_entries; // of one import
    uint64_t max_ratio;   // unpacked to packed bytes of one layer, past its first 64 MiB
};
#define IMAGE_LIMITS_DEFAULT \
    ((struct image_limits){.max_bytes = UINT64_C(64) << 30, \
                           .max_entries = 10000000, \
                           .max_ratio = 1100})

enum image_mode {
    IMAGE_MODE_AUTO, // the one of the next that fits the caller
    IMAGE_MODE_ROOT, // owners and devices kept, trusted.overlay.* marks
    // In a user namespace that maps one user only, everything becomes root's, with a warning.
    IMAGE_MODE_USERNS, // owners kept inside the mapping, devices skipped, user.overlay.* marks
    IMAGE_MODE_PLAIN,  // no rights at all: owners and devices are skipped too (tests, inspection)
};

struct image_store_options {
    enum image_mode mode;
    struct image_limits limits;
};

struct image_store;
// Makes what is missing of the directory. `report` is borrowed for the life of the store; options
// NULL: defaults.
int image_store_open(const char *path, const struct image_store_options *options,
                     struct image_report *report, struct image_store **ret, struct err *err);
void image_store_close(struct image_store *store); // removes its own part of tmp/; NULL is fine

// Give up every right that work on images does not need: after this a hijacked process can change
// the store and read `read_path` (NULL: nothing else), and no more. Descriptors that are open stay.
int image_narrow(struct image_store *store, const char *read_path, struct err *err);

enum image_type { IMAGE_TYPE_AUTO, IMAGE_TYPE_OCI, IMAGE_TYPE_DOCKER, IMAGE_TYPE_ROOTFS };
int image_type_parse(const char *word, enum image_type *ret); // auto oci docker rootfs; -EINVAL

struct image_import_options {
    int input_fd; // a file, pipe or directory; borrowed
    enum image_type type;
    const char *const *names; // added to those found, NULL-terminated; NULL: none
    int64_t created_ns;       // realtime, for a root file system's configuration
    const char *comment;      // its history line; NULL: "imported root file system"
    const char *const *cmd;   // its default command, NULL-terminated; NULL: none
    int gate_fd; // >= 0: one byte must arrive before anything is kept; end of file cancels
};
#define IMAGE_IMPORT_OPTIONS_DEFAULT ((struct image_import_options){.input_fd = -1, .gate_fd = -1})
// *ret_json: {"images":[record, …]}, the caller's. On failure the store is as it was.
int image_import(struct image_store *store, const struct image_import_options *options,
                 char **ret_json, struct err *err);

struct image_busybox_options {
    int busybox_fd;           // the program; borrowed. Refused unless linked statically
    const char *applets;      // what its `--list-full` says: one path a line
    const char *const *names; // NULL-terminated; NULL: "busybox"
    int64_t created_ns;       // also the time of every file: the same input gives the same digests
};
int image_build_busybox(struct image_store *store, const struct image_busybox_options *options,
                        char **ret_json, struct err *err);

struct image_debian_options {
    const char *suite;           // "bookworm"
    const char *const *packages; // beyond the minimal system; NULL-terminated; NULL: none
    const char *const *names;    // NULL-terminated; NULL: "debian:SUITE"
    int64_t created_ns;
};
// Runs mmdebstrap with the rights of the caller and takes in what it writes in a child that was
// narrowed: call it instead of image_narrow. Needs the network that apt needs.
int image_build_debian(struct image_store *store, const struct image_debian_options *options,
                       char **ret_json, struct err *err);

enum image_format { IMAGE_FORMAT_OCI, IMAGE_FORMAT_DOCKER };
struct image_export_options {
    const char *id;           // "sha256:…" of the configuration, or at least 12 digits of it
    const char *const *names; // NULL-terminated; NULL: the record's own
    enum image_format format;
    int output_fd; // borrowed
};
// *ret_json: {"id","bytes"}, the caller's.
int image_export(struct image_store *store, const struct image_export_options *options,
                 char **ret_json, struct err *err);
// Write a directory that is an OCI layout as a tar stream; nothing else in it is read. No store.
int image_pack(int dir_fd, int output_fd, struct image_report *report, struct err *err);

int image_list(struct image_store *store, char **ret_json, struct err *err); // {"images":[…]}
int image_inspect(struct image_store *store, const char *id, char **ret_json, struct err *err);
// Hash everything again: {"checked":N,"damaged":[{"object","problem"}]}; *ret_damaged is the length
// of that list. id NULL: the whole store.
int image_verify(struct image_store *store, const char *id, size_t *ret_damaged, char **ret_json,
                 struct err *err);
// Remove what no id in `keep` reaches: {"freed_bytes":N,"images":N,"layers":N,"blobs":N}.
int image_sweep(struct image_store *store, const char *const *keep, size_t n_keep, char **ret_json,
                struct err *err);
// What a directory tree holds, without following links or mounts: {"bytes":N,"entries":N}.
int image_usage(int dir_fd, char **ret_json, struct err *err);

#endif
