// SPDX-License-Identifier: Apache-2.0
// The option words of a mount (mount(8) and config.md, "Linux mount options").
#ifndef TRINE_EXECUTION_CONTAINER_MOUNT_OPTION_H
#define TRINE_EXECUTION_CONTAINER_MOUNT_OPTION_H

#include "execution/container/spec.h"

struct mount_options {
    uint64_t set, clear;         // MOUNT_ATTR_* of the mount itself
    uint64_t set_all, clear_all; // of it and everything below ("rro", "rnosuid"…)
    unsigned long propagation;   // MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE or 0
    bool propagation_all;        // "r…"
    bool bind, bind_all;         // "bind", "rbind" (or type "bind")
    bool copy_up;                // "tmpcopyup": a tmpfs starts with what the image has there
    bool read_only;              // "ro"
    bool idmap, idmap_all;       // "idmap", "ridmap"
    bool synchronous, dir_sync, lazy_time;
    const char *base;        // "trine.base=": where relative overlay layers start
    struct oci_strings data; // what only the file system itself knows: "size=64k"
};

int mount_options_parse(const struct oci_mount *mount, struct arena *arena,
                        struct mount_options *ret, struct err *err);
// "rprivate" → MS_PRIVATE|MS_REC; 0 for an unknown word.
unsigned long mount_propagation_parse(const char *word);
// The names that `features` lists. NULL past the end.
const char *mount_option_name(size_t i);

#endif
