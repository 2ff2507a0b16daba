// SPDX-License-Identifier: Apache-2.0
#ifndef TRINE_CLOUD_LOGS_H
#define TRINE_CLOUD_LOGS_H

#include "cloud/object.h"

// Answer GET …/logs of the instance (query parameters follow, since, until, tail).
void logs_serve(struct cloud *cloud, struct http_request *req, struct object *object);

#endif
