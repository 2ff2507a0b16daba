// SPDX-License-Identifier: Apache-2.0
// From a request to the document of an instance: what the user asked for, what the image says, what is usual.
#include "cloud/handlers.h"
#include "cloud/image.h"
#include "cloud/instance.h"

#include "base/str.h"
#include "host/process.h"

#include <stdlib.h>
#include <sys/random.h>

#define PATH_USUAL "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STOP_TIMEOUT_MS 10000

static void made_up_name(char buf[NAME_MAX_LEN + 1]) {
    static const char *const moods[] = {"able",  "bold",   "brave", "bright", "calm",  "clear",
                                        "cool",  "deft",   "eager", "fair",   "fine",  "firm",
                                        "fleet", "fond",   "free",  "glad",   "good",  "grand",
                                        "keen",  "kind",   "light", "lucid",  "merry", "mild",
                                        "neat",  "nimble", "prime", "quick",  "quiet", "sharp",
                                        "sunny", "swift"};
    static const char *const things[] = {"anchor", "arch",   "basin", "beacon", "birch", "brook",
                                         "canal",  "cedar",  "cliff", "cloud",  "comet", "coral",
                                         "delta",  "dune",   "ember", "fjord",  "forge", "glade",
                                         "grove",  "harbor", "heron", "inlet",  "isle",  "lagoon",
                                         "larch",  "maple",  "mesa",  "orbit",  "otter", "quay",
                                         "ridge",  "wharf"};
    uint32_t r = 0;
    if (getrandom(&r, sizeof(r), 0) != sizeof(r)) r = (uint32_t)(uintptr_t)buf;
    snprintf(buf, NAME_MAX_LEN + 1, "%s_%s_%u", moods[r % 32], things[r / 32 % 32],
             r / 1024 % 1000);
}

static int choose_name(struct cloud *cloud, const char *project, const json_t *body,
                       char buf[NAME_MAX_LEN + 1], struct err *err) {
    const char *asked = json_text(body, "name");
    if (*asked) {
        snprintf(buf, NAME_MAX_LEN + 1, "%s", asked);
        int rc = text_check_name("instance", asked, err);
        if (rc == 0 && object_find(cloud->objects, OBJECT_INSTANCE, project, buf)) {
            char what[128];
            snprintf(what, sizeof(what), "instance %s", buf);
            err_set(err, ERR_EXISTS, 0, what, "the name is taken");
            rc = err_next(err, "choose another name, or 'trine rm %s' first", buf);
        }
        return rc;
    }
    for (int i = 0; i < 100; i++) {
        made_up_name(buf);
        if (!object_find(cloud->objects, OBJECT_INSTANCE, project, buf)) return 0;
    }
    return err_set(err, ERR_LIMIT, 0, "instance", "found no free name");
}

// Program and arguments: the request's, else the image's; an entry point of the request replaces the image's command.
static json_t *choose_args(const json_t *body, const json_t *config, struct err *err) {
    const json_t *entry = json_object_get(body, "entrypoint"),
                 *args = json_object_get(body, "args");
    json_t *out = json_array();
    bool own_entry = json_array_size(entry) > 0;
    json_array_extend(out, (json_t *)(own_entry ? entry : json_object_get(config, "entrypoint")));
    if (json_array_size(args))
        json_array_extend(out, (json_t *)args);
    else if (!own_entry)
        json_array_extend(out, json_object_get(config, "cmd"));
    if (json_array_size(out) == 0) {
        err_set(err, ERR_INVALID, 0, "args", "the image names no program to run");
        err_next(err, "give one behind the image's name: trine run IMAGE COMMAND");
    }
    return out;
}

static void set_env(json_t *env, const char *entry) {
    size_t n = strcspn(entry, "=");
    for (size_t i = json_array_size(env); i > 0; i--) {
        const char *old = json_string_value(json_array_get(env, i - 1));
        if (old && strncmp(old, entry, n) == 0 && old[n] == '=') json_array_remove(env, i - 1);
    }
    json_array_append_new(env, json_string(entry));
}

static json_t *choose_env(const json_t *body, const json_t *config, const char *hostname,
                          bool terminal) {
    json_t *env = json_array(), *entry;
    char text[128];
    size_t i;
    json_array_append_new(env, json_string(PATH_USUAL));
    snprintf(text, sizeof(text), "HOSTNAME=%s", hostname);
    json_array_append_new(env, json_string(text));
    if (terminal) json_array_append_new(env, json_string("TERM=xterm"));
    json_array_foreach(json_object_get(config, "env"), i, entry) {
        if (json_is_string(entry)) set_env(env, json_string_value(entry));
    }
    json_array_foreach(json_object_get(body, "env"), i, entry)
        set_env(env, json_string_value(entry));
    return env;
}

static int check_mounts(struct cloud *cloud, const char *project, const json_t *mounts,
                        struct err *err) {
    json_t *m;
    size_t i;
    json_array_foreach((json_t *)mounts, i, m) {
        const char *type = json_text(m, "type"), *source = json_text(m, "source"),
                   *to = json_text(m, "destination");
        struct object *volume;
        if (strcmp(to, "/") == 0 || strstr(to, "/../") || str_ends(to, "/.."))
            return err_set(err, ERR_INVALID, 0, to, "is no place to mount at");
        if (strcmp(type, "tmpfs") == 0) continue;
        if (!*source) return err_set(err, ERR_INVALID, 0, to, "the mount says no source");
        if (strcmp(type, "bind") == 0 && *source != '/') {
            err_set(err, ERR_INVALID, 0, source, "a bind mount needs an absolute path of the host");
            return err_next(err, "write it with a leading '/', or name a volume");
        }
        if (strcmp(type, "volume") == 0) {
            int rc = object_resolve(cloud->objects, OBJECT_VOLUME, project, source, &volume, err);
            if (rc < 0) return err_next(err, "'trine volume create %s' makes it", source);
        }
    }
    return 0;
}

static int check_network(const char *network, struct err *err) {
    if (!*network || strcmp(network, "none") == 0 || strcmp(network, "host") == 0) return 0;
    char what[128];
    snprintf(what, sizeof(what), "network %s", network);
    err_set(err, ERR_NOT_FOUND, 0, what, "there is none");
    return err_next(err, "this release has the networks 'none' and 'host'");
}

static int check_signal(const char *word, struct err *err) {
    int signo;
    if (!*word || process_signal_parse(word, &signo) == 0) return 0;
    err_set(err, ERR_INVALID, 0, "stop_signal", "\"%s\" is not a signal", word);
    return err_next(err, "write it as TERM, SIGTERM or 15");
}

static void copy_or(json_t *doc, const json_t *body, const char *key, json_t *otherwise) {
    json_t *given = json_object_get(body, key);
    if (given) json_decref(otherwise);
    json_object_set_new(doc, key, given ? json_incref(given) : otherwise);
}

static json_t *text_or(const json_t *config, const char *key, const char *otherwise) {
    const char *text = json_text(config, key);
    return json_string(*text ? text : otherwise);
}

static json_t *make_doc(struct cloud *cloud, const char *project, const char *name,
                        const json_t *body, const json_t *image, json_t *args) {
    const json_t *config = json_object_get(image, "config");
    const char *hostname = *json_text(body, "hostname") ? json_text(body, "hostname") : name;
    char id[ID_TEXT_SIZE], host[64];
    snprintf(host, sizeof(host), "%s", hostname);
    for (char *p = host; *p; p++) *p = *p == '_' ? '-' : *p;
    text_new_id(clock_realtime(cloud->clock), id);
    bool terminal = json_is_true(json_object_get(body, "terminal"));
    json_t *doc = json_pack("{s:s, s:s, s:s, s:s}", "kind", "instance", "id", id, "name", name,
                            "project", project);
    copy_or(doc, body, "labels", json_object());
    copy_or(doc, body, "level", json_string("container"));
    copy_or(doc, body, "image", json_null());
    json_object_set(doc, "image_id", json_object_get(image, "id"));
    json_object_set_new(doc, "args", args);
    json_object_set_new(doc, "env", choose_env(body, config, host, terminal));
    copy_or(doc, body, "working_dir", text_or(config, "working_dir", "/"));
    copy_or(doc, body, "user", text_or(config, "user", "0"));
    json_object_set_new(doc, "hostname", json_string(host));
    static const char *const flags[] = {"terminal", "stdin_open", "read_only", "privileged",
                                        "remove_on_exit"};
    for (size_t i = 0; i < array_len(flags); i++) copy_or(doc, body, flags[i], json_false());
    static const char *const lists[] = {"cap_add", "cap_drop", "mounts"};
    for (size_t i = 0; i < array_len(lists); i++) copy_or(doc, body, lists[i], json_array());
    copy_or(doc, body, "network", json_string("none"));
    copy_or(doc, body, "limits", json_object());
    copy_or(doc, body, "stop_signal", text_or(config, "stop_signal", "TERM"));
    copy_or(doc, body, "stop_timeout_ms", json_integer(STOP_TIMEOUT_MS));
    copy_or(doc, body, "log", json_object());
    json_object_set_new(doc, "desired", json_string("stopped"));
    json_object_set_new(doc, "status",
                        json_pack("{s:s, s:i, s:n, s:b, s:n, s:n, s:s, s:[]}", "state", "created",
                                  "pid", 0, "exit_code", "oom_killed", 0, "started_at",
                                  "finished_at", "reason", "", "warnings"));
    json_object_set_new(doc, "created_at", json_now(cloud));
    return doc;
}

static int create(struct cloud *cloud, const char *project, const json_t *body, struct object **ret,
                  struct err *err) {
    const char *level = *json_text(body, "level") ? json_text(body, "level") : "container";
    const struct kind_ops *kind = kind_find(level);
    if (!kind || kind->unavailable) {
        err_set(err, ERR_UNSUPPORTED, 0, level, "%s", kind ? kind->unavailable : "is no level");
        return err_next(err, "'trine node' lists the levels; 'container' is the usual one");
    }
    struct object *image_object;
    char name[NAME_MAX_LEN + 1], key[STORE_KEY_MAX + 1];
    int rc = image_resolve(cloud, json_text(body, "image"), &image_object, err);
    if (rc == 0) rc = choose_name(cloud, project, body, name, err);
    if (rc == 0) rc = check_mounts(cloud, project, json_object_get(body, "mounts"), err);
    if (rc == 0) rc = check_network(json_text(body, "network"), err);
    if (rc == 0) rc = check_signal(json_text(body, "stop_signal"), err);
    if (rc == 0) rc = object_key(OBJECT_INSTANCE, project, name, key, sizeof(key), err);
    if (rc < 0) return rc;
    json_t *image = object_doc(image_object);
    struct err why = {0};
    json_t *args = choose_args(body, json_object_get(image, "config"), &why);
    if (why.kind) {
        json_decref(args);
        json_decref(image);
        if (err) *err = why;
        return err_code(&why);
    }
    json_t *doc = make_doc(cloud, project, name, body, image, args);
    struct changes *changes = changes_new(cloud);
    changes_event(changes, "instance.created", OBJECT_INSTANCE, project, name, json_text(doc, "id"),
                  NULL);
    changes_put(changes, key, doc, CHANGES_NEW);
    rc = changes_commit(changes, true, err);
    json_decref(image);
    *ret = object_find(cloud->objects, OBJECT_INSTANCE, project, name);
    return rc;
}

void instance_handle_create(struct http_request *req, void *arg) {
    const char *project;
    struct object *object = NULL;
    struct err err = {0};
    if (!handler_project(arg, req, &project)) return;
    if (create(arg, project, http_body(req), &object, &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    char location[160];
    snprintf(location, sizeof(location), "/v1/projects/%s/instances/%s", project, object->name);
    http_set_header(req, "Location", location);
    handler_reply_object(req, 201, object);
}
