// SPDX-License-Identifier: Apache-2.0
// Names and records of images; image_job.c runs the image role.
#include "cloud/image.h"

#include "base/str.h"
#include "cloud/handlers.h"
#include "cloud/image_int.h"

#include <ctype.h>
#include <stdlib.h>

int image_name_normalise(const char *name, char buf[IMAGE_NAME_MAX + 1], struct err *err) {
    const char *slash = strrchr(name, '/');
    const char *tag = strchr(slash ? slash : name, ':');
    int n = snprintf(buf, IMAGE_NAME_MAX + 1, "%s%s", name, tag ? "" : ":latest");
    bool good = n > 0 && n <= IMAGE_NAME_MAX && isalnum((unsigned char)name[0]) &&
                !strstr(name, "..") && !strstr(name, "//") &&
                (!tag || (tag[1] && isalnum((unsigned char)tag[1])));
    for (const char *p = name; good && *p; p++)
        good = isalnum((unsigned char)*p) || strchr("._-/:", *p);
    for (const char *p = name; good && p < (tag ? tag : name + strlen(name)); p++)
        good = !isupper((unsigned char)*p);
    if (good) return 0;
    err_set(err, ERR_INVALID, 0, "image name", "\"%.80s\" is no name of an image", name);
    return err_next(
        err, "use lower-case letters, digits, '.', '_', '-' and '/', then an optional ':tag'");
}

int image_resolve(struct cloud *cloud, const char *word, struct object **ret, struct err *err) {
    char name[IMAGE_NAME_MAX + 1];
    if (image_name_normalise(word, name, NULL) == 0) {
        struct object *pointer = object_find(cloud->objects, OBJECT_IMAGE_NAME, "", name);
        json_t *doc = pointer ? object_doc(pointer) : NULL;
        *ret = doc ? object_find(cloud->objects, OBJECT_IMAGE, "", json_text(doc, "image")) : NULL;
        json_decref(doc);
        if (*ret) return 0;
    }
    int rc = object_resolve(cloud->objects, OBJECT_IMAGE, NULL, word, ret, err);
    if (rc < 0 && err && err->kind == ERR_NOT_FOUND)
        err_next(err, "'trine image ls' lists the images; 'trine image import' and 'trine image "
                      "build' make one");
    return rc;
}

static bool same_image(struct object *object, void *arg) {
    struct image_use *use = arg;
    if (!strstr(object->text, use->id)) return true;
    json_t *doc = object_doc(object);
    use->used = strcmp(json_text(doc, "image_id"), use->id) == 0;
    if (use->used) snprintf(use->by, sizeof(use->by), "%s", object->name);
    json_decref(doc);
    return !use->used;
}

bool image_in_use(struct cloud *cloud, const char *id, struct image_use *use) {
    *use = (struct image_use){.id = id};
    object_each(cloud->objects, OBJECT_INSTANCE, NULL, same_image, use);
    return use->used;
}

// --- names -------------------------------------------------------------------------------------------

static void remove_text(json_t *array, const char *text) {
    for (size_t i = json_array_size(array); i > 0; i--) {
        const char *item = json_string_value(json_array_get(array, i - 1));
        if (item && strcmp(item, text) == 0) json_array_remove(array, i - 1);
    }
}

// Let `name` point at the image with key part `hex`; the image that had it before loses it.
void image_point(struct cloud *cloud, struct changes *changes, const char *name, const char *hex,
                 json_t *names) {
    char key[STORE_KEY_MAX + 1];
    struct object *pointer = object_find(cloud->objects, OBJECT_IMAGE_NAME, "", name);
    if (pointer) {
        json_t *doc = object_doc(pointer);
        struct object *former =
            object_find(cloud->objects, OBJECT_IMAGE, "", json_text(doc, "image"));
        if (former && strcmp(former->name, hex) != 0) {
            // Several names may leave the same image in one transaction.
            const char *pending = changes_pending(changes, former->key);
            json_t *image = pending ? json_loads(pending, 0, NULL) : object_doc(former);
            remove_text(json_object_get(image, "names"), name);
            changes_put(changes, former->key, image, former->revision);
        }
        json_decref(doc);
    }
    if (object_key(OBJECT_IMAGE_NAME, "", name, key, sizeof(key), NULL) < 0) return;
    changes_put(changes, key, json_pack("{s:s}", "image", hex), CHANGES_ANY);
    remove_text(names, name);
    json_array_append_new(names, json_string(name));
}

void image_handle_tag(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct object *image;
    struct err err = {0};
    char name[IMAGE_NAME_MAX + 1];
    int rc = image_resolve(cloud, http_path(req, "image"), &image, &err);
    if (rc == 0) rc = image_name_normalise(json_text(http_body(req), "name"), name, &err);
    json_t *doc = rc == 0 ? object_doc(image) : NULL;
    if (rc == 0 && json_array_size(json_object_get(doc, "names")) >= IMAGE_NAMES_MAX)
        rc = err_set(&err, ERR_LIMIT, 0, image->id, "it has %d names already", IMAGE_NAMES_MAX);
    if (rc == 0) {
        struct changes *changes = changes_new(cloud);
        image_point(cloud, changes, name, image->name, json_object_get(doc, "names"));
        changes_put(changes, image->key, json_incref(doc), image->revision);
        changes_event(changes, "image.tagged", OBJECT_IMAGE, "", name, image->id, NULL);
        rc = changes_commit(changes, true, &err);
    }
    json_decref(doc);
    if (rc < 0)
        http_reply_error(req, &err);
    else
        handler_reply_object(req, 200, image);
}

// --- reading -----------------------------------------------------------------------------------------

void image_handle_get(struct http_request *req, void *arg) {
    struct object *image;
    struct err err = {0};
    if (image_resolve(arg, http_path(req, "image"), &image, &err) < 0)
        http_reply_error(req, &err);
    else
        handler_reply_object(req, 200, image);
}

void image_handle_list(struct http_request *req, void *arg) {
    handler_reply_list(arg, req, OBJECT_IMAGE, NULL);
}

// --- removal -----------------------------------------------------------------------------------------

// asked: the word that the request has for the image; name: that, where it is one of its names.
static int check_removable(struct cloud *cloud, struct object *image, json_t *names,
                           const char *asked, const char *name, bool force, struct err *err) {
    struct image_use use;
    if (!name && json_array_size(names) > 1 && !force) {
        err_set(err, ERR_STATE, 0, asked, "it has %zu names", json_array_size(names));
        return err_next(err, "remove it by name, or all at once with --force");
    }
    if (image_in_use(cloud, image->id, &use)) {
        err_set(err, ERR_STATE, 0, asked, "instance %s uses it", use.by);
        return err_next(err, "remove the instance first: trine rm %s", use.by);
    }
    return 0;
}

static void drop_name(struct changes *changes, const char *name) {
    char key[STORE_KEY_MAX + 1];
    if (object_key(OBJECT_IMAGE_NAME, "", name, key, sizeof(key), NULL) == 0)
        changes_delete(changes, key, CHANGES_ANY);
}

void image_handle_delete(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct object *image;
    struct err err = {0};
    char word[IMAGE_NAME_MAX + 1], etag[ETAG_SIZE];
    int rc = image_resolve(cloud, http_path(req, "image"), &image, &err);
    if (rc == 0) rc = http_check_match(req, object_etag(image, etag), &err);
    if (rc < 0) {
        http_reply_error(req, &err);
        return;
    }
    json_t *doc = object_doc(image), *names = json_object_get(doc, "names"),
           *removed = json_array();
    bool by_name = image_name_normalise(http_path(req, "image"), word, NULL) == 0 &&
                   object_find(cloud->objects, OBJECT_IMAGE_NAME, "", word);
    bool whole = !by_name || json_array_size(names) <= 1;
    if (whole)
        rc = check_removable(cloud, image, names, http_path(req, "image"), by_name ? word : NULL,
                             http_query_bool(req, "force"), &err);
    json_t *result = json_pack("{s:O}", "removed_names", removed);
    if (rc == 0) {
        struct changes *changes = changes_new(cloud);
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            if (!whole && strcmp(name, word) != 0) continue;
            drop_name(changes, name);
            json_array_append_new(removed, json_string(name));
        }
        changes_event(changes, whole ? "image.removed" : "image.untagged", OBJECT_IMAGE, "",
                      by_name ? word : image->id, image->id, NULL);
        if (whole) {
            json_object_set_new(result, "removed_id", json_string(image->id));
            changes_delete(changes, image->key, image->revision);
        } else {
            remove_text(names, word);
            changes_put(changes, image->key, json_incref(doc), image->revision);
        }
        rc = changes_commit(changes, true, &err);
    }
    if (rc < 0)
        http_reply_error(req, &err);
    else
        http_reply_jansson(req, 200, json_incref(result), NULL);
    if (rc == 0 && whole) image_sweep(cloud, NULL);
    json_decref(result);
    json_decref(removed);
    json_decref(doc);
}
