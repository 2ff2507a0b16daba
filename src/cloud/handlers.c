// SPDX-License-Identifier: Apache-2.0
#include "cloud/handlers.h"

#include "base/str.h"
#include "cloud/event.h"
#include "cloud/image.h"
#include "cloud/operation.h"

http_handler_fn *const cloud_handlers[API_OP_COUNT] = {
    [API_VERSION_GET] = version_handle_get,
    [API_NODE_GET] = node_handle_get,
    [API_OPENAPI_GET] = openapi_handle_get,
    [API_METRICS_GET] = metrics_handle_get,
    [API_PROJECT_LIST] = project_handle_list,
    [API_PROJECT_GET] = project_handle_get,
    [API_PROJECT_CREATE] = project_handle_create,
    [API_PROJECT_PATCH] = project_handle_patch,
    [API_PROJECT_DELETE] = project_handle_delete,
    [API_INSTANCE_LIST] = instance_handle_list,
    [API_INSTANCE_LIST_ALL] = instance_handle_list_all,
    [API_INSTANCE_CREATE] = instance_handle_create,
    [API_INSTANCE_GET] = instance_handle_get,
    [API_INSTANCE_PATCH] = instance_handle_patch,
    [API_INSTANCE_DELETE] = instance_handle_delete,
    [API_INSTANCE_START] = instance_handle_start,
    [API_INSTANCE_STOP] = instance_handle_stop,
    [API_INSTANCE_RESTART] = instance_handle_restart,
    [API_INSTANCE_PAUSE] = instance_handle_pause,
    [API_INSTANCE_RESUME] = instance_handle_resume,
    [API_INSTANCE_KILL] = instance_handle_kill,
    [API_INSTANCE_WAIT] = instance_handle_wait,
    [API_INSTANCE_ATTACH] = instance_handle_attach,
    [API_INSTANCE_EXEC] = instance_handle_exec,
    [API_INSTANCE_LOGS] = instance_handle_logs,
    [API_INSTANCE_STATS] = instance_handle_stats,
    [API_INSTANCE_TOP] = instance_handle_top,
    [API_IMAGE_LIST] = image_handle_list,
    [API_IMAGE_GET] = image_handle_get,
    [API_IMAGE_IMPORT] = image_handle_import,
    [API_IMAGE_BUILD] = image_handle_build,
    [API_IMAGE_TAG] = image_handle_tag,
    [API_IMAGE_DELETE] = image_handle_delete,
    [API_IMAGE_EXPORT] = image_handle_export,
    [API_IMAGE_PRUNE] = image_handle_prune,
    [API_VOLUME_LIST] = volume_handle_list,
    [API_VOLUME_GET] = volume_handle_get,
    [API_VOLUME_CREATE] = volume_handle_create,
    [API_VOLUME_DELETE] = volume_handle_delete,
    [API_NETWORK_LIST] = network_handle_list,
    [API_NETWORK_GET] = network_handle_get,
    [API_NETWORK_CREATE] = network_handle_create,
    [API_OPERATION_LIST] = operation_handle_list,
    [API_OPERATION_GET] = operation_handle_get,
    [API_OPERATION_CANCEL] = operation_handle_cancel,
    [API_EVENT_LIST] = event_handle_list,
};

bool handler_project(struct cloud *cloud, struct http_request *req, const char **ret_project) {
    const char *project = http_path(req, "project");
    struct object *object = object_find(cloud->objects, OBJECT_PROJECT, "", project);
    if (object) {
        *ret_project = object->name;
        return true;
    }
    struct err err = {0};
    char what[128];
    snprintf(what, sizeof(what), "project %s", project);
    err_set(&err, ERR_NOT_FOUND, 0, what, "there is none");
    err_next(&err, "'trine project ls' lists them, 'trine project create %s' makes it", project);
    http_reply_error(req, &err);
    return false;
}

void handler_merge(json_t *target, const json_t *patch) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)patch, key, value) {
        if (json_is_null(value))
            json_object_del(target, key);
        else
            json_object_set(target, key, value);
    }
}

static bool render_one(struct object *object, void *arg) {
    struct str *out = arg;
    if (out->data[out->len - 1] != '[') str_add_char(out, ',');
    object_render(object, out);
    return true;
}

void handler_reply_list(struct cloud *cloud, struct http_request *req, enum object_kind kind,
                        const char *project) {
    struct str out auto_str = {0};
    str_add(&out, "{\"items\":[");
    object_each(cloud->objects, kind, project, render_one, &out);
    str_printf(&out, "],\"revision\":%lld}", (long long)store_revision(cloud->store));
    http_reply_json(req, 200, str_text(&out), NULL);
}

void handler_reply_object(struct http_request *req, int status, const struct object *object) {
    struct str text auto_str = {0};
    char etag[ETAG_SIZE];
    object_render(object, &text);
    http_reply_json(req, status, str_text(&text), object_etag(object, etag));
}
