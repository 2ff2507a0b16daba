// SPDX-License-Identifier: Apache-2.0
// Projects: tenants. "default" is there from the beginning and stays.
#include "cloud/project.h"

#include "base/text.h"
#include "cloud/handlers.h"

#include <stdlib.h>

int projects_open(struct cloud *cloud, struct err *err) {
    if (object_find(cloud->objects, OBJECT_PROJECT, "", DEFAULT_PROJECT)) return 0;
    char id[ID_TEXT_SIZE], key[STORE_KEY_MAX + 1];
    text_new_id(clock_realtime(cloud->clock), id);
    int rc = object_key(OBJECT_PROJECT, "", DEFAULT_PROJECT, key, sizeof(key), err);
    if (rc < 0) return rc;
    struct changes *changes = changes_new(cloud);
    changes_put(changes, key,
                json_pack("{s:s, s:s, s:s, s:s, s:{}, s:o}", "kind", "project", "id", id, "name",
                          DEFAULT_PROJECT, "description",
                          "where things go when no project is named", "labels", "created_at",
                          json_now(cloud)),
                CHANGES_NEW);
    return changes_commit(changes, true, err);
}

static json_t *project_json(struct cloud *cloud, const struct object *object) {
    json_t *doc = object_doc(object);
    json_object_set_new(doc, "instances",
                        json_integer((json_int_t)object_count(cloud->objects, OBJECT_INSTANCE,
                                                              object->name)));
    json_object_set_new(doc, "revision", json_integer(object->revision));
    return doc;
}

struct projects {
    struct cloud *cloud;
    json_t *items;
};

static bool list_one(struct object *object, void *arg) {
    struct projects *p = arg;
    json_array_append_new(p->items, project_json(p->cloud, object));
    return true;
}

void project_handle_list(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct projects p = {cloud, json_array()};
    object_each(cloud->objects, OBJECT_PROJECT, NULL, list_one, &p);
    http_reply_jansson(req, 200,
                       json_pack("{s:o, s:I}", "items", p.items, "revision",
                                 (json_int_t)store_revision(cloud->store)),
                       NULL);
}

static struct object *find(struct cloud *cloud, struct http_request *req) {
    const char *name;
    return handler_project(cloud, req, &name)
               ? object_find(cloud->objects, OBJECT_PROJECT, "", name)
               : NULL;
}

static void reply(struct cloud *cloud, struct http_request *req, int status,
                  const struct object *object) {
    char etag[ETAG_SIZE];
    http_reply_jansson(req, status, project_json(cloud, object), object_etag(object, etag));
}

void project_handle_get(struct http_request *req, void *arg) {
    struct object *object = find(arg, req);
    if (object) reply(arg, req, 200, object);
}

void project_handle_create(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    const json_t *body = http_body(req);
    const char *name = json_text(body, "name");
    struct err err = {0};
    char id[ID_TEXT_SIZE], key[STORE_KEY_MAX + 1];
    text_new_id(clock_realtime(cloud->clock), id);
    int rc = text_check_name("project", name, &err);
    if (rc == 0) rc = object_key(OBJECT_PROJECT, "", name, key, sizeof(key), &err);
    if (rc == 0) {
        json_t *labels = json_object_get(body, "labels");
        struct changes *changes = changes_new(cloud);
        changes_event(changes, "project.created", OBJECT_PROJECT, "", name, id, NULL);
        changes_put(changes, key,
                    json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "kind", "project", "id", id, "name",
                              name, "description", json_text(body, "description"), "labels",
                              labels ? json_incref(labels) : json_object(), "created_at",
                              json_now(cloud)),
                    CHANGES_NEW);
        rc = changes_commit(changes, true, &err);
    }
    if (rc < 0)
        http_reply_error(req, &err);
    else
        reply(cloud, req, 201, object_find(cloud->objects, OBJECT_PROJECT, "", name));
}

void project_handle_patch(struct http_request *req, void *arg) {
    struct object *object = find(arg, req);
    const json_t *body = http_body(req);
    struct err err = {0};
    char etag[ETAG_SIZE];
    if (!object) return;
    int rc = http_check_match(req, object_etag(object, etag), &err);
    if (rc == 0) {
        json_t *doc = object_doc(object), *description = json_object_get(body, "description");
        handler_merge(json_object_get(doc, "labels"), json_object_get(body, "labels"));
        if (description)
            json_object_set_new(doc, "description", json_string(json_text(body, "description")));
        struct changes *changes = changes_new(arg);
        changes_put(changes, object->key, doc, object->revision);
        changes_event(changes, "project.updated", OBJECT_PROJECT, "", object->name, object->id,
                      NULL);
        rc = changes_commit(changes, true, &err);
    }
    if (rc < 0)
        http_reply_error(req, &err);
    else
        reply(arg, req, 200, object);
}

void project_handle_delete(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct object *object = find(cloud, req);
    struct err err = {0};
    char etag[ETAG_SIZE], what[128];
    if (!object) return;
    snprintf(what, sizeof(what), "project %s", object->name);
    size_t instances = object_count(cloud->objects, OBJECT_INSTANCE, object->name);
    size_t volumes = object_count(cloud->objects, OBJECT_VOLUME, object->name);
    int rc = http_check_match(req, object_etag(object, etag), &err);
    if (rc == 0 && strcmp(object->name, DEFAULT_PROJECT) == 0) {
        err_set(&err, ERR_STATE, 0, what, "it always exists");
        rc = err_next(&err, "remove what it holds instead: trine rm, trine volume rm");
    }
    if (rc == 0 && instances + volumes) {
        rc = err_set(&err, ERR_STATE, 0, what, "it holds %zu instances and %zu volumes", instances,
                     volumes);
        rc = err_next(
            &err, "remove them first ('trine --project %s ps -a', 'trine --project %s volume ls')",
            object->name, object->name);
    }
    if (rc == 0) {
        struct changes *changes = changes_new(cloud);
        changes_delete(changes, object->key, object->revision);
        changes_event(changes, "project.removed", OBJECT_PROJECT, "", object->name, object->id,
                      NULL);
        rc = changes_commit(changes, true, &err);
    }
    if (rc < 0)
        http_reply_error(req, &err);
    else
        http_reply_empty(req, 204);
}
