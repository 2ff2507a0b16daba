// SPDX-License-Identifier: Apache-2.0
#include "cloud/operation.h"

#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"

#include <stdlib.h>

#define RECORD_RETRY_NS (2 * SEC_NS)

struct waiter {
    struct list link;
    struct operations *owner;
    struct http_request *req;
    struct loop_source *timer;
    char id[ID_TEXT_SIZE];
};

struct operation {
    struct list link; // of operations.running
    struct cloud *cloud;
    json_t *doc; // as stored, kept current
    char id[ID_TEXT_SIZE];
    operation_cancel_fn *cancel;
    void *cancel_arg;
    bool ended; // its end is not stored yet
};

struct operations {
    struct cloud *cloud;
    struct list running, waiters;
    struct loop_source *record_timer; // while there are ended ones among the running
};

static void record_later(struct operations *ops);

static void operation_key(const char *id, char *buf, size_t size) {
    object_key(OBJECT_OPERATION, "", id, buf, size, NULL);
}

static bool unended(const json_t *doc) {
    return strcmp(json_text(doc, "state"), "running") == 0;
}

// Ended operations beyond OPERATIONS_KEPT go, oldest first (ids sort by age).
struct oldest {
    struct changes *changes;
    size_t excess;
};

static bool drop_oldest(struct object *object, void *arg) {
    struct oldest *o = arg;
    if (o->excess == 0) return false;
    json_t *doc = object_doc(object);
    bool keep = unended(doc);
    json_decref(doc);
    if (keep) return true;
    changes_delete(o->changes, object->key, CHANGES_ANY);
    o->excess--;
    return true;
}

static void trim(struct operations *ops, struct changes *changes) {
    size_t n = object_count(ops->cloud->objects, OBJECT_OPERATION, NULL);
    struct oldest o = {changes, n > OPERATIONS_KEPT ? n - OPERATIONS_KEPT : 0};
    if (o.excess > 8) o.excess = 8; // a few at a time: a transaction is bounded
    object_each(ops->cloud->objects, OBJECT_OPERATION, NULL, drop_oldest, &o);
}

static json_t *problem_json(const struct err *why) {
    char cause[sizeof(*why)];
    snprintf(cause, sizeof(cause), "%s%s%s", why->cause, *why->context ? ", while " : "",
             why->context);
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "type", "about:blank", "title",
                     err_kind_title(why->kind), "status", err_kind_http(why->kind), "kind",
                     err_kind_word(why->kind), "object", why->object, "cause", cause, "next",
                     why->next);
}

struct unfinished {
    struct cloud *cloud;
    struct changes *changes;
    size_t n;
};

static bool mark_interrupted(struct object *object, void *arg) {
    struct unfinished *u = arg;
    json_t *doc = object_doc(object);
    if (!unended(doc)) {
        json_decref(doc);
        return true;
    }
    struct err why = {0};
    err_set(&why, ERR_UNAVAILABLE, 0, json_text(doc, "verb"),
            "interrupted: the daemon ended before the operation did");
    err_next(&why, "look at the object's state, then repeat the request if it is still wanted");
    json_object_set_new(doc, "state", json_string("failed"));
    json_object_set_new(doc, "error", problem_json(&why));
    json_object_set_new(doc, "cancellable", json_false());
    json_object_set_new(doc, "finished_at", json_now(u->cloud));
    changes_put(u->changes, object->key, doc, CHANGES_ANY);
    return ++u->n < STORE_TXN_MAX - 8;
}

int operations_open(struct cloud *cloud, struct err *err) {
    struct operations *ops = mem_new(struct operations);
    ops->cloud = cloud;
    list_init(&ops->running);
    list_init(&ops->waiters);
    cloud->operations = ops;
    for (;;) {
        struct unfinished u = {.cloud = cloud, .changes = changes_new(cloud)};
        object_each(cloud->objects, OBJECT_OPERATION, NULL, mark_interrupted, &u);
        struct err why = {0};
        if (changes_commit(u.changes, false, &why) < 0) {
            // A full disk is made room on through the API: it has to be served.
            LOG_WARN("cannot record that operations were interrupted", "cause=\"%s\"", why.cause);
            return 0;
        }
        if (u.n == 0) return 0;
    }
}

static void waiter_free(struct waiter *w) {
    list_remove(&w->link);
    loop_remove(w->timer);
    free(w);
}

static void operation_free(struct operation *op) {
    list_remove(&op->link);
    json_decref(op->doc);
    free(op);
}

void operations_free(struct operations *ops) {
    if (!ops) return;
    loop_remove(ops->record_timer);
    struct waiter *w;
    list_each (&ops->waiters, w, struct waiter, link) waiter_free(w);
    struct operation *op;
    list_each (&ops->running, op, struct operation, link) operation_free(op);
    free(ops);
}

struct operation *operation_begin(struct cloud *cloud, const char *verb, enum object_kind kind,
                                  const char *project, const char *name) {
    struct operation *op = mem_new(struct operation);
    op->cloud = cloud;
    text_new_id(clock_realtime(cloud->clock), op->id);
    op->doc =
        json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:s, s:{s:s, s:I, s:I}, s:n, s:n, s:b, "
                  "s:o, s:n}",
                  "kind", "operation", "id", op->id, "verb", verb, "object", "kind",
                  object_kind_word(kind), "project", project, "name", name, "state", "running",
                  "progress", "step", "", "done", (json_int_t)0, "total", (json_int_t)0, "error",
                  "result", "cancellable", 0, "created_at", json_now(cloud), "finished_at");
    list_add_tail(&cloud->operations->running, &op->link);
    char key[STORE_KEY_MAX];
    operation_key(op->id, key, sizeof(key));
    struct changes *changes = changes_new(cloud);
    changes_put(changes, key, json_incref(op->doc), CHANGES_ANY);
    trim(cloud->operations, changes);
    struct err err = {0};
    // Not on record is no reason not to work: the end will be written again.
    if (changes_commit(changes, false, &err) < 0)
        LOG_WARN("cannot record an operation", "verb=%s cause=\"%s\"", verb, err.cause);
    return op;
}

const char *operation_id(const struct operation *op) {
    return op->id;
}

void operation_set_cancel(struct operation *op, operation_cancel_fn *fn, void *arg) {
    op->cancel = fn;
    op->cancel_arg = arg;
    json_object_set_new(op->doc, "cancellable", json_boolean(fn != NULL));
}

void operation_progress(struct operation *op, const char *step, uint64_t done, uint64_t total) {
    json_object_set_new(op->doc, "progress",
                        json_pack("{s:s, s:I, s:I}", "step", step, "done", (json_int_t)done,
                                  "total", (json_int_t)total));
}

// A running operation is shown from memory (its progress is not stored), an ended one from the store.
static struct operation *running_by_id(struct operations *ops, const char *id) {
    struct operation *op;
    list_each (&ops->running, op, struct operation, link) {
        if (strcmp(op->id, id) == 0) return op;
    }
    return NULL;
}

static void reply_now(struct cloud *cloud, struct http_request *req, const char *id, int status) {
    struct operation *op = running_by_id(cloud->operations, id);
    if (op) {
        char location[80];
        snprintf(location, sizeof(location), "/v1/operations/%s", id);
        http_set_header(req, "Location", location);
        http_reply_jansson(req, op->ended ? 200 : status, json_incref(op->doc), NULL);
        return;
    }
    struct object *object = object_find(cloud->objects, OBJECT_OPERATION, "", id);
    struct err err = {0};
    if (!object) {
        err_set(&err, ERR_NOT_FOUND, 0, "operation", "%s is not known any more", id);
        http_reply_error(req, &err);
        return;
    }
    char etag[ETAG_SIZE];
    http_reply_json(req, 200, object->text, object_etag(object, etag));
}

static int record(struct operation *op, struct err *err) {
    char key[STORE_KEY_MAX];
    operation_key(op->id, key, sizeof(key));
    struct changes *changes = changes_new(op->cloud);
    changes_put(changes, key, json_incref(op->doc), CHANGES_ANY);
    return changes_commit(changes, false, err);
}

// What the store refused is shown from memory and written as soon as it is taken.
static void on_record_time(void *arg) {
    struct operations *ops = arg;
    loop_remove(take(ops->record_timer));
    struct operation *op;
    list_each (&ops->running, op, struct operation, link) {
        if (!op->ended) continue;
        if (record(op, NULL) < 0) {
            record_later(ops);
            return;
        }
        operation_free(op);
    }
}

static void record_later(struct operations *ops) {
    int64_t at = clock_monotonic(ops->cloud->clock) + RECORD_RETRY_NS;
    if (!ops->record_timer)
        loop_add_timer(ops->cloud->loop, at, on_record_time, ops, &ops->record_timer, NULL);
}

static void operation_end(struct operation *op, const char *state) {
    struct cloud *cloud = op->cloud;
    char id[ID_TEXT_SIZE];
    snprintf(id, sizeof(id), "%s", op->id);
    op->cancel = NULL;
    json_object_set_new(op->doc, "state", json_string(state));
    json_object_set_new(op->doc, "cancellable", json_false());
    json_object_set_new(op->doc, "finished_at", json_now(cloud));
    struct err err = {0};
    bool stored = record(op, &err) == 0;
    if (!stored && err.kind == ERR_TOO_LARGE) { // the end counts more than what it brought
        json_object_set_new(op->doc, "result", json_null());
        stored = record(op, &err) == 0;
    }
    if (!stored) {
        LOG_WARN("cannot record the end of an operation", "id=%s cause=\"%s\"", id, err.cause);
        op->ended = true;
        record_later(cloud->operations);
    }
    struct waiter *w;
    list_each (&cloud->operations->waiters, w, struct waiter, link) {
        if (strcmp(w->id, id) != 0) continue;
        http_reply_jansson(w->req, 200, json_incref(op->doc), NULL);
        waiter_free(w);
    }
    if (stored) operation_free(op);
}

void operation_done(struct operation *op, json_t *result) {
    json_object_set_new(op->doc, "result", result ? result : json_null());
    operation_end(op, "done");
}

void operation_fail(struct operation *op, const struct err *why) {
    json_object_set_new(op->doc, "error", problem_json(why));
    operation_end(op, why->kind == ERR_CANCELLED ? "cancelled" : "failed");
}

// --- waiting -------------------------------------------------------------------------------------

static void on_wait_over(void *arg) {
    struct waiter *w = arg;
    struct http_request *req = w->req;
    struct cloud *cloud = w->owner->cloud;
    char id[ID_TEXT_SIZE];
    snprintf(id, sizeof(id), "%s", w->id);
    waiter_free(w);
    reply_now(cloud, req, id, 202);
}

static void on_waiter_gone(struct http_request *req, void *arg) {
    waiter_free(arg);
}

static void reply_or_wait(struct cloud *cloud, struct http_request *req, const char *id,
                          int status) {
    int64_t wait_s = http_query_int(req, "wait", 0);
    const struct operation *op = running_by_id(cloud->operations, id);
    if (wait_s <= 0 || !op || op->ended) {
        reply_now(cloud, req, id, status);
        return;
    }
    struct waiter *w = mem_new(struct waiter);
    w->owner = cloud->operations;
    w->req = req;
    snprintf(w->id, sizeof(w->id), "%s", id);
    list_add_tail(&cloud->operations->waiters, &w->link);
    struct err err = {0};
    if (loop_add_timer(cloud->loop, clock_monotonic(cloud->clock) + wait_s * SEC_NS, on_wait_over,
                       w, &w->timer, &err) < 0) {
        waiter_free(w);
        http_reply_error(req, &err);
        return;
    }
    http_on_abandon(req, on_waiter_gone, w);
}

void operation_reply(struct http_request *req, struct operation *op) {
    reply_or_wait(op->cloud, req, op->id, 202);
}

void operation_reply_id(struct cloud *cloud, struct http_request *req, const char *id) {
    reply_or_wait(cloud, req, id, 202);
}

// --- API -----------------------------------------------------------------------------------------

struct listing {
    struct cloud *cloud;
    struct str *out;
};

static bool list_one(struct object *object, void *arg) {
    struct listing *l = arg;
    struct operation *op = running_by_id(l->cloud->operations, object->name);
    if (l->out->data[l->out->len - 1] != '[') str_add_char(l->out, ',');
    if (!op) {
        str_add_n(l->out, object->text, object->size);
        return true;
    }
    char *text auto_free = json_dumps(op->doc, JSON_COMPACT);
    str_add(l->out, text ? text : "{}");
    return true;
}

void operation_handle_list(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct str out auto_str = {0};
    str_add(&out, "{\"items\":[");
    struct listing l = {cloud, &out};
    object_each(cloud->objects, OBJECT_OPERATION, NULL, list_one, &l);
    str_printf(&out, "],\"revision\":%lld}", (long long)store_revision(cloud->store));
    http_reply_json(req, 200, str_text(&out), NULL);
}

// The whole id of the operation that the path names; false when it was answered that there is none. One whose beginning
// the store refused is known to memory alone.
static bool find(struct cloud *cloud, struct http_request *req, char ret_id[ID_TEXT_SIZE]) {
    const char *word = http_path(req, "operation");
    struct object *object;
    struct err err = {0};
    bool known = running_by_id(cloud->operations, word);
    if (!known && object_resolve(cloud->objects, OBJECT_OPERATION, NULL, word, &object, &err) < 0) {
        http_reply_error(req, &err);
        return false;
    }
    snprintf(ret_id, ID_TEXT_SIZE, "%s", known ? word : object->name);
    return true;
}

void operation_handle_get(struct http_request *req, void *arg) {
    char id[ID_TEXT_SIZE];
    if (find(arg, req, id)) reply_or_wait(arg, req, id, 200);
}

void operation_handle_cancel(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    char id[ID_TEXT_SIZE];
    if (!find(cloud, req, id)) return;
    struct operation *op = running_by_id(cloud->operations, id);
    struct err err = {0};
    if (!op || !op->cancel) {
        err_set(&err, ERR_STATE, 0, "operation",
                op && !op->ended ? "%s cannot be cancelled" : "%s has ended already", id);
        http_reply_error(req, &err);
        return;
    }
    op->cancel(op, op->cancel_arg); // may end the operation
    reply_or_wait(cloud, req, id, 202);
}
