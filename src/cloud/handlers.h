// SPDX-License-Identifier: Apache-2.0
// The API's handlers and the table that joins them to the operations of api/.
#ifndef TRINE_CLOUD_HANDLERS_H
#define TRINE_CLOUD_HANDLERS_H

#include "cloud/object.h"

extern http_handler_fn *const cloud_handlers[API_OP_COUNT];

http_handler_fn instance_handle_list, instance_handle_list_all, instance_handle_create,
    instance_handle_get, instance_handle_patch, instance_handle_delete, instance_handle_start,
    instance_handle_stop, instance_handle_restart, instance_handle_pause, instance_handle_resume,
    instance_handle_kill, instance_handle_wait, instance_handle_attach, instance_handle_exec,
    instance_handle_logs, instance_handle_stats, instance_handle_top;
http_handler_fn volume_handle_list, volume_handle_get, volume_handle_create, volume_handle_delete;
http_handler_fn network_handle_list, network_handle_get, network_handle_create;
http_handler_fn project_handle_list, project_handle_get, project_handle_create,
    project_handle_patch, project_handle_delete;
http_handler_fn version_handle_get, node_handle_get, openapi_handle_get, metrics_handle_get;

// The project of the request's path; answers the request and returns false when there is none.
bool handler_project(struct cloud *cloud, struct http_request *req, const char **ret_project);
// Merge patch (RFC 7396) of the string map `labels`.
void handler_merge(json_t *target, const json_t *patch);
// {"items":[…],"revision":N} of all objects of a kind.
void handler_reply_list(struct cloud *cloud, struct http_request *req, enum object_kind kind,
                        const char *project);
void handler_reply_object(struct http_request *req, int status, const struct object *object);

#endif
