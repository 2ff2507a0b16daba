// SPDX-License-Identifier: Apache-2.0
// config.json: the process and the frame. bundle_mount.c and bundle_linux.c have the other parts.
#include "cloud/agent/bundle.h"

#include "base/str.h"
#include "cloud/agent/bundle_int.h"
#include "cloud/agent/capability.h"
#include "wire/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OCI_VERSION "1.1.0"

json_t *bundle_strings(const char *const *items, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(list, json_string(items[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

const char *bundle_hostname(const struct wire_agent_instance_create *request, char buf[64]) {
    if (request->hostname[0])
        snprintf(buf, 64, "%s", request->hostname);
    else
        snprintf(buf, 64, "%.12s", request->id);
    return buf;
}

// Bounding, effective and permitted hold the set. Inheritable and ambient stay empty: a program
// that gives up root gives up its capabilities.
static json_t *capabilities(uint64_t set) {
    const char *words[CAPABILITY_COUNT];
    size_t n = 0;
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if (set >> i & 1) words[n++] = capability_name(i);
    return json_pack("{s:o?, s:o?, s:o?, s:[], s:[]}", "bounding", bundle_strings(words, n),
                     "effective", bundle_strings(words, n), "permitted", bundle_strings(words, n),
                     "inheritable", "ambient");
}

static json_t *environment(const struct wire_agent_instance_create *r) {
    json_t *list = bundle_strings(r->env.items, r->env.count);
    bool has_term = !r->terminal;
    for (size_t i = 0; i < r->env.count; i++)
        if (str_starts(r->env.items[i], "TERM=")) has_term = true;
    if (!has_term) json_array_append_new(list, json_string("TERM=xterm"));
    return list;
}

static json_t *process(const struct bundle *b) {
    const struct wire_agent_instance_create *r = b->request;
    json_t *p = json_pack("{s:b, s:{s:i, s:i}, s:o?, s:o?, s:s, s:o?, s:b}",    //
                          "terminal", r->terminal,                              //
                          "user", "uid", 0, "gid", 0,                           //
                          "args", bundle_strings(r->args.items, r->args.count), //
                          "env", environment(r),                                //
                          "cwd", r->working_dir[0] ? r->working_dir : "/",      //
                          "capabilities", capabilities(b->capabilities),        //
                          "noNewPrivileges", false);
    if (p && r->terminal && r->rows && r->columns)
        json_object_set_new(p, "consoleSize",
                            json_pack("{s:i, s:i}", "height", r->rows, "width", r->columns));
    return p;
}

static json_t *annotations(const struct wire_agent_instance_create *r) {
    json_t *a = json_pack("{s:s, s:s}", "org.trine.name", r->name, "org.trine.project", r->project);
    if (r->user[0]) json_object_set_new(a, "org.trine.user", json_string(r->user));
    if (!r->privileged) json_object_set_new(a, "org.trine.seccomp", json_string("default"));
    return a;
}

int bundle_build(const struct wire_agent_instance_create *r, const struct request_mount *mounts,
                 size_t n_mounts, const struct bundle_host *host, char **ret_json,
                 struct err *err) {
    struct bundle b = {.request = r, .mounts = mounts, .n_mounts = n_mounts, .host = host};
    int rc = capability_resolve(r->cap_add, r->cap_drop, r->privileged, host->capabilities,
                                &b.capabilities, err);
    if (rc < 0) return rc;
    char hostname[64];
    json_t *config = json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", //
                               "ociVersion", OCI_VERSION,                      //
                               "process", process(&b),                         //
                               "root", "path", LAYOUT_ROOTFS, "readonly", r->read_only, "hostname",
                               bundle_hostname(r, hostname),  //
                               "annotations", annotations(r), //
                               "mounts", bundle_mounts(&b),   //
                               "linux", bundle_linux(&b));
    *ret_json = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    if (!*ret_json) return err_set(err, ERR_NO_SPACE, ENOMEM, "instance", "cannot describe it");
    return 0;
}
