// SPDX-License-Identifier: Apache-2.0
// The API's requests about instances; instance_create.c has the one that makes them.
#include "cloud/handlers.h"

#include "base/log.h"
#include "base/str.h"
#include "cloud/bridge.h"
#include "cloud/instance.h"
#include "cloud/logs.h"
#include "host/process.h"

#include <signal.h>
#include <stdlib.h>

// The instance that the path names; answers the request and returns NULL when there is none.
static struct instance *find(struct cloud *cloud, struct http_request *req) {
    const char *project;
    struct object *object;
    struct err err = {0};
    if (!handler_project(cloud, req, &project)) return NULL;
    if (object_resolve(cloud->objects, OBJECT_INSTANCE, project, http_path(req, "instance"),
                       &object, &err) == 0)
        return instance_of(object);
    http_reply_error(req, &err);
    return NULL;
}

static void reply(struct http_request *req, int rc, const struct err *err, struct operation *op) {
    if (rc < 0)
        http_reply_error(req, err);
    else
        operation_reply(req, op);
}

// --- reading and editing ----------------------------------------------------------------------------

struct listing {
    struct str out;
    struct http_values states;
    struct http_values labels;
};

static bool state_matches(const struct instance *inst, const struct http_values *wanted) {
    for (size_t i = 0; i < wanted->count; i++) {
        if (strcmp(wanted->items[i], instance_state_word(inst->state)) == 0) return true;
    }
    return wanted->count == 0;
}

static bool labels_match(const struct object *object, const struct http_values *wanted) {
    if (!wanted->count) return true;
    json_t *doc = object_doc(object);
    const json_t *labels = json_object_get(doc, "labels");
    bool ok = true;
    for (size_t i = 0; ok && i < wanted->count; i++) {
        const char *equals = strchr(wanted->items[i], '=');
        char *key auto_free =
            mem_strndup(wanted->items[i],
                        equals ? (size_t)(equals - wanted->items[i]) : strlen(wanted->items[i]));
        const json_t *value = json_object_get(labels, key);
        ok = value && (!equals || strcmp(json_string_value(value), equals + 1) == 0);
    }
    json_decref(doc);
    return ok;
}

static bool list_one(struct object *object, void *arg) {
    struct listing *l = arg;
    const struct instance *inst = instance_of(object);
    if (!state_matches(inst, &l->states)) return true;
    if (!labels_match(object, &l->labels)) return true;
    if (l->out.data[l->out.len - 1] != '[') str_add_char(&l->out, ',');
    object_render(object, &l->out);
    return true;
}

static void reply_list(struct cloud *cloud, struct http_request *req, const char *project) {
    struct listing l = {.states = http_query_all(req, "state"),
                        .labels = http_query_all(req, "label")};
    str_add(&l.out, "{\"items\":[");
    object_each(cloud->objects, OBJECT_INSTANCE, project, list_one, &l);
    str_printf(&l.out, "],\"revision\":%lld}", (long long)store_revision(cloud->store));
    http_reply_json(req, 200, str_text(&l.out), NULL);
    str_free(&l.out);
}

void instance_handle_list(struct http_request *req, void *arg) {
    const char *project;
    if (handler_project(arg, req, &project)) reply_list(arg, req, project);
}

void instance_handle_list_all(struct http_request *req, void *arg) {
    reply_list(arg, req, NULL);
}

void instance_handle_get(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    if (inst) handler_reply_object(req, 200, inst->object);
}

struct patch {
    struct cloud *cloud;
    struct http_request *req; // NULL once abandoned
    struct object *object;
    char id[ID_TEXT_SIZE];
    json_t *doc;
};

static void patch_end(struct patch *p, const struct err *err) {
    if (p->req && err) http_reply_error(p->req, err);
    if (p->req && !err) handler_reply_object(p->req, 200, p->object);
    json_decref(p->doc);
    free(p);
}

static void patch_write(struct patch *p) {
    struct err err = {0};
    struct instance *inst = instance_of(p->object);
    int rc = instance_write(inst, json_incref(p->doc), "instance.updated", NULL, true, &err);
    patch_end(p, rc < 0 ? &err : NULL);
}

static void on_updated(json_t *result, const struct err *err, void *arg) {
    struct patch *p = arg;
    struct object *object;
    struct err gone = {0};
    if (!err && object_resolve(p->cloud->objects, OBJECT_INSTANCE, NULL, p->id, &object, &gone) < 0)
        err = &gone;
    if (err) {
        patch_end(p, err);
        return;
    }
    // Its state may have changed while the host was asked: keep what is there now, lay the edit over it.
    json_t *now = object_doc(object);
    json_object_set(p->doc, "status", json_object_get(now, "status"));
    json_object_set(p->doc, "desired", json_object_get(now, "desired"));
    json_decref(now);
    p->object = object;
    patch_write(p);
}

static void on_patch_abandoned(struct http_request *req, void *arg) {
    ((struct patch *)arg)->req = NULL;
}

void instance_handle_patch(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    if (!inst) return;
    struct err err = {0};
    char etag[ETAG_SIZE];
    if (http_check_match(req, object_etag(inst->object, etag), &err) < 0) {
        http_reply_error(req, &err);
        return;
    }
    const json_t *body = http_body(req), *limits = json_object_get(body, "limits");
    struct patch *p = mem_new(struct patch);
    *p = (struct patch){.cloud = arg,
                        .req = req,
                        .object = inst->object,
                        .doc = object_doc(inst->object)};
    snprintf(p->id, sizeof(p->id), "%s", inst->id);
    handler_merge(json_object_get(p->doc, "labels"), json_object_get(body, "labels"));
    handler_merge(json_object_get(p->doc, "limits"), limits);
    if (json_object_get(body, "stop_timeout_ms"))
        json_object_set(p->doc, "stop_timeout_ms", json_object_get(body, "stop_timeout_ms"));
    bool live = inst->state == INSTANCE_RUNNING || inst->state == INSTANCE_PAUSED;
    if (json_object_size(limits) && live) {
        http_on_abandon(req, on_patch_abandoned, p);
        inst->kind->update(inst, (json_t *)limits, on_updated, p);
    } else {
        patch_write(p);
    }
}

// --- lifecycle -----------------------------------------------------------------------------------------

void instance_handle_start(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct operation *op = NULL;
    struct err err = {0};
    if (!inst) return;
    int rc = instance_start(inst, &op, &err);
    reply(req, rc, &err, op);
}

static int64_t timeout_of(const json_t *body) {
    const json_t *timeout = json_object_get(body, "timeout_ms");
    return timeout ? json_integer_value(timeout) : -1;
}

void instance_handle_stop(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct operation *op = NULL;
    struct err err = {0};
    int signo = 0;
    if (!inst) return;
    const char *word = json_text(http_body(req), "signal");
    int rc = *word && process_signal_parse(word, &signo) < 0
                 ? err_set(&err, ERR_INVALID, 0, word, "is no signal")
                 : instance_stop(inst, signo, timeout_of(http_body(req)), &op, &err);
    reply(req, rc, &err, op);
}

void instance_handle_restart(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct operation *op = NULL;
    struct err err = {0};
    if (!inst) return;
    int rc = instance_restart(inst, timeout_of(http_body(req)), &op, &err);
    reply(req, rc, &err, op);
}

void instance_handle_pause(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct operation *op = NULL;
    struct err err = {0};
    if (!inst) return;
    int rc = instance_pause(inst, true, &op, &err);
    reply(req, rc, &err, op);
}

void instance_handle_resume(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct operation *op = NULL;
    struct err err = {0};
    if (!inst) return;
    int rc = instance_pause(inst, false, &op, &err);
    reply(req, rc, &err, op);
}

void instance_handle_delete(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct operation *op = NULL;
    struct err err = {0};
    char etag[ETAG_SIZE];
    if (!inst) return;
    int rc = http_check_match(req, object_etag(inst->object, etag), &err);
    if (rc == 0) rc = instance_delete(inst, http_query_bool(req, "force"), &op, &err);
    reply(req, rc, &err, op);
}

// A question whose asker may leave before the answer.
struct question {
    struct http_request *req;
    struct instance *inst;
};

static void on_question_abandoned(struct http_request *req, void *arg) {
    ((struct question *)arg)->req = NULL;
}

static struct question *question_new(struct http_request *req, struct instance *inst) {
    struct question *q = mem_new(struct question);
    *q = (struct question){req, inst};
    http_on_abandon(req, on_question_abandoned, q);
    return q;
}

static void on_killed(json_t *result, const struct err *err, void *arg) {
    struct question *q = arg;
    if (q->req && err) http_reply_error(q->req, err);
    if (q->req && !err) http_reply_empty(q->req, 204);
    free(q);
}

static bool check_runs(struct http_request *req, const struct instance *inst) {
    if (inst->state == INSTANCE_RUNNING || inst->state == INSTANCE_PAUSED ||
        inst->state == INSTANCE_STOPPING)
        return true;
    struct err err = {0};
    err_set(&err, ERR_STATE, 0, inst->name, "it is %s, not running",
            instance_state_word(inst->state));
    err_next(&err, "'trine start %s' starts it", inst->name);
    http_reply_error(req, &err);
    return false;
}

void instance_handle_kill(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    struct err err = {0};
    int signo = SIGKILL;
    if (!inst || !check_runs(req, inst)) return;
    const char *word = json_text(http_body(req), "signal");
    if (*word && process_signal_parse(word, &signo) < 0) {
        err_set(&err, ERR_INVALID, 0, word, "is no signal");
        http_reply_error(req, &err);
        return;
    }
    inst->kind->signal(inst, signo, false, on_killed, question_new(req, inst));
}

static void on_top(json_t *result, const struct err *err, void *arg) {
    struct question *q = arg;
    if (q->req && err) http_reply_error(q->req, err);
    if (q->req && !err) http_reply_jansson(q->req, 200, json_incref(result), NULL);
    free(q);
}

void instance_handle_top(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    if (inst && check_runs(req, inst)) inst->kind->top(inst, on_top, question_new(req, inst));
}

void instance_handle_wait(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    const char *condition = http_query(req, "condition");
    if (inst) instance_add_waiter(inst, req, condition && strcmp(condition, "removed") == 0);
}

// --- streams -------------------------------------------------------------------------------------------

void instance_handle_attach(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    if (!inst) return;
    bool soon = inst->state == INSTANCE_CREATED || inst->state == INSTANCE_STARTING;
    if (!soon && !check_runs(req, inst)) return;
    bool input = http_query_bool(req, "input"), output = http_query_bool(req, "output");
    bool said = http_query(req, "input") || http_query(req, "output");
    bool replay = http_query_bool(req, "replay");
    struct attach *attach = attach_new(arg, req);
    if (!attach) return;
    attach->input = !said || input;
    attach->output = !said || output;
    attach->replay = replay;
    instance_attach(inst, attach);
}

struct exec_request {
    struct wire_shim_exec message;
    struct arena *arena;
};

static void exec_free(void *arg) {
    struct exec_request *exec = arg;
    arena_free(exec->arena);
    free(exec);
}

static struct wire_strings copy_values(struct arena *arena, struct http_values values) {
    const char **items = arena_array(arena, values.count + 1, sizeof(*items));
    for (size_t i = 0; items && i < values.count; i++)
        items[i] = arena_strdup(arena, values.items[i]);
    return (struct wire_strings){items, items ? values.count : 0};
}

static const char *copy_text(struct arena *arena, const char *text) {
    return text ? arena_strdup(arena, text) : "";
}

void instance_handle_exec(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    if (!inst || !check_runs(req, inst)) return;
    struct arena *arena = arena_new(1u << 20);
    struct exec_request *exec = mem_new(struct exec_request);
    exec->arena = arena;
    exec->message =
        (struct wire_shim_exec){.args = copy_values(arena, http_query_all(req, "args")),
                                .env = copy_values(arena, http_query_all(req, "env")),
                                .working_dir = copy_text(arena, http_query(req, "working_dir")),
                                .user = copy_text(arena, http_query(req, "user")),
                                .terminal = http_query_bool(req, "terminal"),
                                .rows = (uint16_t)http_query_int(req, "rows", 24),
                                .columns = (uint16_t)http_query_int(req, "columns", 80),
                                .input = http_query_bool(req, "input"),
                                .privileged = http_query_bool(req, "privileged")};
    struct attach *attach = attach_new(arg, req);
    if (!attach) {
        exec_free(exec);
        return;
    }
    attach->exec = exec; // its first member is the message
    attach->free_exec = exec_free;
    inst->kind->exec(inst, attach);
}

void instance_handle_logs(struct http_request *req, void *arg) {
    struct instance *inst = find(arg, req);
    if (inst) logs_serve(arg, req, inst->object);
}

// --- figures -------------------------------------------------------------------------------------------

// With ?stream: asks again when the last answer has gone out, on a timer that lives as long as the client.
struct stats {
    struct list link; // of the instance
    struct cloud *cloud;
    struct http_request *req;
    struct http_stream *stream;
    struct loop_source *timer;
    char id[ID_TEXT_SIZE];
    int64_t interval_ns;
    bool asking;
};

static void stats_free(struct stats *s) {
    loop_remove(s->timer);
    free(s);
}

static void on_stats_gone(struct http_stream *stream, void *arg) {
    struct stats *s = arg;
    s->stream = NULL;
    if (!s->asking) stats_free(s);
}

static void on_stats_abandoned(struct http_request *req, void *arg) {
    ((struct stats *)arg)->req = NULL;
}

static void on_stats(json_t *result, const struct err *err, void *arg);

static void stats_ask(void *arg) {
    struct stats *s = arg;
    struct object *object;
    struct err err = {0};
    s->asking = true;
    if (object_resolve(s->cloud->objects, OBJECT_INSTANCE, NULL, s->id, &object, &err) < 0)
        on_stats(NULL, &err, s);
    else
        instance_of(object)->kind->stats(instance_of(object), on_stats, s);
}

static void add_identity(struct stats *s, json_t *figures) {
    struct object *object;
    if (object_resolve(s->cloud->objects, OBJECT_INSTANCE, NULL, s->id, &object, NULL) < 0) return;
    json_object_set_new(figures, "time", json_now(s->cloud));
    json_object_set_new(figures, "name", json_string(object->name));
    json_object_set_new(figures, "project", json_string(object->project));
}

static void on_stats(json_t *result, const struct err *err, void *arg) {
    struct stats *s = arg;
    s->asking = false;
    if (!s->req && !s->stream) {
        stats_free(s);
        return;
    }
    if (err || !s->stream) {
        if (!err) add_identity(s, result);
        if (s->stream) http_stream_close(s->stream);
        if (s->req && err) http_reply_error(s->req, err);
        if (s->req && !err) http_reply_jansson(s->req, 200, json_incref(result), NULL);
        stats_free(s);
        return;
    }
    add_identity(s, result);
    char *text auto_free = json_dumps(result, JSON_COMPACT);
    struct str out auto_str = {0};
    str_printf(&out, "event: stats\ndata: %s\n\n", text ? text : "{}");
    http_stream_write(s->stream, str_text(&out), out.len);
    loop_timer_set(s->timer, clock_monotonic(s->cloud->clock) + s->interval_ns);
}

void instance_handle_stats(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct instance *inst = find(cloud, req);
    if (!inst || !check_runs(req, inst)) return;
    struct stats *s = mem_new(struct stats);
    *s = (struct stats){.cloud = cloud, .req = req};
    s->interval_ns = http_query_int(req, "interval_ms", 1000) * MSEC_NS;
    snprintf(s->id, sizeof(s->id), "%s", inst->id);
    struct err err = {0};
    if (loop_add_timer(cloud->loop, -1, stats_ask, s, &s->timer, &err) < 0) {
        http_reply_error(req, &err);
        free(s);
        return;
    }
    if (http_query_bool(req, "stream")) {
        s->req = NULL;
        s->stream = http_stream_open(req, 200, "text/event-stream", on_stats_gone, s);
        if (!s->stream) {
            stats_free(s);
            return;
        }
    } else {
        http_on_abandon(req, on_stats_abandoned, s);
    }
    stats_ask(s);
}
