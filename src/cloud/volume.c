// SPDX-License-Identifier: Apache-2.0
// Volumes as named directories, until the volume engine joins as the second driver.
//
// Creation: the directory first, the record second, so that a record always has its directory. Removal: the record
// first (marked by its absence), the directory second; a directory that a killed daemon left without a record is litter
// that volume creation never meets (ids are fresh).
#include "cloud/handlers.h"

#include "base/log.h"
#include "base/str.h"
#include "base/text.h"

#include <stdlib.h>

struct usage {
    const struct object *volume;
    json_t *names;
};

// By name, or by the beginning of its id, as a mount may say it.
static bool names(const char *source, const struct object *volume) {
    return strcmp(source, volume->name) == 0 ||
           (strlen(source) >= 4 && str_starts(volume->id, source));
}

static bool used_by(struct object *object, void *arg) {
    struct usage *u = arg;
    if (!strstr(object->text, "\"volume\"")) return true;
    json_t *doc = object_doc(object), *m;
    size_t i;
    json_array_foreach(json_object_get(doc, "mounts"), i, m) {
        if (strcmp(json_text(m, "type"), "volume") == 0 &&
            names(json_text(m, "source"), u->volume)) {
            json_array_append_new(u->names, json_string(object->name));
            break;
        }
    }
    json_decref(doc);
    return true;
}

static json_t *volume_json(struct cloud *cloud, struct object *object) {
    json_t *doc = object_doc(object);
    struct usage u = {object, json_array()};
    object_each(cloud->objects, OBJECT_INSTANCE, object->project, used_by, &u);
    json_object_set_new(doc, "used_by", u.names);
    json_object_set_new(doc, "revision", json_integer(object->revision));
    return doc;
}

struct volumes {
    struct cloud *cloud;
    json_t *items;
};

static bool list_one(struct object *object, void *arg) {
    struct volumes *v = arg;
    json_array_append_new(v->items, volume_json(v->cloud, object));
    return true;
}

void volume_handle_list(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    const char *project;
    if (!handler_project(cloud, req, &project)) return;
    struct volumes v = {cloud, json_array()};
    object_each(cloud->objects, OBJECT_VOLUME, project, list_one, &v);
    http_reply_jansson(req, 200,
                       json_pack("{s:o, s:I}", "items", v.items, "revision",
                                 (json_int_t)store_revision(cloud->store)),
                       NULL);
}

// A request about one volume that waits for the agent.
struct pending {
    struct cloud *cloud;
    struct http_request *req; // NULL once abandoned
    char project[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1], id[ID_TEXT_SIZE];
    json_t *doc;
};

static void on_abandon(struct http_request *req, void *arg) {
    ((struct pending *)arg)->req = NULL;
}

static struct pending *pending_new(struct cloud *cloud, struct http_request *req,
                                   const char *project, const char *name, const char *id) {
    struct pending *p = mem_new(struct pending);
    p->cloud = cloud;
    p->req = req;
    snprintf(p->project, sizeof(p->project), "%s", project);
    snprintf(p->name, sizeof(p->name), "%s", name);
    snprintf(p->id, sizeof(p->id), "%s", id);
    http_on_abandon(req, on_abandon, p);
    return p;
}

static void pending_end(struct pending *p, const struct err *err, int status, json_t *json) {
    if (p->req && err) {
        http_reply_error(p->req, err);
    } else if (p->req && json) {
        http_reply_jansson(p->req, status, json_incref(json), NULL);
    } else if (p->req) {
        http_reply_empty(p->req, status);
    }
    json_decref(json);
    json_decref(p->doc);
    free(p);
}

static bool find(struct cloud *cloud, struct http_request *req, struct object **ret) {
    const char *project;
    struct err err = {0};
    if (!handler_project(cloud, req, &project)) return false;
    if (object_resolve(cloud->objects, OBJECT_VOLUME, project, http_path(req, "volume"), ret,
                       &err) == 0)
        return true;
    http_reply_error(req, &err);
    return false;
}

// --- create ------------------------------------------------------------------------------------------

static void on_made(struct wire_packet *packet, const struct err *err, void *arg) {
    struct pending *p = arg;
    struct err why = {0};
    char key[STORE_KEY_MAX + 1];
    int rc = err ? err_code(err)
                 : object_key(OBJECT_VOLUME, p->project, p->name, key, sizeof(key), &why);
    if (rc == 0) {
        struct changes *changes = changes_new(p->cloud);
        changes_put(changes, key, json_incref(p->doc), CHANGES_NEW);
        changes_event(changes, "volume.created", OBJECT_VOLUME, p->project, p->name, p->id, NULL);
        rc = changes_commit(changes, true, &why);
        struct wire_agent_volume_remove undo = {.id = p->id};
        if (rc < 0)
            cloud_ask_agent(p->cloud, WIRE_AGENT_VOLUME_REMOVE, &undo, NULL, 0, NULL, NULL, NULL,
                            NULL);
    }
    struct object *made =
        rc == 0 ? object_find(p->cloud->objects, OBJECT_VOLUME, p->project, p->name) : NULL;
    pending_end(p, rc < 0 ? (err ? err : &why) : NULL, 201,
                made ? volume_json(p->cloud, made) : NULL);
}

void volume_handle_create(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    const char *project;
    const json_t *body = http_body(req);
    struct err err = {0};
    char id[ID_TEXT_SIZE];
    if (!handler_project(cloud, req, &project)) return;
    text_new_id(clock_realtime(cloud->clock), id);
    const char *name = *json_text(body, "name") ? json_text(body, "name") : id;
    int rc = text_check_name("volume", name, &err);
    if (rc == 0 && object_find(cloud->objects, OBJECT_VOLUME, project, name)) {
        char what[128];
        snprintf(what, sizeof(what), "volume %s", name);
        rc = err_set(&err, ERR_EXISTS, 0, what, "the name is taken");
    }
    if (rc < 0) {
        http_reply_error(req, &err);
        return;
    }
    struct pending *p = pending_new(cloud, req, project, name, id);
    p->doc = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[], s:o}", "kind", "volume", "id", id, "name",
                       name, "project", project, "driver", "directory", "used_by", "created_at",
                       json_now(cloud));
    json_t *labels = json_object_get(body, "labels");
    json_object_set_new(p->doc, "labels", labels ? json_incref(labels) : json_object());
    struct wire_agent_volume_create message = {.id = id};
    if (cloud_ask_agent(cloud, WIRE_AGENT_VOLUME_CREATE, &message, NULL, 0, on_made, p, NULL,
                        &err) < 0)
        pending_end(p, &err, 0, NULL);
}

// --- get ---------------------------------------------------------------------------------------------

static void on_usage(struct wire_packet *packet, const struct err *err, void *arg) {
    struct pending *p = arg;
    struct wire_agent_usage usage;
    struct object *object = object_find(p->cloud->objects, OBJECT_VOLUME, p->project, p->name);
    if (!object) {
        struct err gone = {0};
        err_set(&gone, ERR_NOT_FOUND, 0, p->name, "the volume was removed");
        pending_end(p, &gone, 0, NULL);
        return;
    }
    json_t *doc = volume_json(p->cloud, object);
    bool known = packet && wire_decode_agent_usage(packet->payload, NULL, &usage, NULL) == 0;
    json_object_set_new(doc, "usage_bytes",
                        known ? json_integer((json_int_t)usage.bytes) : json_null());
    pending_end(p, NULL, 200, doc);
}

void volume_handle_get(struct http_request *req, void *arg) {
    struct object *object;
    if (!find(arg, req, &object)) return;
    struct pending *p = pending_new(arg, req, object->project, object->name, object->id);
    struct wire_agent_volume_usage message = {.id = object->id};
    if (cloud_ask_agent(arg, WIRE_AGENT_VOLUME_USAGE, &message, NULL, 0, on_usage, p, NULL, NULL) <
        0)
        on_usage(NULL, NULL, p);
}

// --- delete ------------------------------------------------------------------------------------------

static void on_removed(struct wire_packet *packet, const struct err *err, void *arg) {
    if (err) LOG_WARN("cannot remove the directory of a volume", "cause=\"%s\"", err->cause);
    pending_end(arg, err, 204, NULL);
}

void volume_handle_delete(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct object *object;
    struct err err = {0};
    char etag[ETAG_SIZE];
    if (!find(cloud, req, &object)) return;
    json_t *doc = volume_json(cloud, object);
    const json_t *users = json_object_get(doc, "used_by");
    int rc = http_check_match(req, object_etag(object, etag), &err);
    if (rc == 0 && json_array_size(users)) {
        rc = err_set(&err, ERR_STATE, 0, object->name, "instance %s uses it",
                     json_string_value(json_array_get(users, 0)));
        rc = err_next(&err, "remove the instance first: trine rm %s",
                      json_string_value(json_array_get(users, 0)));
    }
    json_decref(doc);
    struct pending *p =
        rc == 0 ? pending_new(cloud, req, object->project, object->name, object->id) : NULL;
    if (rc == 0) {
        struct changes *changes = changes_new(cloud);
        changes_delete(changes, object->key, object->revision);
        changes_event(changes, "volume.removed", OBJECT_VOLUME, p->project, p->name, p->id, NULL);
        rc = changes_commit(changes, true, &err);
    }
    struct wire_agent_volume_remove message = {.id = p ? p->id : ""};
    if (rc == 0)
        rc = cloud_ask_agent(cloud, WIRE_AGENT_VOLUME_REMOVE, &message, NULL, 0, on_removed, p,
                             NULL, &err);
    if (rc < 0 && p)
        pending_end(p, &err, 0, NULL);
    else if (rc < 0)
        http_reply_error(req, &err);
}
