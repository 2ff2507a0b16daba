// SPDX-License-Identifier: Apache-2.0
// Operations: requests that take a while. One is pending or running, then done, failed or cancelled, and never changes
// after that. It is written to the store when it begins and when it ends; one that a killed daemon left unfinished is
// found failed ("interrupted") by the next.
#ifndef TRINE_CLOUD_OPERATION_H
#define TRINE_CLOUD_OPERATION_H

#include "cloud/cloud.h"
#include "cloud/object.h"

#include <jansson.h>

#define OPERATIONS_KEPT 256 // finished ones

struct operation;
typedef void operation_cancel_fn(struct operation *op,
                                 void *arg); // ask the work to stop; it then ends the operation

int operations_open(struct cloud *cloud, struct err *err);
void operations_free(struct operations *operations);

// verb "instance.start". kind/project/name: the object that it is about (name may be "").
struct operation *operation_begin(struct cloud *cloud, const char *verb, enum object_kind kind,
                                  const char *project, const char *name);
void operation_set_cancel(struct operation *op, operation_cancel_fn *fn, void *arg);
void operation_progress(struct operation *op, const char *step, uint64_t done, uint64_t total);
// End it; waiting requests are answered; the pointer is dead afterwards. result is stolen, may be NULL.
void operation_done(struct operation *op, json_t *result);
void operation_fail(struct operation *op, const struct err *why); // ERR_CANCELLED: state cancelled
const char *operation_id(const struct operation *op);

// Answer a request with the operation: 202 and Location at once, or, with ?wait=SECONDS, 200 once it has ended or the
// time is over.
void operation_reply(struct http_request *req, struct operation *op);
// The same by id, for work that may have ended the operation already.
void operation_reply_id(struct cloud *cloud, struct http_request *req, const char *id);

http_handler_fn operation_handle_list, operation_handle_get, operation_handle_cancel;

#endif
