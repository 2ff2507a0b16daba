// SPDX-License-Identifier: Apache-2.0
#include "cloud/object.h"

#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"

#include <stdlib.h>

struct objects {
    struct cloud *cloud;
    VEC(struct object *) all; // sorted by key
    object_hook_fn *hooks[OBJECT_KIND_COUNT];
    struct store_watch *watch;
};

static const struct kind {
    const char *word, *prefix;
    bool in_project;
} kinds[OBJECT_KIND_COUNT] = {
    [OBJECT_PROJECT] = {"project", "/projects/", false},
    [OBJECT_INSTANCE] = {"instance", "/instances/", true},
    [OBJECT_VOLUME] = {"volume", "/volumes/", true},
    [OBJECT_IMAGE] = {"image", "/images/", false},
    [OBJECT_IMAGE_NAME] = {"image name", "/image-names/", false},
    [OBJECT_OPERATION] = {"operation", "/operations/", false},
};

const char *object_kind_word(enum object_kind kind) {
    return kinds[kind].word;
}

const char *json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *json_time(int64_t realtime_ns) {
    char buf[TIME_TEXT_SIZE];
    return realtime_ns ? json_string(time_format(realtime_ns, buf)) : json_null();
}

json_t *json_now(struct cloud *cloud) {
    return json_time(clock_realtime(cloud->clock));
}

int object_key(enum object_kind kind, const char *project, const char *name, char *buf, size_t size,
               struct err *err) {
    int n = kinds[kind].in_project
                ? snprintf(buf, size, "%s%s/%s", kinds[kind].prefix, project, name)
                : snprintf(buf, size, "%s%s", kinds[kind].prefix, name);
    if (n < 0 || (size_t)n >= size || n > STORE_KEY_MAX)
        return err_set(err, ERR_INVALID, 0, kinds[kind].word, "the name is too long");
    return 0;
}

// --- the cache -----------------------------------------------------------------------------------

// Index of the first object whose key is not less than `key`.
static size_t lower_bound(const struct objects *o, const char *key) {
    size_t low = 0, high = o->all.len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(o->all.items[mid]->key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void object_free(struct object *object) {
    if (!object) return;
    free(object->key);
    free(object->parts);
    free(object->text);
    free(object);
}

static struct object *object_parse_key(const char *key) {
    for (int k = 0; k < OBJECT_KIND_COUNT; k++) {
        if (!str_starts(key, kinds[k].prefix)) continue;
        struct object *object = mem_new(struct object);
        object->kind = k;
        object->key = mem_strdup(key);
        object->parts = mem_strdup(key + strlen(kinds[k].prefix));
        object->project = "";
        object->name = object->parts;
        if (!kinds[k].in_project) return object;
        char *slash = strchr(object->parts, '/');
        if (slash) {
            *slash = 0;
            object->project = object->parts;
            object->name = slash + 1;
            return object;
        }
        object_free(object);
    }
    return NULL;
}

// The text was written by us; only its "id" is looked at here.
static bool object_set(struct object *object, const struct store_entry *entry) {
    json_error_t why;
    json_t *doc = json_loadb(entry->value, entry->size, 0, &why);
    if (!json_is_object(doc)) {
        LOG_WARN("a damaged object is left out", "key=%s cause=\"%s\"", entry->key, why.text);
        json_decref(doc);
        return false;
    }
    snprintf(object->id, sizeof(object->id), "%s", json_text(doc, "id"));
    json_decref(doc);
    free(object->text);
    object->text = mem_strndup(entry->value, entry->size);
    object->size = entry->size;
    object->revision = entry->mod_revision;
    return true;
}

static void cache_put(struct objects *o, const struct store_entry *entry) {
    size_t at = lower_bound(o, entry->key);
    struct object *object = NULL;
    if (at < o->all.len && strcmp(o->all.items[at]->key, entry->key) == 0) {
        object = o->all.items[at];
        if (!object_set(object, entry)) return;
    } else {
        object = object_parse_key(entry->key);
        if (!object) return;
        if (!object_set(object, entry)) {
            object_free(object);
            return;
        }
        vec_add(&o->all, NULL);
        memmove(&o->all.items[at + 1], &o->all.items[at],
                (o->all.len - 1 - at) * sizeof(struct object *));
        o->all.items[at] = object;
    }
    if (o->hooks[object->kind]) o->hooks[object->kind](o->cloud, object, false);
}

static void cache_delete(struct objects *o, const char *key) {
    size_t at = lower_bound(o, key);
    if (at >= o->all.len || strcmp(o->all.items[at]->key, key) != 0) return;
    struct object *object = o->all.items[at];
    vec_remove(&o->all, at);
    if (o->hooks[object->kind]) o->hooks[object->kind](o->cloud, object, true);
    object_free(object);
}

static int on_entry(const struct store_entry *entry, void *arg) {
    cache_put(arg, entry);
    return 0;
}

static void on_change(const struct store_event *event, void *arg) {
    struct objects *o = arg;
    if (event->kind == STORE_PUT)
        cache_put(o, event->entry);
    else if (event->kind == STORE_DELETE)
        cache_delete(o, event->entry->key);
    else
        LOG_ERROR("the store forgot changes that were not read yet", "revision=%lld",
                  (long long)store_revision(o->cloud->store));
}

int objects_open(struct cloud *cloud, struct err *err) {
    struct objects *o = mem_new(struct objects);
    o->cloud = cloud;
    cloud->objects = o;
    int64_t revision = 0;
    for (int k = 0; k < OBJECT_KIND_COUNT; k++) {
        int rc = store_list(cloud->store, kinds[k].prefix, NULL, 0, on_entry, o, &revision, err);
        if (rc < 0) return rc;
    }
    return store_watch(cloud->store, "/", revision, on_change, o, &o->watch, err);
}

void objects_free(struct objects *o) {
    if (!o) return;
    store_unwatch(o->watch);
    for (size_t i = 0; i < o->all.len; i++) object_free(o->all.items[i]);
    vec_free(&o->all);
    free(o);
}

void objects_set_hook(struct objects *o, enum object_kind kind, object_hook_fn *hook) {
    o->hooks[kind] = hook;
}

// --- reading -------------------------------------------------------------------------------------

struct object *object_find(struct objects *o, enum object_kind kind, const char *project,
                           const char *name) {
    char key[STORE_KEY_MAX + 1];
    if (object_key(kind, project, name, key, sizeof(key), NULL) < 0) return NULL;
    size_t at = lower_bound(o, key);
    return at < o->all.len && strcmp(o->all.items[at]->key, key) == 0 ? o->all.items[at] : NULL;
}

void object_each(struct objects *o, enum object_kind kind, const char *project, object_each_fn *fn,
                 void *arg) {
    char prefix[STORE_KEY_MAX + 1];
    bool one_project = kinds[kind].in_project && project && *project;
    snprintf(prefix, sizeof(prefix), "%s%s%s", kinds[kind].prefix, one_project ? project : "",
             one_project ? "/" : "");
    for (size_t at = lower_bound(o, prefix); at < o->all.len; at++) {
        struct object *object = o->all.items[at];
        if (!str_starts(object->key, prefix) || !fn(object, arg)) return;
        // The callback may have removed the object: then the next one stands here now.
        if (at < o->all.len && o->all.items[at] != object) at--;
    }
}

static bool count_one(struct object *object, void *arg) {
    (*(size_t *)arg)++;
    return true;
}

size_t object_count(struct objects *o, enum object_kind kind, const char *project) {
    size_t n = 0;
    object_each(o, kind, project, count_one, &n);
    return n;
}

struct id_search {
    const char *word;
    size_t len;
    struct object *found;
    bool ambiguous;
};

static bool match_id(struct object *object, void *arg) {
    struct id_search *s = arg;
    const char *id = object->id;
    if (str_starts(id, "sha256:") && !str_starts(s->word, "sha256:")) id += strlen("sha256:");
    if (strncmp(id, s->word, s->len) != 0) return true;
    s->ambiguous = s->found != NULL;
    s->found = object;
    return !s->ambiguous;
}

int object_resolve(struct objects *o, enum object_kind kind, const char *project, const char *word,
                   struct object **ret, struct err *err) {
    char what[128];
    snprintf(what, sizeof(what), "%s %s", kinds[kind].word, word);
    *ret = kinds[kind].in_project && !project ? NULL : object_find(o, kind, project, word);
    if (*ret) return 0;
    struct id_search s = {.word = word, .len = strlen(word)};
    if (s.len >= 4) object_each(o, kind, project, match_id, &s);
    if (s.ambiguous) {
        err_set(err, ERR_INVALID, 0, what, "more than one id begins with this");
        return err_next(err, "give more digits of the id, or the name");
    }
    if (!s.found) {
        err_set(err, ERR_NOT_FOUND, 0, what, "there is none%s%s",
                kinds[kind].in_project && project ? " in project " : "",
                kinds[kind].in_project && project ? project : "");
        const char *list = kind == OBJECT_INSTANCE ? "ps -a" : NULL;
        return list ? err_next(err, "'trine %s' lists them", list)
                    : err_next(err, "'trine %s ls' lists them", kinds[kind].word);
    }
    *ret = s.found;
    return 0;
}

json_t *object_doc(const struct object *object) {
    json_t *doc = json_loadb(object->text, object->size, 0, NULL);
    return doc ? doc : json_object();
}

void object_render(const struct object *object, struct str *s) {
    str_printf(s, "{\"revision\":%lld%s", (long long)object->revision, object->size > 2 ? "," : "");
    str_add_n(s, object->text + 1, object->size - 1);
}

const char *object_etag(const struct object *object, char buf[ETAG_SIZE]) {
    snprintf(buf, ETAG_SIZE, "\"%lld\"", (long long)object->revision);
    return buf;
}
