// SPDX-License-Identifier: Apache-2.0
#include "cloud/event.h"

#include "base/str.h"
#include "base/vec.h"
#include "cloud/object.h"

#include <inttypes.h>
#include <stdlib.h>

struct events {
    uint64_t first, next; // numbers in use: [first, next)
};

static uint64_t number_of(const char *key) {
    return strtoull(key + strlen(EVENT_KEY_PREFIX), NULL, 10);
}

static int note_number(const struct store_entry *entry, void *arg) {
    struct events *e = arg;
    uint64_t n = number_of(entry->key);
    if (e->first == e->next) e->first = n;
    e->next = n + 1;
    return 0;
}

int events_open(struct cloud *cloud, struct err *err) {
    struct events *e = mem_new(struct events);
    e->first = e->next = 1;
    cloud->events = e;
    return store_list(cloud->store, EVENT_KEY_PREFIX, NULL, 0, note_number, e, NULL, err);
}

void events_free(struct events *e) {
    free(e);
}

uint64_t events_last(const struct events *e) {
    return e->next - 1;
}

uint64_t events_first(const struct events *e) {
    return e->first;
}

uint64_t events_reserve(struct events *e) {
    return e->next++;
}

void events_forget(struct events *e, uint64_t first) {
    e->first = first;
}

// --- GET /v1/events ------------------------------------------------------------------------------

struct event_filter {
    struct strv types; // empty: all
    char *project;
};

// "instance" asks for all of "instance.*".
static bool type_wanted(const struct event_filter *f, const char *type) {
    for (size_t i = 0; i < f->types.len; i++) {
        size_t n = strlen(f->types.items[i]);
        if (strncmp(type, f->types.items[i], n) == 0 && (!type[n] || type[n] == '.')) return true;
    }
    return f->types.len == 0;
}

static bool wanted(const struct event_filter *f, const char *text, size_t size, json_t **ret_doc) {
    json_t *doc = json_loadb(text, size, 0, NULL);
    if (!doc) return false;
    const char *type = json_text(doc, "type");
    const char *project = json_text(json_object_get(doc, "object"), "project");
    bool ok =
        type_wanted(f, type) && (!f->project || !*project || strcmp(project, f->project) == 0);
    if (ok && ret_doc)
        *ret_doc = doc;
    else
        json_decref(doc);
    return ok;
}

struct collect {
    const struct event_filter *filter;
    struct str *out;
    bool sse;
};

static void add_sse(struct str *out, const char *text, size_t size) {
    json_t *doc = json_loadb(text, size, 0, NULL);
    str_printf(out, "id: %" JSON_INTEGER_FORMAT "\nevent: %s\ndata: ",
               json_integer_value(json_object_get(doc, "sequence")), json_text(doc, "type"));
    str_add_n(out, text, size);
    str_add(out, "\n\n");
    json_decref(doc);
}

static int collect_event(const struct store_entry *entry, void *arg) {
    struct collect *c = arg;
    if (!wanted(c->filter, entry->value, entry->size, NULL)) return 0;
    if (c->sse) {
        add_sse(c->out, entry->value, entry->size);
    } else {
        if (c->out->len && c->out->data[c->out->len - 1] != '[') str_add_char(c->out, ',');
        str_add_n(c->out, entry->value, entry->size);
    }
    return 0;
}

struct follower {
    struct cloud *cloud;
    struct event_filter filter;
    struct http_stream *stream;
    struct store_watch *watch;
};

// A follower that does not read is dropped rather than remembered: it comes back with ?since=.
#define FOLLOWER_QUEUE_MAX ((size_t)1 << 20)

static void follower_free(struct follower *f) {
    store_unwatch(f->watch);
    strv_free(&f->filter.types);
    free(f->filter.project);
    free(f);
}

static void on_follower_closed(struct http_stream *stream, void *arg) {
    follower_free(arg);
}

static void on_new_event(const struct store_event *event, void *arg) {
    struct follower *f = arg;
    if (event->kind != STORE_PUT ||
        !wanted(&f->filter, event->entry->value, event->entry->size, NULL))
        return;
    struct str text auto_str = {0};
    add_sse(&text, event->entry->value, event->entry->size);
    if (http_stream_write(f->stream, str_text(&text), text.len) < 0 ||
        http_stream_queued(f->stream) > FOLLOWER_QUEUE_MAX) {
        http_stream_close(f->stream);
        follower_free(f);
    }
}

void event_handle_list(struct http_request *req, void *arg) {
    struct cloud *cloud = arg;
    struct http_values types = http_query_all(req, "type");
    const char *project = http_query(req, "project");
    const char *accept = http_header(req, "Accept");
    bool sse = http_query_bool(req, "follow") || (accept && strstr(accept, "text/event-stream"));
    const char *last_id = http_header(req, "Last-Event-ID");
    int64_t since = http_query_int(req, "since",
                                   last_id ? strtoll(last_id, NULL, 10)
                                   : sse   ? -1
                                           : 0);
    struct follower *f = mem_new(struct follower);
    f->cloud = cloud;
    for (size_t i = 0; i < types.count; i++) strv_add(&f->filter.types, types.items[i]);
    f->filter.project = project ? mem_strdup(project) : NULL;
    if (since < 0) since = (int64_t)events_last(cloud->events);
    char after[64];
    snprintf(after, sizeof(after), EVENT_KEY_PREFIX "%020" PRId64, since);
    struct str out auto_str = {0};
    if (!sse) str_add(&out, "{\"items\":[");
    struct collect c = {.filter = &f->filter, .out = &out, .sse = sse};
    struct err err = {0};
    int64_t revision = 0;
    int rc =
        store_list(cloud->store, EVENT_KEY_PREFIX, after, 0, collect_event, &c, &revision, &err);
    if (rc == 0 && sse)
        rc =
            store_watch(cloud->store, EVENT_KEY_PREFIX, revision, on_new_event, f, &f->watch, &err);
    if (rc < 0) {
        http_reply_error(req, &err);
        follower_free(f);
        return;
    }
    if (!sse) {
        str_printf(&out, "],\"last\":%" PRIu64 "}", events_last(cloud->events));
        http_reply_json(req, 200, str_text(&out), NULL);
        follower_free(f);
        return;
    }
    f->stream = http_stream_open(req, 200, "text/event-stream", on_follower_closed, f);
    if (!f->stream)
        follower_free(f);
    else if (out.len)
        http_stream_write(f->stream, str_text(&out), out.len);
}
